"""One-way streams inside one process, with a window like QUIC's: a writer waits for its reader."""

import asyncio
from collections import deque
from typing import Self

from aster.transport.errors import ConnectionLost, TransportError
from aster.transport.side_streams import MAX_OPEN, IncomingStream, OutgoingStream, SideStreams

WINDOW_BYTES = 1 << 20


class MemoryStreams(SideStreams):
    """One side of an in-process pair."""

    def __init__(self) -> None:
        self._incoming: asyncio.Queue[MemoryStream] = asyncio.Queue()
        self._slots = asyncio.Semaphore(MAX_OPEN)
        self._open: set[MemoryStream] = set()
        self._opened = 0
        self._other: MemoryStreams = self

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Two connected sides."""
        left, right = cls(), cls()
        left._other, right._other = right, left
        return left, right

    async def open(self) -> OutgoingStream:
        await self._slots.acquire()
        stream = MemoryStream(self._opened, self)
        self._opened += 1
        self._open.add(stream)
        self._other._incoming.put_nowait(stream)
        return stream

    async def accept(self) -> IncomingStream:
        return await self._incoming.get()

    def close(self) -> None:
        for stream in [*self._open, *self._other._open]:
            stream.end(ConnectionLost("the connection was closed"))

    def forget(self, stream: "MemoryStream") -> None:
        """A stream of this side is over, which makes room for another."""
        if stream in self._open:
            self._open.discard(stream)
            self._slots.release()


class MemoryStream(OutgoingStream, IncomingStream):
    """Both ends of one stream."""

    def __init__(self, number: int, owner: MemoryStreams) -> None:
        self.number = number
        self._owner = owner
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._finished = False
        self._error: TransportError | None = None
        self._changed = asyncio.Event()

    async def write(self, data: bytes) -> None:
        while self._error is None and self._waiting >= WINDOW_BYTES:
            await self._change()
        if self._error is not None:
            raise self._error
        self._pieces.append(data)
        self._waiting += len(data)
        self._wake()

    async def finish(self) -> None:
        self._finished = True
        self._wake()

    async def abandon(self) -> None:
        self.end(TransportError("the stream was abandoned by its writer"))

    async def read(self, size: int) -> bytes:
        while self._error is None and not self._pieces and not self._finished:
            await self._change()
        if self._error is not None:
            raise self._error
        if not self._pieces:
            self._owner.forget(self)
            return b""
        piece = self._pieces.popleft()
        if len(piece) > size:
            self._pieces.appendleft(piece[size:])
            piece = piece[:size]
        self._waiting -= len(piece)
        self._wake()
        return piece

    async def stop(self) -> None:
        self.end(TransportError("the stream was given up by its reader"))

    def end(self, error: TransportError) -> None:
        """Break both ends; the first call counts."""
        self._error = self._error or error
        self._pieces.clear()
        self._owner.forget(self)
        self._wake()

    async def _change(self) -> None:
        changed = self._changed
        await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
