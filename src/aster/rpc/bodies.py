"""Large messages on streams of their own, so that no small call waits behind them.

The lane carries the announcement (which stream, how many bytes) in the place where the message itself would have been,
so a stream of items keeps its order; the QUIC stream carries the bare bytes, under QUIC's own windows. The announced
length is what tells a whole body from a dropped stream, which looks like a clean end.

Everything here is bounded: a side reads `RpcLimits.body_streams` bodies at once and writes as many as the peer reads;
a body is collected as it comes, never allocated by its announced length.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

from aster.rpc.limits import RpcLimits
from aster.rpc.protocol.core import ProtocolViolation
from aster.rpc.protocol.wire import FarBody
from aster.rpc.status import DataLossError, UnavailableError
from aster.transport.errors import TransportError
from aster.transport.side_streams import CHUNK_BYTES, MAX_OPEN, IncomingStream, OutgoingStream, SideStreams

Announce = Callable[[FarBody], bool]
"""Tell the peer over the lane where the body is; False when nobody wants it any more."""

GivingUp = Callable[[], Coroutine[Any, Any, None]]
"""`OutgoingStream.abandon` or `IncomingStream.stop`."""


class Bodies:
    """The bodies of one connection that travel beside its lane."""

    def __init__(self, streams: SideStreams, limits: RpcLimits) -> None:
        self._streams = streams
        self._reading = asyncio.Semaphore(limits.body_streams)
        self._writing = asyncio.Semaphore(0)
        self._spare: list[OutgoingStream] = []
        self._accepted = 0
        self._unclaimed: dict[int, IncomingStream] = {}
        self._unwanted: set[int] = set()
        self._awaited: dict[int, asyncio.Future[IncomingStream]] = {}
        self._acceptor: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def peer_reads(self, streams: int) -> None:
        """What the peer's greeting said: so many bodies are written at once."""
        self._writing = asyncio.Semaphore(min(streams, MAX_OPEN))

    async def send(self, body: bytes, announce: Announce) -> None:
        """Announce and write one body; returns when the transport took it, or the peer no longer wants it."""
        async with self._writing:
            try:
                stream = await self._open()
            except TransportError as error:
                raise UnavailableError(error.message) from None
            if not announce(FarBody(stream.number, len(body))):
                self._spare.append(stream)
                return
            try:
                for start in range(0, len(body), CHUNK_BYTES):
                    await stream.write(body[start : start + CHUNK_BYTES])
                await stream.finish()
            except TransportError:
                # The peer gave the body up, or the connection is gone: the lane says which, to whom it concerns.
                return
            except asyncio.CancelledError:
                self._give_up(stream.abandon)
                raise

    def receive(self, place: FarBody) -> "asyncio.Task[bytes]":
        """Read an announced body; the task raises `DataLossError` for one that is not whole. Cancel to refuse it."""
        self._check(place)
        self._awaited[place.stream] = asyncio.get_running_loop().create_future()
        reading = self._spawn(self._read(place))
        reading.add_done_callback(functools.partial(self._read_over, place.stream))
        self._claim(place.stream)
        return reading

    def refuse(self, place: FarBody) -> None:
        """Nobody wants an announced body."""
        self._check(place)
        self._dismiss(place.stream)

    def close(self) -> None:
        """The connection is over."""
        self._closed = True
        self._streams.close()
        for task in list(self._tasks):
            task.cancel()

    async def _open(self) -> OutgoingStream:
        """A stream to write to. One whose opener was cancelled is kept for the next: it has its number already."""
        if self._spare:
            return self._spare.pop()
        opening = self._spawn(self._streams.open())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._keep)
            raise

    def _keep(self, opening: "asyncio.Task[OutgoingStream]") -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._spare.append(opening.result())

    async def _read(self, place: FarBody) -> bytes:
        async with self._reading:
            stream = await self._awaited[place.stream]
            pieces: list[bytes] = []
            left = place.length
            try:
                while left:
                    piece = await stream.read(min(left, CHUNK_BYTES))
                    if not piece:
                        raise DataLossError(f"a message ended after {place.length - left} of {place.length} bytes")
                    pieces.append(piece)
                    left -= len(piece)
                if await stream.read(1):
                    raise DataLossError(f"a message went on after its {place.length} bytes")
            except TransportError as error:
                raise DataLossError(
                    f"a message broke off after {place.length - left} of {place.length} bytes: {error.message}"
                ) from None
            return b"".join(pieces)

    def _read_over(self, number: int, reading: "asyncio.Task[bytes]") -> None:
        arrival = self._awaited.pop(number)
        whole = not reading.cancelled() and reading.exception() is None
        if not arrival.done() or arrival.cancelled():
            self._dismiss(number)
        elif not whole and arrival.exception() is None:
            self._give_up(arrival.result().stop)

    def _check(self, place: FarBody) -> None:
        """Numbers can't run ahead of what QUIC allows, and name a stream once: so what is kept here is bounded."""
        number = place.stream
        known = number in self._awaited or number in self._unwanted
        past = number < self._accepted and number not in self._unclaimed
        if known or past or number >= self._accepted + 2 * MAX_OPEN:
            raise ProtocolViolation(f"a message on stream {number}, which can't be")

    def _dismiss(self, number: int) -> None:
        if not self._closed:
            self._unwanted.add(number)
            self._claim(number)

    def _claim(self, number: int) -> None:
        """Match a stream that came before its announcement, or wait for streams to come."""
        early = self._unclaimed.pop(number, None)
        if early is not None:
            self._deliver(early)
        elif self._acceptor is None and not self._closed:
            self._acceptor = self._spawn(self._accept())

    async def _accept(self) -> None:
        """Take streams for as long as announced ones are missing: an idle connection waits for none."""
        try:
            while any(not arrival.done() for arrival in self._awaited.values()) or self._unwanted:
                stream = await self._streams.accept()
                self._accepted = stream.number + 1
                self._deliver(stream)
        except TransportError as error:
            for arrival in self._awaited.values():
                if not arrival.done():
                    arrival.set_exception(DataLossError(f"the connection was lost: {error.message}"))
                    arrival.exception()  # its reader may not have begun to wait for it
        finally:
            self._acceptor = None

    def _deliver(self, stream: IncomingStream) -> None:
        arrival = self._awaited.get(stream.number)
        if arrival is not None and not arrival.done():
            arrival.set_result(stream)
        elif stream.number in self._unwanted:
            self._unwanted.discard(stream.number)
            self._give_up(stream.stop)
        else:
            self._unclaimed[stream.number] = stream

    def _give_up(self, giving_up: GivingUp) -> None:
        """Tell the peer about one stream; when the connection is over it knows."""
        if not self._closed:
            self._spawn(_quietly(giving_up))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # read by whoever awaits the task; nobody may be left to


async def _quietly(giving_up: GivingUp) -> None:
    """A stream that is gone already needs no giving up."""
    try:
        await giving_up()
    except TransportError:
        return
