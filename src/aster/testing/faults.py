"""Faults on purpose, at a chosen frame between the two ends of a local pair or of a QUIC connection.

A lane is ordered, so what comes after a frame that is held or delayed waits behind it, as on a network that stalls.
Messages above 64 KiB travel beside the lane; only their announcements can be met here. On a QUIC connection the faults
happen in the client's process, to what it sends and to what it receives: the server is as it always is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from aster.rpc.builtin import is_reserved
from aster.rpc.protocol.wire import REQUEST_HEAD, Declaration, Kind
from aster.transport.errors import ConnectionLost
from aster.transport.framing import FrameSplitter, frame
from aster.transport.memory import MemoryPipe
from aster.transport.pipe import Pipe

Side = Literal["client", "server"]
Act = Callable[["Fault", "_Line", bytes], None]
"""What a fault does to a line in place of passing a frame on."""

MAX_FRAME = 1 << 30
BEGINNINGS = frozenset({Kind.REQUEST, Kind.STREAM, Kind.FAR_REQUEST})
OF_NO_CALL = frozenset({Kind.HELLO, Kind.PING, Kind.PONG, Kind.GOAWAY, Kind.SESSION, Kind.LEAVE})
"""Frames whose number is none of a call."""

_declaration = msgspec.msgpack.Decoder(Declaration).decode


class Fault:
    """One fault; it happens once."""

    def __init__(self, kind: Kind, side: Side | None, nth: int, act: Act) -> None:
        self._kind = kind
        self._side = side
        self._left = nth
        self._act = act
        self._happened = asyncio.Event()
        self._released = asyncio.Event()

    async def happened(self) -> None:
        """Wait until the frame has come by."""
        await self._happened.wait()

    def release(self) -> None:
        """Let a held frame go, and all that waits behind it."""
        self._released.set()

    def _meets(self, kind: int, side: Side) -> bool:
        if self._happened.is_set() or kind != self._kind or self._side not in (None, side):
            return False
        self._left -= 1
        return self._left == 0

    def _apply(self, line: "_Line", wire: bytes) -> None:
        self._happened.set()
        self._act(self, line, wire)


class Faults:
    """A plan of faults: each names a frame's `Kind`, which ``side`` sends it, and the how-many-th of them is meant.

    Calls of built-in services, such as a client's question after the contract, are not counted and meet no fault.

    ``local_pair(service, faults=faults)``, or ``remote_pair`` or ``FaultyClient`` for a real connection; then, before
    or while it runs, ``fault = faults.cut("REPLY")``.
    """

    def __init__(self) -> None:
        self._plan: list[Fault] = []
        self._methods_apart: set[int] = set()
        self._calls_apart: set[int] = set()

    def drop(self, kind: str, *, side: Side | None = None, nth: int = 1) -> Fault:
        """The frame never arrives."""
        return self._add(kind, side, nth, lambda fault, line, wire: None)

    def hold(self, kind: str, *, side: Side | None = None, nth: int = 1) -> Fault:
        """The frame, and what comes after it, waits for `Fault.release`."""
        return self._add(kind, side, nth, lambda fault, line, wire: line.wait(fault._released.wait, wire))

    def delay(self, kind: str, seconds: float, *, side: Side | None = None, nth: int = 1) -> Fault:
        """The frame, and what comes after it, arrives ``seconds`` later; a `FakeClock` counts them too."""
        return self._add(kind, side, nth, lambda fault, line, wire: line.wait(lambda: asyncio.sleep(seconds), wire))

    def cut(self, kind: str, *, side: Side | None = None, nth: int = 1) -> Fault:
        """The connection is lost in place of the frame; a server over QUIC sees its client leave."""
        return self._add(kind, side, nth, lambda fault, line, wire: line.cut())

    def pipes(self) -> "tuple[FaultyPipe, FaultyPipe]":
        """The client's end and the server's end of a pipe with these faults."""
        near, far = FaultyPipe.pair()
        near.line, far.line = _Line(self, "client", near), _Line(self, "server", far)
        return near, far

    def splice(self, real: Pipe, close: Callable[[], None]) -> Pipe:
        """The client's end of ``real`` with these faults on the way; ``close`` ends the connection below it."""
        near, far = self.pipes()

        def lost(reason: ConnectionLost) -> None:
            far.close_quietly()
            near.lose(reason)

        def ended(reason: ConnectionLost) -> None:
            close()
            real.close()

        far.start(real.write, ended)
        real.start(far.line.take, lost)
        return near

    def _add(self, kind: str, side: Side | None, nth: int, act: Act) -> Fault:
        fault = Fault(Kind[kind], side, nth, act)
        self._plan.append(fault)
        return fault

    def meet(self, kind: int, call: int, body: bytes, side: Side) -> Fault | None:
        """The fault that this frame runs into."""
        if self._is_apart(kind, call, body):
            return None
        met = [fault for fault in self._plan if fault._meets(kind, side)]
        return met[0] if met else None

    def _is_apart(self, kind: int, call: int, body: bytes) -> bool:
        if kind == Kind.METHOD:
            if is_reserved(_declaration(body).service):
                self._methods_apart.add(call)
            return call in self._methods_apart
        if kind in BEGINNINGS and REQUEST_HEAD.unpack_from(body)[0] in self._methods_apart:
            self._calls_apart.add(call)
        return kind not in OF_NO_CALL and call in self._calls_apart


class FaultyPipe(MemoryPipe):
    """An end of a pipe that hands what it sends to a line with faults."""

    line: "_Line"
    _other: "FaultyPipe | None"

    def _send(self, data: bytes) -> None:
        self.line.take(data)
        self._sent(len(data))

    def arrive(self, wire: bytes) -> None:
        """Frames that made it to the other end."""
        if self._other is not None:
            self._other._deliver(wire)

    def cut(self) -> None:
        """Both ends lose the connection."""
        other = self._other
        for end in (self, other):
            if end is not None:
                end.lose(ConnectionLost("the connection was cut"))

    def lose(self, reason: ConnectionLost) -> None:
        """End after what has arrived."""
        self._loop.call_soon(self._break, reason)

    def close_quietly(self) -> None:
        """End without a word to the other end."""
        self._other = None
        self.close()


class _Line:
    """One direction: frames in order, until one of them meets a fault."""

    def __init__(self, faults: Faults, side: Side, pipe: FaultyPipe) -> None:
        self._faults = faults
        self._side: Side = side
        self._pipe = pipe
        self._splitter = FrameSplitter(MAX_FRAME)
        self._behind: list[tuple[int, int, bytes]] = []
        self._waiting: asyncio.Task[None] | None = None
        self._is_cut = False

    def take(self, data: bytes) -> None:
        for kind, call, body in self._splitter.feed(data):
            self._pass((kind, call, body or b""))

    def wait(self, until: Callable[[], Awaitable[object]], wire: bytes) -> None:
        """Keep a frame until something has happened."""
        self._waiting = asyncio.get_running_loop().create_task(self._resume(until, wire))

    def cut(self) -> None:
        self._is_cut = True
        self._pipe.cut()

    def _pass(self, met: tuple[int, int, bytes]) -> None:
        if self._waiting is not None:
            self._behind.append(met)
            return
        if self._is_cut:
            return
        wire = frame(*met)
        fault = self._faults.meet(*met, self._side)
        if fault is None:
            self._pipe.arrive(wire)
        else:
            fault._apply(self, wire)

    async def _resume(self, until: Callable[[], Awaitable[object]], wire: bytes) -> None:
        await until()
        self._waiting = None
        self._pipe.arrive(wire)
        behind, self._behind = self._behind, []
        for later in behind:
            self._pass(later)
