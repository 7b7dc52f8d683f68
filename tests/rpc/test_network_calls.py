"""Real endpoints over loopback."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.rpc.messages import Answer, Ask, Greeter

from aster.config import AsterConfig
from aster.config.unsupported import SettingNotSupported
from aster.foundation.errors import ConfigError
from aster.rpc import (
    AsterClient,
    AsterServer,
    DeadlineExceededError,
    FailedPreconditionError,
    PermissionDeniedError,
    ResourceExhaustedError,
    RpcLimits,
    UnavailableError,
)
from aster.rpc.node import ALPN
from aster.rpc.protocol.core import ClientProtocol
from aster.rpc.protocol.wire import Declaration
from aster.transport.address import NodeAddress, parse_address
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.errors import BindFailed, CloseCode
from aster.transport.framing import frame
from aster.trust.keys import SigningKey

LOOPBACK = AsterConfig(bind_addr="127.0.0.1:0")

pytestmark = pytest.mark.usefixtures("transport_driver")


async def test_a_call_over_quic_knows_its_peer() -> None:
    greeter = Greeter()
    async with AsterServer([greeter]) as server, AsterClient(address=server.address) as client:
        answer = await (await client.client(Greeter)).hello(Ask("ann"), metadata={"a": "b"}, timeout=30)
        assert answer == Answer("hello ann")
    assert greeter.seen is not None
    assert greeter.seen.peer is not None
    assert len(bytes.fromhex(greeter.seen.peer)) == 32
    assert greeter.seen.peer != server_id(server)


def server_id(server: AsterServer) -> str:
    return server.endpoint_id


async def test_every_address_form_reaches_the_server() -> None:
    async with AsterServer([Greeter()], config=LOOPBACK) as server:
        assert server.address.startswith("aster1")
        for address in (server.address, server.endpoint_addr):
            async with AsterClient(address=address) as client:
                await (await client.client(Greeter)).hello(Ask("ann"))
        config = AsterConfig(endpoint_addr=server.endpoint_addr)
        async with AsterClient(config=config) as client:
            await (await client.client(Greeter)).hello(Ask("ann"))


async def test_the_secret_key_decides_the_endpoint_id() -> None:
    config = AsterConfig(secret_key=bytes(range(32)))
    ids = []
    for _ in range(2):
        async with AsterServer([Greeter()], config=config) as server:
            ids.append(server.endpoint_id)
    assert ids[0] == ids[1]
    assert parse_address(server_ticket(ids[0])).endpoint_id == ids[0]


def server_ticket(endpoint_id: str) -> str:
    return NodeAddress(endpoint_id).ticket()


async def test_the_bind_address_is_where_the_server_listens_and_a_busy_one_is_an_error() -> None:
    async with AsterServer([Greeter()], config=LOOPBACK) as server:
        [bound] = [a for a in parse_address(server.address).direct if a.startswith("127.0.0.1:")]
        with pytest.raises(BindFailed, match=bound):
            await AsterServer([Greeter()], config=AsterConfig(bind_addr=bound)).start()


async def test_many_calls_at_once_and_a_message_of_a_megabyte() -> None:
    async with AsterServer([Greeter()]) as server, AsterClient(address=server.address) as client:
        greeter = await client.client(Greeter)
        answers = await asyncio.gather(*(greeter.hello(Ask(str(i))) for i in range(500)))
        assert [answer.text for answer in answers] == [f"hello {i}" for i in range(500)]
        big = Answer("x" * 1_000_000)
        assert await greeter.echo(big) == big


async def test_a_deadline_and_a_cancelled_caller_reach_the_handler() -> None:
    greeter = Greeter()
    async with AsterServer([greeter]) as server, AsterClient(address=server.address) as client:
        stub = await client.client(Greeter)
        with pytest.raises(DeadlineExceededError):
            await stub.wait(Ask("x"), timeout=0.05)
        await greeter.ended.wait()
        greeter.started.clear()
        greeter.ended.clear()
        call = asyncio.create_task(stub.wait(Ask("x")))
        await greeter.started.wait()
        call.cancel()
        await greeter.ended.wait()


async def test_a_dev_server_warns_in_the_contracts_words(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "aster"):
        async with AsterServer([Greeter()]) as server:
            assert server.config.allow_all_consumers
            assert server.config.source("allow_all_consumers") == "ephemeral (dev mode)"
            assert server.root_pubkey is not None
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == ["Dev mode: allow_all_consumers=True (ephemeral root key)."]


async def test_an_open_gate_that_was_asked_for_is_no_dev_mode(caplog: pytest.LogCaptureFixture) -> None:
    async with AsterServer([Greeter()], allow_all_consumers=True) as server, AsterClient(address=server.address):
        assert server.root_pubkey is None
    assert "Dev mode" not in caplog.text


@pytest.mark.parametrize("given_by", ["argument", "config", "file", "environment"])
async def test_a_server_with_a_root_key_admits_nobody_it_can_not_verify(
    given_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = SigningKey.generate().public
    file = tmp_path / "root.pub"
    file.write_text(json.dumps({"public_key": root.hex()}))
    server = AsterServer([Greeter()], config=LOOPBACK)
    if given_by == "argument":
        server = AsterServer([Greeter()], root_pubkey=root)
    elif given_by == "config":
        server = AsterServer([Greeter()], config=AsterConfig(root_pubkey=root))
    elif given_by == "file":
        server = AsterServer([Greeter()], config=AsterConfig(root_pubkey_file=file))
    else:
        monkeypatch.setenv("ASTER_ROOT_PUBKEY_FILE", str(file))
        server = AsterServer([Greeter()])
    async with server:
        assert server.root_pubkey == root
        client = AsterClient(address=server.address)
        with pytest.raises(PermissionDeniedError, match="did not admit"):
            await client.connect()
        await client.close()
    assert "Dev mode" not in caplog.text


async def test_an_unreadable_root_key_stops_the_start(tmp_path: Path) -> None:
    server = AsterServer([Greeter()], config=AsterConfig(root_pubkey_file=tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="can't be read"):
        await server.start()
    with pytest.raises(FailedPreconditionError, match="not started"):
        _ = server.address


async def test_a_setting_that_can_not_act_stops_servers_and_clients() -> None:
    config = AsterConfig(portmapper_config="disabled", endpoint_addr="ab" * 32)
    with pytest.raises(SettingNotSupported, match="portmapper_config"):
        await AsterServer([Greeter()], config=config).start()
    with pytest.raises(SettingNotSupported, match="portmapper_config"):
        await AsterClient(config=config).connect()


@pytest.mark.parametrize("address", [None, "hello", "aster1aaaa"])
async def test_a_client_without_a_usable_address_says_so(address: str | None) -> None:
    with pytest.raises(ConfigError, match=r"address|ticket"):
        await AsterClient(address=address).connect()


async def test_nobody_at_the_address_is_unavailable() -> None:
    async with AsterServer([Greeter()], config=LOOPBACK) as server:
        address = server.address
    client = AsterClient(address=address, limits=RpcLimits(handshake_seconds=0.2))
    with pytest.raises(UnavailableError, match="no answer"):
        await client.connect()
    await client.close()


async def test_a_server_that_closes_ends_the_calls_that_wait() -> None:
    greeter = Greeter()
    async with AsterServer([greeter]) as server:
        client = AsterClient(address=server.address, reconnect=None)
        stub = await client.client(Greeter)
        call = asyncio.create_task(stub.wait(Ask("x")))
        await greeter.started.wait()
        await server.close()
        with pytest.raises(UnavailableError, match="closed"):
            await call
        with pytest.raises(UnavailableError):
            await stub.hello(Ask("x"))
        await greeter.ended.wait()
        await client.close()
        with pytest.raises(FailedPreconditionError):
            await stub.hello(Ask("x"))


async def test_a_draining_server_finishes_its_calls_and_takes_no_new_ones() -> None:
    greeter = Greeter()
    async with AsterServer([greeter]) as server, AsterClient(address=server.address, reconnect=None) as client:
        stub = await client.client(Greeter)
        running = asyncio.create_task(stub.wait(Ask("x")))
        await greeter.started.wait()
        draining = asyncio.create_task(server.drain())
        with pytest.raises(UnavailableError, match="takes no new calls"):
            await call_for_ever(stub)
        greeter.release.set()
        assert (await running).text == "released"
        await draining
        await server.serve()


async def call_for_ever(stub: Greeter) -> None:
    while True:
        await stub.hello(Ask("x"))


async def test_a_drain_that_takes_too_long_cancels_what_still_runs() -> None:
    greeter = Greeter()
    async with AsterServer([greeter]) as server, AsterClient(address=server.address) as client:
        call = asyncio.create_task((await client.client(Greeter)).wait(Ask("x")))
        await greeter.started.wait()
        await server.drain(grace_seconds=0.01)
        assert greeter.ended.is_set()
        with pytest.raises(UnavailableError):
            await call


async def connect_raw(server: AsterServer) -> tuple[Endpoint, asyncio.Queue[str]]:
    """A client that speaks QUIC but not the protocol; the queue gets the reason of its end."""
    endpoint = await Endpoint.bind(EndpointSettings())
    connection = await endpoint.connect(parse_address(server.address), ALPN, 10)
    pipe = await connection.open_pipe()
    ends: asyncio.Queue[str] = asyncio.Queue()
    pipe.start(lambda data: None, lambda lost: ends.put_nowait(f"{lost.close_code} {lost.reason}"))
    pipe.write(frame(99, 0, b"nonsense"))
    return endpoint, ends


async def test_a_peer_that_breaks_the_protocol_loses_its_connection_and_nobody_else() -> None:
    async with AsterServer([Greeter()]) as server, AsterClient(address=server.address) as client:
        endpoint, ends = await connect_raw(server)
        assert (await ends.get()).startswith(f"{CloseCode.PROTOCOL_VIOLATION:d} the first frame was no HELLO")
        await (await client.client(Greeter)).hello(Ask("ann"))
        await endpoint.close()


async def test_a_peer_that_asks_and_never_reads_is_cut_off() -> None:
    limits = RpcLimits(max_message_bytes=1000)
    async with AsterServer([Greeter()], limits=limits) as server:
        endpoint = await Endpoint.bind(EndpointSettings())
        connection = await endpoint.connect(parse_address(server.address), ALPN, 10)
        pipe = await connection.open_pipe()
        protocol = ClientProtocol(limits)
        method, declared = protocol.declare(Declaration("Nowhere", 1, "nothing"))
        pipe.write(protocol.hello() + declared)
        cut_off = asyncio.create_task(connection.closed())
        while not cut_off.done():
            pipe.write(b"".join(protocol.request(method, 0, 0, b"", b"")[1] for _ in range(2000)))
            await asyncio.wait([cut_off, asyncio.create_task(pipe.writable())], return_when=asyncio.FIRST_COMPLETED)
        assert (await cut_off).close_code == CloseCode.TOO_BUSY
        pipe.close()
        await endpoint.close()


async def test_a_relay_of_ones_own_is_no_obstacle_to_a_direct_connection() -> None:
    config = AsterConfig(bind_addr="127.0.0.1:0", relay_mode="http://127.0.0.1:9")
    async with AsterServer([Greeter()], config=config) as server, AsterClient(address=server.address) as client:
        await (await client.client(Greeter)).hello(Ask("ann"))


async def test_a_limit_on_connections_refuses_the_next_one() -> None:
    only_one = AsterServer([Greeter()], limits=RpcLimits(max_connections=1))
    async with only_one as server, AsterClient(address=server.address):
        late = AsterClient(address=server.address, limits=RpcLimits(handshake_seconds=2))
        with pytest.raises((UnavailableError, ResourceExhaustedError)):
            await late.connect()
        await late.close()


SERVER_PROGRAM = """
import asyncio
from aster.rpc import AsterServer
from tests.rpc.messages import Greeter

async def main():
    async with AsterServer([Greeter()]) as server:
        print(server.address, flush=True)
        await server.serve()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
async def test_a_peer_that_stops_answering_is_found_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", SERVER_PROGRAM], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = (await asyncio.to_thread(process.stdout.readline)).strip()
        limits = RpcLimits(ping_seconds=0.1, dead_after_seconds=0.4)
        async with AsterClient(address=address, limits=limits) as client:
            stub = await client.client(Greeter)
            await stub.hello(Ask("ann"))
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(UnavailableError, match="no sign of life"):
                await stub.wait(Ask("x"))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
