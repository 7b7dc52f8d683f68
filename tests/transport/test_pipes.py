"""Real QUIC streams, on every driver that this machine has."""

import asyncio
import importlib.metadata
import os
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from aster.transport import ffi, pipes
from aster.transport.endpoint import Connection, Endpoint, EndpointSettings
from aster.transport.errors import BindFailed, CloseCode, ConnectFailed, ConnectionLost
from aster.transport.ffi import SWITCH, Driver, DriverUnusable, load_driver
from aster.transport.lean_pipe import WATCHES, LeanPipe
from aster.transport.pipe import HIGH_WATER, Pipe
from aster.transport.stock_pipe import StockPipe

ALPN = b"aster-test/1"
LOOPBACK = "127.0.0.1:0"


@pytest.fixture(params=["stock", "lean"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv(SWITCH, raising=False)
    load_driver.cache_clear()
    if request.param == "lean" and load_driver() is None:
        pytest.skip("the lean driver does not fit this machine")
    monkeypatch.setenv(SWITCH, request.param)
    load_driver.cache_clear()
    yield request.param
    load_driver.cache_clear()


@pytest.fixture
async def connections(driver: str) -> AsyncIterator[tuple[Connection, Connection]]:
    """The two ends of one connection: the dialling one first."""
    server = await Endpoint.bind(EndpointSettings((ALPN,), bind_addr=LOOPBACK))
    client = await Endpoint.bind(EndpointSettings(bind_addr=LOOPBACK))
    dialling = asyncio.create_task(client.connect(server.address(), ALPN, 10))
    incoming = await server.accept()
    assert incoming is not None
    accepted = await incoming.handshake(10)
    yield await dialling, accepted
    await client.close()
    await server.close()


class Inbox:
    """What one end receives."""

    def __init__(self, pipe: Pipe) -> None:
        self.data = bytearray()
        self.grown = asyncio.Event()
        self.end: asyncio.Future[ConnectionLost] = asyncio.get_running_loop().create_future()
        pipe.start(self._take, self.end.set_result)

    def _take(self, data: bytes) -> None:
        self.data += data
        self.grown.set()

    async def upto(self, size: int) -> bytes:
        while len(self.data) < size:
            self.grown.clear()
            await self.grown.wait()
        return bytes(self.data)


async def pair(connections: tuple[Connection, Connection]) -> tuple[Pipe, Pipe]:
    near = await connections[0].open_pipe()
    near.write(b".")
    far = await connections[1].accept_pipe()
    return near, far


async def test_the_driver_asked_for_is_the_one_that_runs(
    driver: str, connections: tuple[Connection, Connection]
) -> None:
    kinds = {"stock": StockPipe, "lean": LeanPipe}
    for pipe in await pair(connections):
        assert type(pipe) is kinds[driver]


async def test_bytes_arrive_whole_and_in_order_both_ways(connections: tuple[Connection, Connection]) -> None:
    near, far = await pair(connections)
    near_inbox, far_inbox = Inbox(near), Inbox(far)
    blocks = [os.urandom(size) for size in (1, 63, 64, 65, 4096, 70_000, 300_000, 1, 2)]
    for block in blocks:
        near.write(block)
        far.write(block)
        await asyncio.sleep(0)
    whole = b"".join(blocks)
    assert await far_inbox.upto(len(whole) + 1) == b"." + whole
    assert await near_inbox.upto(len(whole)) == whole


async def test_a_peer_that_does_not_read_fills_the_pipe_and_reading_empties_it(
    connections: tuple[Connection, Connection],
) -> None:
    near, far = await pair(connections)
    block = bytes(256 * 1024)
    written = 0
    while not near.is_full:
        near.write(block)
        written += len(block)
        await asyncio.sleep(0)
    assert near.waiting > HIGH_WATER
    inbox = Inbox(far)
    await near.writable()
    await inbox.upto(written + 1)
    assert not near.is_full


async def test_a_closed_connection_breaks_the_other_end_with_code_and_reason(
    connections: tuple[Connection, Connection],
) -> None:
    near, far = await pair(connections)
    end = Inbox(near).end
    Inbox(far)
    far.close()
    connections[1].close(CloseCode.NOT_ADMITTED, "not admitted")
    lost = await end
    assert (lost.close_code, lost.reason) == (CloseCode.NOT_ADMITTED, "not admitted")
    near.write(b"into the void")
    assert (await connections[0].closed()).close_code == CloseCode.NOT_ADMITTED


async def test_closing_a_pipe_inside_its_own_delivery_is_the_last_thing_it_does(
    connections: tuple[Connection, Connection],
) -> None:
    near, far = await pair(connections)
    arrived: list[bytes] = []
    done = asyncio.Event()

    def take(data: bytes) -> None:
        arrived.append(data)
        far.close()
        done.set()

    far.start(take, lambda lost: arrived.append(b"never"))
    await done.wait()
    inbox = Inbox(near)
    near.write(b"more")
    connections[1].close()
    await inbox.end
    assert arrived == [b"."]


async def test_ten_thousand_small_messages_echo_back(connections: tuple[Connection, Connection]) -> None:
    near, far = await pair(connections)
    far.start(far.write, lambda lost: None)
    inbox = Inbox(near)
    for number in range(10_000):
        near.write(number.to_bytes(4, "big"))
        if number % 50 == 0:
            await asyncio.sleep(0)
    expected = b"." + b"".join(number.to_bytes(4, "big") for number in range(10_000))
    assert await inbox.upto(len(expected)) == expected


async def test_pipes_come_and_go_without_leaking_eventfds(connections: tuple[Connection, Connection]) -> None:
    async def come_and_go() -> None:
        near, far = await pair(connections)
        assert await Inbox(far).upto(1) == b"."
        near.close()
        far.close()

    await come_and_go()
    pooled = len(WATCHES._free)
    for _ in range(20):
        await come_and_go()
    assert len(WATCHES._free) == pooled


async def test_a_busy_address_and_a_wrong_protocol_are_named(driver: str) -> None:
    endpoint = await Endpoint.bind(EndpointSettings((ALPN,), bind_addr=LOOPBACK))
    [bound] = [address for address in endpoint.address().direct if address.startswith("127.0.0.1")]
    with pytest.raises(BindFailed, match="already in use"):
        await Endpoint.bind(EndpointSettings(bind_addr=bound))
    accepting = asyncio.create_task(endpoint.accept())
    client = await Endpoint.bind(EndpointSettings(bind_addr=LOOPBACK))
    dialling = asyncio.create_task(client.connect(endpoint.address(), b"other/1", 10))
    incoming = await accepting
    assert incoming is not None
    with pytest.raises(ConnectFailed):
        await incoming.handshake(10)
    with pytest.raises(ConnectFailed, match="protocol"):
        await dialling
    assert client.statistics()
    await client.close()
    await endpoint.close()
    assert await endpoint.accept() is None


def test_unknown_bindings_fall_back_to_the_stock_path_unless_lean_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9.9")
    monkeypatch.delenv(SWITCH, raising=False)
    load_driver.cache_clear()
    assert load_driver() is None
    monkeypatch.setenv(SWITCH, "lean")
    load_driver.cache_clear()
    with pytest.raises(DriverUnusable):
        load_driver()
    load_driver.cache_clear()


def test_bindings_without_the_symbols_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(
        ffi, "Driver", lambda generated: Driver(SimpleNamespace(_UniffiLib=SimpleNamespace(_name=None)))
    )
    load_driver.cache_clear()
    assert load_driver() is None
    load_driver.cache_clear()


@pytest.mark.parametrize("driver", ["lean"], indirect=True)
async def test_a_driver_that_fails_its_self_test_is_not_used(
    connections: tuple[Connection, Connection], driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise DriverUnusable("on purpose")

    monkeypatch.setattr(pipes, "self_test", fail)
    monkeypatch.setattr(pipes, "_proven", {})
    assert type(await connections[0].open_pipe()) is StockPipe


@pytest.mark.parametrize("driver", ["lean"], indirect=True)
async def test_without_descriptors_the_stock_path_takes_over(
    connections: tuple[Connection, Connection], driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted() -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(WATCHES, "take", exhausted)
    assert type(await connections[0].open_pipe()) is StockPipe
