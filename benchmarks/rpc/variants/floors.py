"""The floors: the same 64-byte bodies in the same frames, echoed by call id and nothing else.

``ASTER_BENCHMARK_FLOOR=stream`` over one QUIC stream of our transport, ``=tcp`` over asyncio's TCP.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from measuring import MIB, announce, run  # type: ignore[import-not-found]  # beside this file, where it runs

from aster.transport.address import parse_address
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.framing import FrameSplitter, frame
from aster.transport.side_streams import CHUNK_BYTES, SideStreams

ALPN = b"aster-benchmark/1"
BODY = b"x" * 64
LOOPBACK = "127.0.0.1:0"
OVER_TCP = os.environ.get("ASTER_BENCHMARK_FLOOR") == "tcp"


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


class TcpSide(asyncio.Protocol):
    """Joins what is written in one turn of the loop, as a pipe does."""

    def __init__(self, role: Callable[[Callable[[bytes], None]], Any]) -> None:
        self._queue: list[bytes] = []
        self.frames = role(self._write)

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


async def serve() -> None:
    if OVER_TCP:
        server = await asyncio.get_running_loop().create_server(lambda: TcpSide(FrameEcho), "127.0.0.1", 0)
        announce(str(server.sockets[0].getsockname()[1]))
        await server.serve_forever()
    endpoint = await Endpoint.bind(EndpointSettings((ALPN,), bind_addr=LOOPBACK))
    announce(endpoint.address().ticket())
    kept: list[object] = []
    while (incoming := await endpoint.accept()) is not None:
        connection = await incoming.handshake(10)
        pipe = await connection.accept_pipe()
        kept.append((connection, pipe, asyncio.create_task(take_all(connection.side_streams()))))
        pipe.start(FrameEcho(pipe.write).received, lambda lost: None)


async def take_all(streams: SideStreams) -> None:
    """Read one-way streams to their ends."""
    while True:
        stream = await streams.accept()
        while await stream.read(CHUNK_BYTES):
            pass


class Client:
    def __init__(self, frames: FrameCaller, kept: object, streams: SideStreams | None = None) -> None:
        self.unary = frames.call
        self._kept = kept
        self._streams = streams
        if streams is not None:
            self.bulk = self._bulk

    async def _bulk(self, mib: int) -> None:
        """One stream: without an answer the last window of bytes may still be on its way."""
        assert self._streams is not None
        stream = await self._streams.open()
        for _ in range(mib * MIB // CHUNK_BYTES):
            await stream.write(bytes(CHUNK_BYTES))
        await stream.finish()

    async def close(self) -> None:
        self._kept = None


async def client(address: str) -> Client:
    if OVER_TCP:
        loop = asyncio.get_running_loop()
        transport, side = await loop.create_connection(lambda: TcpSide(FrameCaller), "127.0.0.1", int(address))
        return Client(side.frames, transport)
    endpoint = await Endpoint.bind(EndpointSettings(bind_addr=LOOPBACK))
    connection = await endpoint.connect(parse_address(address), ALPN, 10)
    pipe = await connection.open_pipe()
    frames = FrameCaller(pipe.write)
    pipe.start(frames.received, lambda lost: None)
    return Client(frames, (endpoint, connection, pipe), connection.side_streams())


if __name__ == "__main__":
    run(serve, client)
