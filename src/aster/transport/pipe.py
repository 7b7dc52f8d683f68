"""Pipes: ordered bytes both ways, callback style, for the one lane of a connection.

Everything written in one turn of the event loop is joined into one write, and so is everything that gathers while a
write is under way. Reads have one owner for the life of the pipe; nothing here is ever cancelled or timed out.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from aster.transport.errors import ConnectionLost

HIGH_WATER = 1 << 20
"""Bytes waiting to be written above which `Pipe.writable` makes its callers wait."""

OnData = Callable[[bytes], None]
OnLost = Callable[[ConnectionLost], None]


class Pipe(ABC):
    """One bidirectional stream of bytes, owned by one loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: list[bytes] = []
        self.waiting = 0
        """Bytes that wait to be written."""
        self._scheduled = False
        self._sending = False
        self._room: asyncio.Event | None = None
        self.is_full = False
        """More than `HIGH_WATER` bytes wait to be written."""
        self._on_lost: OnLost | None = None
        self._lost: ConnectionLost | None = None

    def start(self, on_data: OnData, on_lost: OnLost) -> None:
        """Begin to read; ``on_lost`` is called once, when the pipe breaks for any reason but `close`."""
        self._on_lost = on_lost
        if self._lost is not None:
            self._loop.call_soon(on_lost, self._lost)
            return
        self._read_into(on_data)

    def write(self, data: bytes, *, at_once: bool = False) -> None:
        """Queue bytes for the next joined write; silently dropped once the pipe is gone.

        ``at_once`` writes what waits now: for bytes that nothing else in this turn of the loop will join, or that the
        peer waits for. It costs a packet and four thread wake-ups, a joined write shares them.
        """
        if self._lost is not None:
            return
        self._queue.append(data)
        self.waiting += len(data)
        if self.waiting > HIGH_WATER:
            self.is_full = True
        if self._sending:
            return
        if at_once:
            self._flush()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_of_turn)

    async def writable(self) -> None:
        """Return once less than `HIGH_WATER` bytes wait, or the pipe is gone."""
        if self.is_full:
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    def close(self) -> None:
        """Stop reading and writing. Nothing is called afterwards."""
        self._on_lost = None
        self._break(ConnectionLost("closed by this side"))

    def _end_of_turn(self) -> None:
        self._scheduled = False
        self._flush()

    def _flush(self) -> None:
        if self._sending or self._lost is not None or not self._queue:
            return
        data = self._queue[0] if len(self._queue) == 1 else b"".join(self._queue)
        self._queue.clear()
        self._sending = True
        self._send(data)

    def _sent(self, size: int) -> None:
        """What a subclass calls when one joined write of ``size`` bytes was taken by the transport."""
        self._sending = False
        self.waiting -= size
        if self.is_full and self.waiting <= HIGH_WATER:
            self._has_room()
        if self._queue and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_of_turn)

    def _has_room(self) -> None:
        self.is_full = False
        if self._room is not None:
            self._room.set()
            self._room = None

    def _break(self, lost: ConnectionLost) -> None:
        """What a subclass calls when the stream ended or failed; the first call counts."""
        if self._lost is not None:
            return
        self._lost = lost
        self._queue.clear()
        self._has_room()
        if self._on_lost is not None:
            self._on_lost(lost)

    @abstractmethod
    def _read_into(self, on_data: OnData) -> None:
        """Deliver every chunk to ``on_data``, in order, until the stream ends; then call `_break`."""

    @abstractmethod
    def _send(self, data: bytes) -> None:
        """Write ``data`` completely, then call `_sent` once; on failure `_break`, in another turn of the loop."""
