"""Credentials over real connections: who gets in, and that every refusal looks the same."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.rpc.messages import Ask, Greeter

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError, StorageError
from aster.rpc import AsterClient, AsterServer, PermissionDeniedError, RpcLimits, UnavailableError
from aster.rpc.admission import ADMISSION_ALPN, PRESENT
from aster.rpc.hooks import ConnectionAttempt, ConnectionHook
from aster.rpc.node import ALPN
from aster.transport.address import parse_address
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.errors import CloseCode, ConnectionLost
from aster.transport.framing import frame
from aster.trust.credential import Credential, credential_json, issue
from aster.trust.identity_file import Peer, write_identity
from aster.trust.keys import SigningKey
from aster.trust.nonces import CHAIN, StoredJournal
from aster.trust.presentation import Presentation, encode_presentation

ROOT = SigningKey.generate()
NODE = SigningKey.generate()
LATER = int(time.time()) + 3600


def server(greeter: Greeter | None = None, **options: object) -> AsterServer:
    config = AsterConfig(root_pubkey=ROOT.public, **options)  # type: ignore[arg-type]  # settings by name
    return AsterServer([greeter or Greeter()], config=config, limits=RpcLimits(handshake_seconds=5))


def client(address: str, folder: Path, credential: Credential, key: SigningKey = NODE) -> AsterClient:
    file = folder / f"{credential.signature[:12]}.json"
    file.write_bytes(credential_json(credential))
    return AsterClient(
        address=address,
        config=AsterConfig(enrollment_credential_file=file, secret_key=key.seed, bind_addr="127.0.0.1:0"),
    )


async def is_admitted(address: str, folder: Path, credential: Credential, key: SigningKey = NODE) -> bool:
    caller = client(address, folder, credential, key)
    try:
        await (await caller.client(Greeter)).hello(Ask("ann"))
    except PermissionDeniedError:
        return False
    finally:
        await caller.close()
    return True


async def test_a_valid_credential_admits_and_its_attributes_reach_the_handler(tmp_path: Path) -> None:
    greeter = Greeter()
    credential = issue(ROOT, role="consumer", expires_at=LATER, attributes={"aster.role": "ops"})
    async with server(greeter) as running:
        assert await is_admitted(running.address, tmp_path, credential)
    assert greeter.seen is not None
    assert greeter.seen.attributes == {"aster.role": "ops"}
    assert greeter.seen.peer == NODE.public.hex()


BAD: dict[str, Credential] = {
    "wrong root": issue(SigningKey.generate(), role="consumer", expires_at=LATER),
    "expired": issue(ROOT, role="consumer", expires_at=LATER - 7200, issued_at=LATER - 9000),
    "not yet valid": issue(ROOT, role="consumer", expires_at=LATER + 9000, issued_at=LATER),
    "another endpoint's": issue(ROOT, role="consumer", expires_at=LATER, endpoint_id="ab" * 32),
    "one-time without storage": issue(ROOT, role="consumer", expires_at=LATER, one_time=True),
    "instance identity": issue(ROOT, role="consumer", expires_at=LATER, attributes={"aster.iid_provider": "aws"}),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_credential_that_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    async with server() as running:
        assert not await is_admitted(running.address, tmp_path, BAD[name])


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = await Endpoint.bind(EndpointSettings(bind_addr="127.0.0.1:0"))
    yield endpoint
    await endpoint.close()


def presented(credential: bytes) -> bytes:
    return encode_presentation(Presentation(credential))


FORGED = credential_json(issue(ROOT, role="consumer", expires_at=LATER)).replace(b"consumer", b"producer")
RAW = {
    "forged": frame(PRESENT, 0, presented(FORGED)),
    "malformed": frame(PRESENT, 0, b"{"),
    "empty": frame(PRESENT, 0),
    "oversized": frame(PRESENT, 0, bytes(100_000)),
    "another frame": frame(7, 0),
    "no frame": b"GET / HTTP/1.1\r\n\r\n" * 10,
    "trickled": frame(PRESENT, 0, bytes(1000))[:40],
    "silent": b"",
}


@pytest.mark.parametrize("name", RAW)
async def test_every_refusal_looks_the_same(endpoint: Endpoint, name: str) -> None:
    slow = name in ("trickled", "silent")
    limits = RpcLimits(handshake_seconds=3 if slow else 60)
    config = AsterConfig(root_pubkey=ROOT.public)
    async with AsterServer([Greeter()], config=config, limits=limits) as running:
        connection = await endpoint.connect(parse_address(running.address), ADMISSION_ALPN, 10)
        pipe = await connection.open_pipe()
        received: list[bytes] = []
        ended: asyncio.Future[ConnectionLost] = asyncio.get_running_loop().create_future()
        pipe.start(received.append, ended.set_result)
        if RAW[name]:
            pipe.write(RAW[name])
        lost = await ended
        assert (lost.close_code, lost.reason, received) == (CloseCode.NOT_ADMITTED, "not admitted", [])


async def test_a_one_time_credential_admits_exactly_once_also_after_a_restart(tmp_path: Path) -> None:
    credential = issue(ROOT, role="consumer", expires_at=LATER, one_time=True)
    storage = tmp_path / "storage"
    async with server(storage_path=storage) as running:
        keys = [SigningKey.generate() for _ in range(10)]
        admitted = await asyncio.gather(*(is_admitted(running.address, tmp_path, credential, key) for key in keys))
        assert sorted(admitted) == [False] * 9 + [True]
        assert not await is_admitted(running.address, tmp_path, credential)
    async with server(storage_path=storage) as running:
        assert not await is_admitted(running.address, tmp_path, credential)
    journal = StoredJournal.open(str(storage))
    events = [record.event["event"] for record in journal.audit.records(CHAIN)]
    assert sorted(events) == ["admitted"] + ["refused"] * 11
    assert journal.audit.verify(CHAIN).valid
    await journal.close()


async def test_a_one_time_credential_whose_admission_took_too_long_is_good_for_its_holder(tmp_path: Path) -> None:
    credential = issue(ROOT, role="consumer", expires_at=LATER, one_time=True)
    config = AsterConfig(root_pubkey=ROOT.public, storage_path=tmp_path)
    async with AsterServer([Greeter()], config=config, limits=RpcLimits(handshake_seconds=1)) as running:
        with contextlib.closing(sqlite3.connect(tmp_path / "trust.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert not await is_admitted(running.address, tmp_path, credential)
            other.execute("ROLLBACK")
        assert await is_admitted(running.address, tmp_path, credential)
        assert not await is_admitted(running.address, tmp_path, credential, SigningKey.generate())


async def test_a_client_with_a_one_time_credential_comes_back_after_its_connection_was_lost(tmp_path: Path) -> None:
    credential = issue(ROOT, role="consumer", expires_at=LATER, one_time=True)
    async with server(storage_path=tmp_path / "storage") as running:
        caller = client(running.address, tmp_path, credential)
        await caller.connect()
        await caller.reconnect()
        await (await caller.client(Greeter)).hello(Ask("ann"))
        await caller.close()


async def test_a_one_time_credential_that_a_draining_server_sees_stays_unused(tmp_path: Path) -> None:
    credential = issue(ROOT, role="consumer", expires_at=LATER, one_time=True)
    storage, asked, go_on = tmp_path / "storage", asyncio.Event(), asyncio.Event()

    async def hook(attempt: ConnectionAttempt) -> bool:
        asked.set()
        await go_on.wait()
        return True

    config = AsterConfig(root_pubkey=ROOT.public, storage_path=storage)
    async with AsterServer([Greeter()], config=config, hook=hook) as running:
        caller = client(running.address, tmp_path, credential)
        connecting = asyncio.create_task(caller.connect())
        await asked.wait()
        acceptor = running._acceptor
        assert acceptor is not None
        acceptor.drain("it is shutting down")
        go_on.set()
        with pytest.raises(UnavailableError):
            await connecting
        await caller.close()
    async with server(storage_path=storage) as running:
        assert await is_admitted(running.address, tmp_path, credential)


async def test_expiry_ends_a_live_connection(tmp_path: Path) -> None:
    greeter = Greeter()
    credential = issue(ROOT, role="consumer", expires_at=int(time.time()) + 2)
    async with server(greeter) as running:
        caller = client(running.address, tmp_path, credential)
        with pytest.raises(PermissionDeniedError):
            await (await caller.client(Greeter)).wait(Ask("x"))
        await caller.close()
    assert greeter.started.is_set()


async def test_a_denied_peer_loses_its_connection_and_is_not_let_in_again(tmp_path: Path) -> None:
    greeter = Greeter()
    credential = issue(ROOT, role="consumer", expires_at=LATER)
    async with server(greeter) as running:
        caller = client(running.address, tmp_path, credential)
        waiting = asyncio.create_task((await caller.client(Greeter)).wait(Ask("x")))
        await greeter.started.wait()
        await running.deny(NODE.public.hex())
        with pytest.raises(PermissionDeniedError):
            await waiting
        await caller.close()
        assert not await is_admitted(running.address, tmp_path, credential)
        assert await is_admitted(running.address, tmp_path, credential, SigningKey.generate())


async def test_a_peer_that_is_denied_before_it_opens_its_stream_is_not_served(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def hook(attempt: ConnectionAttempt) -> bool:
        asked.set()
        return True

    config = AsterConfig(allow_all_consumers=True)
    endpoint = await Endpoint.bind(EndpointSettings(secret_key=NODE.seed, bind_addr="127.0.0.1:0"))
    async with AsterServer([Greeter()], config=config, hook=hook) as running:
        connection = await endpoint.connect(parse_address(running.address), ALPN, 5.0)
        await asked.wait()
        await running.deny(NODE.public.hex())
        pipe = await connection.open_pipe()
        pipe.write(frame(PRESENT, 0, b""))
        lost = await asyncio.wait_for(connection.closed(), 5.0)
    assert lost.close_code == CloseCode.NOT_ADMITTED
    await endpoint.close()


async def test_a_hook_is_asked_with_the_peers_key_and_protocol(tmp_path: Path) -> None:
    asked: list[ConnectionAttempt] = []

    async def hook(attempt: ConnectionAttempt) -> bool:
        asked.append(attempt)
        return True

    credential = issue(ROOT, role="consumer", expires_at=LATER)
    config = AsterConfig(root_pubkey=ROOT.public)
    async with AsterServer([Greeter()], config=config, hook=hook) as running:
        assert await is_admitted(running.address, tmp_path, credential)
    peer = NODE.public.hex()
    assert asked == [ConnectionAttempt(peer, ADMISSION_ALPN), ConnectionAttempt(peer, ALPN)]


async def never(attempt: ConnectionAttempt) -> bool:
    await asyncio.Event().wait()
    return True


async def fails(attempt: ConnectionAttempt) -> bool:
    raise ValueError("on purpose")


async def says_no(attempt: ConnectionAttempt) -> bool:
    return False


async def mumbles(attempt: ConnectionAttempt) -> bool:
    return "yes"  # type: ignore[return-value]  # truthy is not True


async def cancels(attempt: ConnectionAttempt) -> bool:
    raise asyncio.CancelledError


@pytest.mark.parametrize("hook", [never, fails, says_no, mumbles, cancels])
async def test_a_hook_that_does_not_say_true_in_time_refuses(hook: ConnectionHook) -> None:
    config = AsterConfig(allow_all_consumers=True, hook_timeout_ms=50)
    async with AsterServer([Greeter()], config=config, hook=hook) as running:
        caller = AsterClient(address=running.address)
        with pytest.raises(PermissionDeniedError):
            await caller.connect()
        await caller.close()


async def test_identity_files_enroll_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = SigningKey.generate()
    mine = issue(ROOT, role="producer", expires_at=LATER, endpoint_id=producer.public.hex())
    theirs = issue(ROOT, role="consumer", expires_at=LATER, attributes={"aster.name": "edge"})
    (tmp_path / "server").mkdir()
    write_identity(tmp_path / "server" / ".aster-identity", producer.seed, [Peer("billing", mine)])
    file = write_identity(tmp_path / "consumer.identity", NODE.seed, [Peer("edge", theirs)])
    monkeypatch.chdir(tmp_path / "server")
    greeter = Greeter()
    async with AsterServer([greeter], peer="billing") as running:
        assert running.endpoint_id == producer.public.hex()
        assert running.root_pubkey == ROOT.public
        assert not running.config.allow_all_consumers
        config = AsterConfig(identity_file=file, bind_addr="127.0.0.1:0")
        async with AsterClient(address=running.address, config=config, peer="edge") as caller:
            await (await caller.client(Greeter)).hello(Ask("ann"))
        stranger = AsterClient(
            address=running.address, config=AsterConfig(identity_file=tmp_path / "consumer.identity"), peer="edg"
        )
        with pytest.raises(ConfigError, match="did you mean 'edge'"):
            await stranger.connect()
    assert greeter.seen is not None
    assert greeter.seen.attributes == {"aster.name": "edge"}


async def test_the_environments_key_wins_over_the_identity_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_identity(tmp_path / ".aster-identity", NODE.seed, [])
    monkeypatch.chdir(tmp_path)
    async with AsterServer([Greeter()], allow_all_consumers=True) as running:
        assert running.endpoint_id == NODE.public.hex()
    other = SigningKey.generate()
    async with AsterServer([Greeter()], config=AsterConfig(secret_key=other.seed, allow_all_consumers=True)) as running:
        assert running.endpoint_id == other.public.hex()


async def test_an_identity_with_any_enrollment_is_no_dev_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = issue(ROOT, role="consumer", expires_at=LATER)
    write_identity(tmp_path / ".aster-identity", NODE.seed, [Peer("edge", consumer)])
    monkeypatch.chdir(tmp_path)
    async with AsterServer([Greeter()]) as running:
        assert not running.config.allow_all_consumers
        assert running.root_pubkey == ROOT.public
    assert "Dev mode" not in caplog.text


async def test_a_missing_identity_or_peer_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="can't be read"):
        await AsterServer([Greeter()], config=AsterConfig(identity_file="nowhere")).start()
    with pytest.raises(ConfigError, match="no identity file to find peer 'billing' in"):
        await AsterServer([Greeter()], peer="billing").start()


async def test_storage_that_can_not_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        await server(storage_path=tmp_path / "file" / "storage").start()


async def test_a_dev_server_takes_a_credential_for_nothing(tmp_path: Path) -> None:
    greeter = Greeter()
    credential = issue(ROOT, role="consumer", expires_at=LATER, attributes={"aster.role": "admin"})
    async with AsterServer([greeter]) as running:
        assert await is_admitted(running.address, tmp_path, credential)
    assert greeter.seen is not None
    assert greeter.seen.attributes == {}


async def test_a_server_that_is_no_aster_is_unavailable(tmp_path: Path, endpoint: Endpoint) -> None:
    caller = client(endpoint.address().ticket(), tmp_path, issue(ROOT, role="consumer", expires_at=LATER))
    accepting = asyncio.create_task(endpoint.accept())
    connecting = asyncio.create_task(caller.connect())
    incoming = await accepting
    assert incoming is not None
    await incoming.refuse()
    with pytest.raises(UnavailableError):
        await connecting
    await caller.close()
