"""Unary calls, two processes on loopback, interleaved: ours against the raw stream below it and plain asyncio TCP.

    python tools/private_network.py python benchmarks/rpc/unary.py [--seconds 1] [--rounds 3] [--levels 1,16,64,256]

All three move the same 64-byte bodies in the same frames: ``tcp`` and ``stream`` only echo frames by call id, ``aster``
is the whole of the RPC layer (types, dispatch, deadlines, cancellation) over ``stream``. Prints calls a second and the
p50 in microseconds for each number of calls in flight, the median of the rounds, and ratios. Read the ratios.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Channel

import msgspec

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer, rpc, service
from aster.transport.address import parse_address
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.framing import HEADER_BYTES, FrameSplitter, frame
from aster.transport.pipe import Pipe

RAW_ALPN = b"aster-benchmark/1"
BODY = b"x" * 64
LOOPBACK = "127.0.0.1:0"

CallOnce = Callable[[], Awaitable[object]]
Result = tuple[float, float]
"""Calls a second, p50 in microseconds."""


class Ping(msgspec.Struct, array_like=True):
    """About 64 bytes as MessagePack."""

    number: int
    text: str


@service
class Echo:
    @rpc
    async def ping(self, ping: Ping) -> Ping:
        return ping


class FrameCaller:
    """Frames with call ids, answered in any order."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._splitter = FrameSplitter(1 << 20)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._last = 0
        self._loop = asyncio.get_running_loop()

    async def call(self) -> bytes:
        self._last += 1
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[self._last] = future
        self._write(frame(3, self._last, BODY))
        return await future

    def received(self, data: bytes) -> None:
        for _, call, body in self._splitter.feed(data):
            self._waiting.pop(call).set_result(body or b"")


class FrameEcho:
    """Answers every frame with itself."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._splitter = FrameSplitter(1 << 20)

    def received(self, data: bytes) -> None:
        for kind, call, body in self._splitter.feed(data):
            self._write(frame(kind, call, body or b""))


class TcpEcho(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._queue: list[bytes] = []
        self._transport = transport
        self._echo = FrameEcho(self._queue.append)

    def data_received(self, data: bytes) -> None:
        self._echo.received(data)
        self._transport.write(b"".join(self._queue))
        self._queue.clear()


class TcpCaller(asyncio.Protocol):
    def __init__(self) -> None:
        self._queue: list[bytes] = []
        self.frames = FrameCaller(self._write)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.frames.received(data)

    def _write(self, data: bytes) -> None:
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._flush)
        self._queue.append(data)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._queue))
        self._queue.clear()


async def serve(addresses: Channel) -> None:
    tcp = await asyncio.get_running_loop().create_server(TcpEcho, "127.0.0.1", 0)
    raw = await Endpoint.bind(EndpointSettings((RAW_ALPN,), bind_addr=LOOPBACK))
    config = AsterConfig(bind_addr=LOOPBACK, allow_all_consumers=True)
    async with AsterServer([Echo()], config=config) as server:
        addresses.send((tcp.sockets[0].getsockname()[1], raw.address().ticket(), server.address))
        await echo_streams(raw)


async def echo_streams(endpoint: Endpoint) -> None:
    kept: list[object] = []
    while (incoming := await endpoint.accept()) is not None:
        connection = await incoming.handshake(10)
        pipe = await connection.accept_pipe()
        kept.append((connection, pipe))
        echo_pipe(pipe)


def echo_pipe(pipe: Pipe) -> None:
    pipe.start(FrameEcho(pipe.write).received, lambda lost: None)


def server_process(addresses: Channel) -> None:
    asyncio.run(serve(addresses))


async def measure(call: CallOnce, in_flight: int, seconds: float) -> Result:
    latencies: list[float] = []
    clock = time.perf_counter
    end = clock() + seconds

    async def caller() -> None:
        started = clock()
        while started < end:
            await call()
            now = clock()
            latencies.append(now - started)
            started = now

    begun = clock()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return len(latencies) / (clock() - begun), statistics.median(latencies) * 1e6


async def run(addresses: Channel, seconds: float, rounds: int, levels: list[int]) -> None:
    port, raw_ticket, ticket = await asyncio.to_thread(addresses.recv)
    _, tcp = await asyncio.get_running_loop().create_connection(TcpCaller, "127.0.0.1", port)
    endpoint = await Endpoint.bind(EndpointSettings())
    connection = await endpoint.connect(parse_address(raw_ticket), RAW_ALPN, 10)
    pipe = await connection.open_pipe()
    stream = FrameCaller(pipe.write)
    pipe.start(stream.received, lambda lost: None)
    async with AsterClient(address=ticket) as client:
        echo = await client.client(Echo)
        ping = Ping(1234567, "x" * (64 - HEADER_BYTES))
        variants: dict[str, CallOnce] = {
            "tcp": tcp.frames.call,
            "stream": stream.call,
            "aster": lambda: echo.ping(ping),
        }
        results: dict[tuple[str, int], list[Result]] = {}
        for _ in range(rounds):
            for level in levels:
                for name, call in variants.items():
                    await measure(call, level, seconds / 10)
                    results.setdefault((name, level), []).append(await measure(call, level, seconds))
        report(results, list(variants), levels, type(pipe).__name__)
    await endpoint.close()


def report(results: dict[tuple[str, int], list[Result]], names: list[str], levels: list[int], pipe: str) -> None:
    print(f"{'':8}" + "".join(f"{f'{level} in flight':>24}" for level in levels) + f"   (pipe: {pipe})")
    rates = {key: statistics.median(rate for rate, _ in rows) for key, rows in results.items()}
    for name in names:
        cells = [f"{rates[name, n]:,.0f}/s {statistics.median(p for _, p in results[name, n]):,.0f} us" for n in levels]
        print(f"{name:8}" + "".join(f"{cell:>24}" for cell in cells))
    for above, below in (("aster", "stream"), ("aster", "tcp"), ("stream", "tcp")):
        cells = [f"{rates[above, n] / rates[below, n]:.2f}" for n in levels]
        print(f"{above + '/' + below:12}" + " " * -4 + "".join(f"{cell:>24}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--levels", default="1,16,64,256")
    options = parser.parse_args()
    os.environ.setdefault("ASTER_LOG_LEVEL", "error")
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=server_process, args=(there,), daemon=True)
    process.start()
    try:
        asyncio.run(run(here, options.seconds, options.rounds, [int(n) for n in options.levels.split(",")]))
    finally:
        process.kill()
        process.join()


if __name__ == "__main__":
    main()
