"""A load generator: keeps one request under way on each of so many connections, and nothing else.

The requests are made and signed before the clock runs. It shares the machine with the server, so what it measures of
throughput is of both; CPU is the server process's own.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import msgspec


class Measured(msgspec.Struct, frozen=True):
    """Requests a second, seconds of each request sorted, and the server's CPU microseconds a request."""

    rate: float
    times: list[float]
    cpu: float

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        return self.times[min(len(self.times) - 1, int(share * len(self.times)))] * 1e3


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is whole."""

    def __init__(self, waiting: Iterator[bytes], times: list[float], done: "asyncio.Future[None]") -> None:
        self._waiting = waiting
        self._times = times
        self._done = done
        self._buffer = b""
        self._started = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        if b" 200 " not in head[:16]:
            self._fail(self._buffer)
            return
        if len(body) < int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
            return
        self._times.append(time.perf_counter() - self._started)
        self._buffer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(b"the connection was lost")

    def _next(self) -> None:
        assert self._transport is not None
        request = next(self._waiting, None)
        if request is None:
            if not self._done.done():
                self._done.set_result(None)
            self._transport.close()
            return
        self._started = time.perf_counter()
        self._transport.write(request)

    def _fail(self, told: bytes) -> None:
        if not self._done.done():
            self._done.set_exception(SystemExit(told.decode(errors="replace")))


async def drive(port: int, pid: int, requests: Sequence[bytes], connections: int) -> Measured:
    """Send everything over so many connections; any answer but 200 ends the program."""
    loop = asyncio.get_running_loop()
    waiting, times = iter(requests), list[float]()
    before, started = cpu_seconds(pid), time.perf_counter()
    ends = []
    for _ in range(connections):
        done = loop.create_future()
        ends.append(done)
        await loop.create_connection(lambda done=done: _Connection(waiting, times, done), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    seconds = time.perf_counter() - started
    cpu = (cpu_seconds(pid) - before) / len(requests) * 1e6
    return Measured(len(requests) / seconds, sorted(times), cpu)


def cpu_seconds(pid: int) -> float:
    """What the threads of a process have used so far, in user and kernel mode, to the nanosecond."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
