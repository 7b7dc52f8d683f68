"""A relay on a real socket, with clients that speak the protocol on their own."""

import asyncio
import datetime
import ipaddress
import os
import ssl
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.transport.relay.client import RelayClient, join, open_client
from tests.transport.relay.conftest import StartRelay
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from aster.foundation.errors import ConfigError
from aster.transport.errors import BindFailed
from aster.transport.relay.challenge import message_to_sign
from aster.transport.relay.frames import VERSION_1
from aster.transport.relay.limits import RelayLimits
from aster.transport.relay.server import RelayOptions, RelayServer


def fetch(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except HTTPError as error:
        return error.code, error.read(), dict(error.headers)


async def test_datagrams_reach_the_client_they_name_with_their_sender_s_key(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions())
    alice, bob = await join(relay.url), await join(relay.url)
    await alice.send(bob.key, b"hello")
    assert await bob.next() == b"\x06" + alice.key + b"\x00hello"
    await bob.socket.send(b"\x05" + alice.key + b"\x02\x00\x03" + b"abcde")
    assert await alice.next() == b"\x07" + bob.key + b"\x02\x00\x03" + b"abcde"
    assert (relay.statistics.clients, relay.statistics.frames) == (2, 2)


async def test_a_client_can_t_claim_another_s_key(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions())
    thief = await open_client(relay.url)
    thief.key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert (await thief.prove())[0] == 3
    await thief.ended()
    assert relay.statistics.refused["proof"] == 1
    assert relay.statistics.accepted == 0


async def test_a_recorded_proof_is_worth_nothing_on_another_connection(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions())
    first, second = await open_client(relay.url), await open_client(relay.url)
    await second.next()
    challenge = await first.next()
    recorded = b"\x01" + first.key + b"\x40" + first.secret.sign(message_to_sign(challenge[1:]))
    await second.socket.send(recorded)
    denied = await second.socket.recv()
    assert isinstance(denied, bytes)
    assert denied[0] == 3


async def test_nothing_is_relayed_before_the_proof(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions())
    bob, stranger = await join(relay.url), await open_client(relay.url)
    await stranger.next()
    await stranger.send(bob.key, b"hello")
    await stranger.ended()
    assert relay.statistics.frames == 0
    assert relay.statistics.refused["protocol"] == 1


async def test_only_a_known_token_opens_the_relay(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions(tokens=(b"old", b"new")))
    for token in ("old", "new"):
        assert await (await open_client(relay.url, token=token)).prove() == b"\x02"
    for wrong in (None, "ol", "other", "née"):
        with pytest.raises(InvalidStatus) as refused:
            await open_client(relay.url, token=wrong and wrong.encode().decode("latin-1"))
        assert refused.value.response.status_code == 401
    assert relay.statistics.refused["token"] == 4
    assert "old" not in repr(RelayOptions(tokens=(b"old",)))


async def test_a_peer_that_is_not_there_is_said_to_be_gone(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions())
    alice = await join(relay.url)
    nobody = os.urandom(32)
    await alice.send(nobody, b"hello")
    assert await alice.next() == b"\x08" + nobody


async def test_those_a_client_sent_to_learn_when_it_leaves(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions())
    alice, bob, carol = [await join(relay.url) for _ in range(3)]
    await alice.send(bob.key, b"hello")
    await bob.next()
    await alice.socket.close()
    assert await bob.next() == b"\x08" + alice.key
    await bob.send(carol.key, b"carol heard nothing of alice")
    assert (await carol.next())[0] == 6


async def test_the_newest_connection_of_a_key_is_active_and_the_older_one_steps_in_again(
    start_relay: StartRelay,
) -> None:
    relay = await start_relay(RelayOptions())
    secret = Ed25519PrivateKey.generate()
    sender, older = await join(relay.url), await join(relay.url, secret, VERSION_1)
    newer = await join(relay.url, secret)
    assert (await older.next())[0] == 11
    await sender.send(newer.key, b"to the newer")
    assert (await newer.next())[34:] == b"to the newer"
    await newer.socket.close()
    assert await older.next() == b"\x0b"
    await sender.send(older.key, b"to the older")
    assert (await older.next())[34:] == b"to the older"


async def test_pings_are_answered_and_a_silent_client_is_cut(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions(limits=RelayLimits(ping_seconds=0.05, dead_after_seconds=0.2)))
    client = await join(relay.url)
    await client.socket.send(b"\x09pingping")
    assert await client.next() == b"\x0apingping"
    await client.ended()
    while relay.statistics.clients:
        await asyncio.sleep(0.01)


async def test_a_connection_that_does_not_prove_a_key_in_time_is_cut(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions(limits=RelayLimits(proof_seconds=0.1)))
    client = await open_client(relay.url)
    await client.ended()
    host, port = relay.url.removeprefix("http://").removesuffix("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /relay HTT")
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert relay.statistics.refused["slow"] == 2


async def test_more_clients_than_allowed_are_denied(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions(limits=RelayLimits(max_clients=1)))
    await join(relay.url)
    second = await open_client(relay.url)
    denied = await second.prove()
    assert denied[0] == 3
    assert b"full" in denied
    assert relay.statistics.refused["full"] == 1


async def test_a_flood_of_connections_without_proof_leaves_the_clients_alone(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions(limits=RelayLimits(max_unproven=2)))
    alice, bob = await join(relay.url), await join(relay.url)
    waiting = [await open_client(relay.url) for _ in range(2)]
    with pytest.raises((ConnectionError, EOFError, WebSocketException)):
        await open_client(relay.url)
    assert relay.statistics.refused["full"] == 1
    await alice.send(bob.key, b"still here")
    assert (await bob.next())[34:] == b"still here"
    assert await waiting[0].prove() == b"\x02"


async def test_a_client_that_does_not_read_costs_bounded_memory_and_nobody_else_s_datagrams(
    start_relay: StartRelay,
) -> None:
    limits = RelayLimits(max_queue_bytes=256 * 1024)
    relay = await start_relay(RelayOptions(limits=limits))
    sender, reader, deaf = await join(relay.url), await join(relay.url), await join(relay.url)
    deaf.socket.transport.pause_reading()
    block = bytes(32 * 1024)
    while not relay.statistics.dropped["queue"]:
        await sender.send(deaf.key, block)
        assert relay.statistics.queued_bytes <= 2 * limits.max_queue_bytes
    await sender.send(reader.key, b"through")
    assert (await reader.next())[34:] == b"through"


async def test_a_client_that_pings_and_never_reads_is_cut(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions(limits=RelayLimits(max_queue_bytes=64 * 1024)))
    flooder = await join(relay.url)
    flooder.socket.transport.pause_reading()
    ping = b"\x89\xfd" + bytes(4) + bytes(125)  # of websockets, which the relay must answer
    while relay.statistics.clients:
        flooder.socket.transport.write(ping * 2000)
        await asyncio.sleep(0)
    assert relay.statistics.refused["slow"] == 1
    assert relay.statistics.queued_bytes == 0


async def test_a_client_above_its_rate_is_slowed_and_loses_nothing(start_relay: StartRelay) -> None:
    limits = RelayLimits(max_bytes_per_second=256 * 1024, burst_seconds=0.25)
    relay = await start_relay(RelayOptions(limits=limits))
    sender, reader = await join(relay.url), await join(relay.url)
    for number in range(8):
        await sender.send(reader.key, bytes([number]) * 16 * 1024)
    for number in range(8):
        assert (await reader.next())[34:35] == bytes([number])
    assert relay.statistics.throttled > 0


async def test_a_frame_above_the_limit_ends_the_connection(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions(limits=RelayLimits(max_frame_bytes=1024)))
    client = await join(relay.url)
    with suppress(ConnectionClosed):
        await client.send(client.key, bytes(2000))
    await client.ended()
    assert relay.statistics.frames == 0


async def test_a_message_in_fragments_is_one_frame(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions())
    alice, bob = await join(relay.url), await join(relay.url)
    await alice.socket.send([b"\x04" + bob.key, b"\x00he", b"llo"])
    assert await bob.next() == b"\x06" + alice.key + b"\x00hello"


@pytest.mark.parametrize("message", ["text", b"", b"\x00", b"\x04short", b"\x01" + bytes(97)])
async def test_what_is_no_frame_ends_the_connection_with_a_protocol_error(
    start_relay: StartRelay, message: str | bytes
) -> None:
    relay = await start_relay(RelayOptions())
    client = await join(relay.url)
    await client.socket.send(message)
    closed = await client.ended()
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1002
    assert relay.statistics.refused["protocol"] == 1


async def test_closing_tells_clients_that_the_relay_restarts(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions())
    client = await join(relay.url)
    closing = asyncio.create_task(relay.close())
    assert (await client.next())[0] == 12
    closed = await client.ended()
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1001
    await closing


async def test_the_probes_of_clients_and_of_operators_are_answered(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions(tokens=(b"secret",), metrics_port=0))
    await open_client(relay.url, token="secret")
    base = relay.url.removesuffix("/")
    for path in ("/", "/ping", "/healthz"):
        assert (await asyncio.to_thread(fetch, base + path))[0] == 200
    status, _, headers = await asyncio.to_thread(fetch, base + "/generate_204", **{"X-Iroh-Challenge": "ts_1"})
    assert (status, headers["X-Iroh-Response"]) == (204, "response ts_1")
    assert (await asyncio.to_thread(fetch, base + "/metrics"))[0] == 404
    assert relay.metrics_url is not None
    status, body, _ = await asyncio.to_thread(fetch, relay.metrics_url)
    assert status == 200
    assert b"aster_relay_connections 1.0" in body
    assert b'aster_relay_refused_total{reason="token"} 0.0' in body
    assert (await asyncio.to_thread(fetch, relay.metrics_url.replace("/metrics", "/healthz")))[0] == 200


async def test_a_relay_serves_tls_with_the_certificate_it_is_given(start_relay: StartRelay, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    relay = await start_relay(RelayOptions(tls_certificate=str(certificate), tls_key=str(key)))
    assert relay.url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=certificate)
    socket = await connect(
        relay.url.replace("https", "wss") + "relay", subprotocols=[Subprotocol(VERSION_1)], ssl=context, proxy=None
    )
    assert await RelayClient(socket, Ed25519PrivateKey.generate()).prove() == b"\x02"
    relay.reload_certificate()
    certificate.write_text("nothing")
    with pytest.raises(ConfigError, match="can't be used"):
        relay.reload_certificate()
    await socket.close()


async def test_a_port_that_is_taken_is_named(start_relay: StartRelay) -> None:
    relay = await start_relay(RelayOptions())
    port = int(relay.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(BindFailed, match=f":{port}"):
        await RelayServer(RelayOptions(port=port)).start()


def test_a_key_without_a_certificate_is_refused() -> None:
    with pytest.raises(ConfigError, match="without a certificate"):
        RelayServer(RelayOptions(tls_key="key.pem"))


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
