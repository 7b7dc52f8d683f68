"""Everything at once for minutes, a server process and a client process: does anything grow that should not?

    python tools/private_network.py python benchmarks/rpc/soak.py [--minutes 10] [--sessions 1000] [--messages 1000000]

First the large ones: a million tiny messages, a stream of 1 GiB, a thousand sessions at once, with the peak of memory
of each. Then rounds of small calls, streams, large messages, sessions, cancelled and late calls, lost connections.
Prints memory, open files and tasks of both ends; fails when they grow from the second quarter to the last.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer, DeadlineExceededError, Reconnect, rpc, server_stream, service
from aster.transport.errors import CloseCode
from aster.trust.keys import SigningKey

MIB = 1 << 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LOOPBACK = "127.0.0.1:0"
GROWTH = 1.15
"""Memory of the last quarter may be so many times that of the second."""


class Load(msgspec.Struct, array_like=True):
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

    @rpc
    async def tasks(self, load: Load) -> Load:
        return Load(len(asyncio.all_tasks()))


@service(scoped="session")
class Counter:
    def __init__(self) -> None:
        self.count = 0

    @rpc
    async def add(self, load: Load) -> Load:
        self.count += load.number
        return Load(self.count)


async def serve() -> None:
    config = AsterConfig(bind_addr=LOOPBACK, allow_all_consumers=True)
    async with AsterServer([Work(), Counter], config=config) as server:
        print(json.dumps(server.address), flush=True)
        await server.serve()


def resident(pid: int) -> float:
    """MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / MIB


def files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


class Soak:
    """The client's side."""

    def __init__(self, server: int, client: AsterClient, work: Work) -> None:
        self._server = server
        self._client = client
        self._work = work
        self.rows: list[tuple[float, ...]] = []

    async def large_ones(self, messages: int, mib: int, sessions: int) -> None:
        await self._timed(f"{messages:,} tiny messages in one stream", self._read(messages, b""))
        await self._timed(f"{mib:,} MiB in one stream", self._read(mib, bytes(MIB)))
        await self._timed(f"{sessions:,} sessions at once", self._sessions(sessions))

    async def round(self, number: int) -> None:
        work = self._work
        await asyncio.gather(*(work.echo(Load(each, b"x" * 40)) for each in range(500)))
        await asyncio.gather(*(work.echo(Load(each, bytes(MIB))) for each in range(4)))
        await self._read(2000, b"x" * 40)
        await self._read(4, bytes(MIB))
        async for _ in work.count(Load(100_000, b"x" * 1000)):
            break
        with contextlib.suppress(DeadlineExceededError):
            await work.never(Load(1, bytes(100_000)), timeout=0.01)
        calls = [asyncio.create_task(work.never(Load(each))) for each in range(50)]
        await work.echo(Load(1))
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await self._sessions(20)
        if number % 5 == 0 and self._client.current is not None:
            self._client.current.close(CloseCode.DONE, "lost, for the soak")
            await work.echo(Load(1), timeout=30)

    async def note(self, minutes: float) -> None:
        tasks = await self._work.tasks(Load(0))
        mine = os.getpid()
        row = (resident(mine), resident(self._server), files(mine), files(self._server), len(asyncio.all_tasks()))
        self.rows.append((*row, tasks.number))
        print(f"{minutes:8.1f}" + "".join(f"{value:14.1f}" for value in self.rows[-1]), flush=True)

    def growth(self) -> list[str]:
        """What grew from the second quarter to the last."""
        quarter = max(1, len(self.rows) // 4)
        before, after = self.rows[quarter : 2 * quarter] or self.rows[:1], self.rows[-quarter:]
        grown = []
        for column, what in enumerate(COLUMNS):
            early, late = (max(row[column] for row in rows) for rows in (before, after))
            if late > early * GROWTH + 2:
                grown.append(f"{what}: {early:.1f} to {late:.1f}")
        return grown

    async def _read(self, count: int, data: bytes) -> None:
        received = 0
        async for load in self._work.count(Load(count, data)):
            assert load.number == received
            received += 1
        assert received == count

    async def _sessions(self, count: int) -> None:
        sessions = await asyncio.gather(*(self._client.open_session() for _ in range(count)))
        counters = await asyncio.gather(*(session.client(Counter) for session in sessions))
        for total in (1, 2):
            assert [each.number for each in await asyncio.gather(*(c.add(Load(1)) for c in counters))] == [
                total
            ] * count
        for session in sessions:
            await session.close()

    async def _timed(self, words: str, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.ensure_future(work)
        begun, peak = time.perf_counter(), [0.0, 0.0]
        while not running.done():
            for end, pid in enumerate((os.getpid(), self._server)):
                peak[end] = max(peak[end], resident(pid))
            await asyncio.wait([running], timeout=0.1)
        await running
        seconds = time.perf_counter() - begun
        print(
            f"{words}: {seconds:.1f} s, peak {peak[0]:.0f} MiB at the client, {peak[1]:.0f} MiB at the server",
            flush=True,
        )


COLUMNS = ("client MiB", "server MiB", "client files", "server files", "client tasks", "server tasks")


async def soak(address: str, server: int, options: argparse.Namespace) -> list[str]:
    config = AsterConfig(bind_addr=LOOPBACK, secret_key=SigningKey.generate().seed)
    again = Reconnect(first_seconds=0.01)
    async with AsterClient(address=address, config=config, reconnect=again) as client:
        running = Soak(server, client, await client.client(Work))
        await running.large_ones(options.messages, options.mib, options.sessions)
        print(" minutes" + "".join(f"{name:>14}" for name in COLUMNS))
        begun = noted = time.monotonic()
        rounds = 0
        while (now := time.monotonic()) < begun + options.minutes * 60:
            rounds += 1
            await running.round(rounds)
            if now - noted >= options.minutes * 60 / 40:
                noted = now
                await running.note((now - begun) / 60)
        print(f"{rounds} rounds")
        return running.growth()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--mib", type=int, default=1024, help="length of the long stream")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("ASTER_LOG_LEVEL", "error")
    if options.serve:
        asyncio.run(serve())
        return
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        grown = asyncio.run(soak(json.loads(server.stdout.readline()), server.pid, options))
    finally:
        server.kill()
        server.wait()
    if grown:
        sys.exit("grew: " + "; ".join(grown))
    print("nothing grew")


if __name__ == "__main__":
    main()
