"""Bad networks and dead peers, on real connections; and that nothing is left behind by either."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.rpc.bad_network import bad_network

from aster.config import AsterConfig
from aster.rpc import (
    AsterClient,
    AsterServer,
    DeadlineExceededError,
    Reconnect,
    RpcLimits,
    UnavailableError,
    bidi_stream,
    rpc,
    server_stream,
    service,
)

OPEN = AsterConfig(bind_addr="127.0.0.1:0", allow_all_consumers=True)
LARGE = 500_000
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs sockets that can be sealed")


class Load(msgspec.Struct):
    number: int
    data: bytes = b""


@service
class Work:
    @rpc
    async def echo(self, load: Load) -> Load:
        return load

    @rpc
    async def never(self, load: Load) -> Load:
        await asyncio.Event().wait()
        return load

    @server_stream
    async def count(self, load: Load) -> AsyncIterator[Load]:
        for number in range(load.number):
            yield Load(number, load.data)

    @server_stream
    async def begin(self, load: Load) -> AsyncIterator[Load]:
        yield load
        await asyncio.Event().wait()

    @bidi_stream
    async def mirror(self, loads: AsyncIterator[Load]) -> AsyncIterator[Load]:
        async for load in loads:
            yield load


async def loads(count: int, data: bytes = b"") -> AsyncIterator[Load]:
    for number in range(count):
        yield Load(number, data)


@LINUX
@pytest.mark.parametrize("seed", [1, 2])
async def test_lost_late_repeated_and_reordered_packets_change_nothing(seed: int) -> None:
    async with (
        AsterServer([Work()], config=OPEN) as server,
        bad_network(server, lost=0.05, repeated=0.05, delay=0.01, seed=seed) as (config, network),
        AsterClient(config=config) as client,
    ):
        stub = await client.client(Work)
        answers = await asyncio.gather(*(stub.echo(Load(number, bytes(number))) for number in range(300)))
        assert answers == [Load(number, bytes(number)) for number in range(300)]
        assert await stub.echo(Load(1, bytes(LARGE))) == Load(1, bytes(LARGE))
        assert [load.number async for load in stub.count(Load(2000, b"x" * 50))] == list(range(2000))
        assert [load.number async for load in stub.mirror(loads(300))] == list(range(300))
        assert network.dropped > 10


@LINUX
async def test_a_network_that_is_cut_ends_calls_and_one_that_heals_brings_them_back() -> None:
    limits = RpcLimits(ping_seconds=0.1, dead_after_seconds=0.5, handshake_seconds=1)
    again = Reconnect(first_seconds=0.01, most_seconds=0.1)
    async with (
        AsterServer([Work()], config=OPEN, limits=limits) as server,
        bad_network(server) as (config, network),
        AsterClient(config=config, limits=limits, reconnect=again) as client,
    ):
        stub = await client.client(Work)
        under_way = asyncio.create_task(stub.never(Load(1)))
        await stub.echo(Load(2))
        network.is_cut = True
        with pytest.raises(UnavailableError, match="no sign of life"):
            await under_way
        waiting = asyncio.create_task(stub.echo(Load(3), timeout=60))
        await asyncio.sleep(0)
        network.is_cut = False
        assert (await waiting).number == 3


PROGRAM = """
import asyncio
from aster.rpc import AsterServer
from tests.rpc.test_faults import OPEN, Work

async def main():
    async with AsterServer([Work()], config=OPEN) as server:
        print(server.address, flush=True)
        await server.serve()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
async def test_a_server_killed_amid_calls_and_streams_ends_all_of_them() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = (await asyncio.to_thread(process.stdout.readline)).strip()
        limits = RpcLimits(ping_seconds=0.1, dead_after_seconds=0.5)
        config = AsterConfig(bind_addr="127.0.0.1:0")
        async with AsterClient(address=address, config=config, limits=limits, reconnect=None) as client:
            stub = await client.client(Work)
            call = asyncio.create_task(stub.never(Load(1)))
            stream = stub.begin(Load(2))
            assert (await anext(stream)).number == 2
            mirrored = stub.mirror(endless())
            await anext(mirrored)
            large = asyncio.create_task(stub.never(Load(3, bytes(LARGE))))
            await stub.echo(Load(4))
            process.send_signal(signal.SIGKILL)
            for waiting in (call, large, asyncio.ensure_future(anext(stream)), asyncio.ensure_future(last(mirrored))):
                with pytest.raises(UnavailableError):
                    await waiting
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


async def endless() -> AsyncIterator[Load]:
    number = 0
    while True:
        yield Load(number)
        number += 1
        await asyncio.sleep(0)


async def last(stream: AsyncIterator[Load]) -> None:
    async for _ in stream:
        pass


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
async def test_calls_of_every_kind_and_end_leave_nothing_behind() -> None:
    async def every_kind(client: AsterClient) -> None:
        stub = await client.client(Work)
        await stub.echo(Load(1, bytes(LARGE)))
        assert len([load async for load in stub.count(Load(20, bytes(70_000)))]) == 20
        assert len([load async for load in stub.mirror(loads(20, bytes(70_000)))]) == 20
        async for _ in stub.count(Load(1000, bytes(70_000))):
            break
        with pytest.raises(DeadlineExceededError):
            await stub.never(Load(1, bytes(LARGE)), timeout=0.01)
        call = asyncio.create_task(stub.never(Load(2)))
        await stub.echo(Load(3))
        call.cancel()
        await asyncio.wait([call])
        await stub.echo(Load(4))

    async with AsterServer([Work()], config=OPEN) as server:
        config = AsterConfig(bind_addr="127.0.0.1:0")
        async with AsterClient(address=server.address, config=config) as client:
            await every_kind(client)
            files, tasks = open_files(), len(asyncio.all_tasks())
            for _ in range(10):
                await every_kind(client)
            lane = client.current
            assert lane is not None
            assert (lane._waiting, lane._arriving, lane._inboxes, lane._windows) == ({}, {}, {}, {})
            assert (lane._held.used, len(lane._protocol._calls)) == (0, 0)
            while len(asyncio.all_tasks()) > tasks:
                await asyncio.sleep(0)
            assert open_files() <= files + 8, "eventfds are pooled, never more than were waited on at once"
