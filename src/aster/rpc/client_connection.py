"""The calling side of one connection: calls wait on futures of their own, never on the network."""

import asyncio
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aster.rpc.codec import ENCODERS
from aster.rpc.deadlines import Deadlines
from aster.rpc.definition import MethodDefinition
from aster.rpc.flow import Inbox, SendWindow
from aster.rpc.lane import Closer, Lane
from aster.rpc.limits import RpcLimits
from aster.rpc.metadata import Metadata, encode_metadata
from aster.rpc.protocol.core import ClientProtocol
from aster.rpc.protocol.events import Failed, GoingAway, Greeted, PeerEnded, Replied, SessionOpened, SessionRefused
from aster.rpc.protocol.wire import MAX_MILLISECONDS, Declaration, FarBody
from aster.rpc.status import (
    DeadlineExceededError,
    InvalidArgumentError,
    PermissionDeniedError,
    ResourceExhaustedError,
    RpcError,
    UnavailableError,
)
from aster.transport.errors import CloseCode, ConnectionLost
from aster.transport.pipe import Pipe
from aster.transport.side_streams import SideStreams


@dataclass(frozen=True, slots=True)
class StreamCall:
    """A streaming call under way: its outcome is the reply, or nothing at the end of the server's stream."""

    call: int
    outcome: "asyncio.Future[bytes]"
    inbox: Inbox
    window: SendWindow


class ClientConnection(Lane[ClientProtocol]):
    """One lane to one server."""

    def __init__(self, pipe: Pipe, limits: RpcLimits, closer: Closer, streams: SideStreams | None = None) -> None:
        body_streams = limits.body_streams if streams is not None else 0
        super().__init__(pipe, ClientProtocol(limits, body_streams), limits, closer, streams)
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._arriving: dict[int, asyncio.Task[bytes]] = {}
        self._methods: dict[Declaration, int] = {}
        self._asked: dict[int, asyncio.Future[None]] = {}
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self._deadlines = Deadlines(self._expire)
        self._refusal: RpcError | None = None
        self._on_unusable: Listener | None = None
        self._on_over: Listener | None = None
        self._handlers |= {
            Replied: self._replied,
            Failed: self._failed,
            PeerEnded: self._stream_ended,
            GoingAway: self._going_away,
            Greeted: self._was_greeted,
            SessionOpened: self._session_opened,
            SessionRefused: self._session_refused,
        }

    def when_unusable(self, listener: "Listener") -> None:
        """Call ``listener`` once, as soon as no new call can be made here; at once if that is so already."""
        self._on_unusable = listener
        if self._refusal is not None:
            self._tell_unusable()

    def when_over(self, listener: "Listener") -> None:
        """Call ``listener`` once, when the connection is over; at once if it is already."""
        if self.is_over:
            listener(self)
        else:
            self._on_over = listener

    def _tell_unusable(self) -> None:
        listener, self._on_unusable = self._on_unusable, None
        if listener is not None:
            listener(self)

    async def ready(self) -> None:
        """Wait for the server's greeting; raises what the server closed the connection with."""
        try:
            async with asyncio.timeout(self._limits.handshake_seconds):
                await asyncio.shield(self._greeted)
        except TimeoutError:
            self.close(CloseCode.PROTOCOL_VIOLATION, "no greeting")
            raise UnavailableError(f"no greeting within {self._limits.handshake_seconds:g} s") from None

    async def call(
        self,
        declaration: Declaration,
        method: MethodDefinition,
        request: Any,
        seconds: float | None,
        metadata: Metadata,
    ) -> Any:
        """One request, one answer; ``seconds`` is how long to wait, None for ever.

        Cancelling the task that waits here cancels the handler.
        """
        body = self.encode_request(declaration, method, request)
        while self._pipe.is_full:
            await self._pipe.writable()
        future: asyncio.Future[bytes] = self._loop.create_future()
        if len(body) > self._far_above:
            call = await self._request_far(declaration, method.encoding, seconds, metadata, body, future)
        else:
            number, milliseconds, wire_metadata = self._head(declaration, seconds, metadata)
            call, wire = self._protocol.request(number, milliseconds, method.encoding, wire_metadata, body)
            self._write_whole(wire, len(self._waiting))
            self._waiting[call] = future
        if seconds is not None:
            self._deadlines.add(call, seconds)
        try:
            answer = await future
        except asyncio.CancelledError:
            self.give_up(call)
            raise
        finally:
            if seconds is not None:
                self._deadlines.remove(call)
        return method.reply.decode_reply(answer, method.encoding)

    async def begin_stream(
        self,
        declaration: Declaration,
        encoding: int,
        seconds: float | None,
        metadata: Metadata,
        request: bytes | None,
    ) -> "StreamCall":
        """Begin a call that streams: with one request message, or (None) with items to follow."""
        while self._pipe.is_full:
            await self._pipe.writable()
        outcome: asyncio.Future[bytes] = self._loop.create_future()
        if request is not None and len(request) > self._far_above:
            call = await self._request_far(declaration, encoding, seconds, metadata, request, outcome)
        else:
            number, milliseconds, wire_metadata = self._head(declaration, seconds, metadata)
            if request is None:
                call, wire = self._protocol.stream(number, milliseconds, encoding, wire_metadata)
            else:
                call, wire = self._protocol.request(number, milliseconds, encoding, wire_metadata, request)
            self._pipe.write(wire)
            self._waiting[call] = outcome
        outcome.add_done_callback(functools.partial(self._stream_over, call))
        if seconds is not None:
            self._deadlines.add(call, seconds)
        return StreamCall(call, outcome, self.new_inbox(call), self.new_window(call))

    async def open_session(self) -> int:
        """A session on this connection: its number. Raises what the server refuses it with."""
        if self._refusal is not None:
            raise self._again(self._refusal)
        session, wire = self._protocol.ask_session()
        asked = self._asked[session] = self._loop.create_future()
        self._pipe.write(wire)
        try:
            async with asyncio.timeout(self._limits.handshake_seconds):
                await asked
        except TimeoutError:
            self.leave_session(session)
            raise UnavailableError(f"no session within {self._limits.handshake_seconds:g} s") from None
        except asyncio.CancelledError:
            self.leave_session(session)
            raise
        finally:
            self._asked.pop(session, None)
        return session

    def leave_session(self, session: int) -> None:
        """End a session: the server cancels its calls and closes its instances."""
        self._methods = {declared: number for declared, number in self._methods.items() if declared.session != session}
        if not self.is_over:
            self._pipe.write(self._protocol.leave(session))

    async def _request_far(
        self,
        declaration: Declaration,
        encoding: int,
        seconds: float | None,
        metadata: Metadata,
        body: bytes,
        outcome: "asyncio.Future[bytes]",
    ) -> int:
        """Begin a call whose request travels on a stream of its own: its id, once the request is written.

        A call that is over before that, refused or cancelled or past its deadline, is not written to its end.
        """
        calls: list[int] = []

        def announce(place: FarBody) -> bool:
            number, milliseconds, wire_metadata = self._head(declaration, seconds, metadata)
            call, wire = self._protocol.far_request(number, milliseconds, encoding, wire_metadata, place)
            self._pipe.write(wire)
            self._waiting[call] = outcome
            calls.append(call)
            return True

        sending = self._loop.create_task(self._bodies_in_use.send(body, announce))
        try:
            waited_for: set[asyncio.Future[Any]] = {sending, outcome}
            await asyncio.wait(waited_for, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except asyncio.CancelledError:
            for call in calls:
                self.give_up(call)
            raise
        finally:
            sending.cancel()
        if not calls:
            raise DeadlineExceededError(f"no answer within {seconds or 0:g} s")
        if not sending.done() and not outcome.done():
            self._expire(calls[0], seconds or 0)
        return calls[0]

    def end_input(self, call: int) -> None:
        """The last item of a call was sent."""
        if not self.is_over:
            self._pipe.write(self._protocol.end(call))

    def give_up(self, call: int, error: Exception | None = None) -> None:
        """Cancel a call that runs; whoever waits for it gets ``error``."""
        future = self._waiting.pop(call, None)
        if future is None:
            return
        if reading := self._arriving.pop(call, None):
            reading.cancel()
        if not self.is_over:
            self._pipe.write(self._protocol.cancel(call))
        if not future.done():
            if error is None:
                future.cancel()
            else:
                future.set_exception(error)
        self._leave_when_done()

    def encode_request(self, declaration: Declaration, method: MethodDefinition, request: Any) -> bytes:
        """One message as bytes; raises for a wrong type or size."""
        if not method.request.accepts(request):
            raise InvalidArgumentError(
                f"{declaration.service}.{method.name} takes a {method.request.name}, got a {type(request).__name__}"
            )
        body = ENCODERS[method.encoding](request)
        if len(body) > self._limits.max_message_bytes:
            raise ResourceExhaustedError(f"the request is above the limit of {self._limits.max_message_bytes} bytes")
        return body

    def _head(self, declaration: Declaration, seconds: float | None, metadata: Metadata) -> tuple[int, int, bytes]:
        if self._refusal is not None:
            raise self._again(self._refusal)
        if seconds is not None and seconds <= 0:
            raise DeadlineExceededError("the deadline had passed before the call")
        wire_metadata = encode_metadata(metadata, self._limits) if metadata else b""
        milliseconds = 0 if seconds is None else min(math.ceil(seconds * 1000), MAX_MILLISECONDS)
        return self._methods.get(declaration) or self._declare(declaration), milliseconds, wire_metadata

    def _stream_over(self, call: int, outcome: "asyncio.Future[bytes]") -> None:
        self._deadlines.remove(call)
        left = outcome.cancelled()
        self._forget_streams(call, None if left else outcome.exception(), reader_goes_on=not left)

    def _expire(self, call: int, seconds: float) -> None:
        self.give_up(call, DeadlineExceededError(f"no answer within {round(seconds, 3):g} s"))

    def _leave_when_done(self) -> None:
        """A server that drains waits for its clients to go."""
        if self._refusal is not None and not self._waiting and not self.is_over:
            self.close(CloseCode.DONE, "drained")

    def _declare(self, declaration: Declaration) -> int:
        number, wire = self._protocol.declare(declaration)
        self._methods[declaration] = number
        self._pipe.write(wire)
        return number

    def _replied(self, event: Replied) -> None:
        body = event.body
        if not isinstance(body, bytes):
            self._reply_elsewhere(event.call, body)
            return
        future = self._waiting.pop(event.call, None)
        if future is not None and not future.done():
            future.set_result(body)
        if self._refusal is not None:
            self._leave_when_done()

    def _reply_elsewhere(self, call: int, place: FarBody) -> None:
        reading = self._arriving[call] = self._bodies_in_use.receive(place)
        reading.add_done_callback(functools.partial(self._reply_arrived, call))

    def _reply_arrived(self, call: int, reading: "asyncio.Task[bytes]") -> None:
        self._arriving.pop(call, None)
        if reading.cancelled():
            return
        future = self._waiting.pop(call, None)
        if future is not None and not future.done():
            error = reading.exception()
            if error is None:
                future.set_result(reading.result())
            else:
                future.set_exception(error)
        self._leave_when_done()

    def _fail_call(self, call: int, error: RpcError) -> None:
        self.give_up(call, error)

    def _failed(self, event: Failed) -> None:
        future = self._waiting.pop(event.call, None)
        if future is not None and not future.done():
            status = event.status
            future.set_exception(RpcError.of(status.status, status.message, status.details))
        self._leave_when_done()

    def _stream_ended(self, event: PeerEnded) -> None:
        self._replied(Replied(event.call, b""))

    def _going_away(self, event: GoingAway) -> None:
        self._refusal = UnavailableError(f"the server takes no new calls: {event.reason}")
        self._tell_unusable()
        self._leave_when_done()

    def _session_opened(self, event: SessionOpened) -> None:
        asked = self._asked.get(event.session)
        if asked is not None and not asked.done():
            asked.set_result(None)

    def _session_refused(self, event: SessionRefused) -> None:
        asked = self._asked.get(event.session)
        if asked is not None and not asked.done():
            asked.set_exception(RpcError.of(event.status.status, event.status.message, event.status.details))

    def _was_greeted(self, event: Greeted) -> None:
        self._peer_greeted(event.hello)
        if not self._greeted.done():
            self._greeted.set_result(None)

    def _ended(self, lost: ConnectionLost) -> None:
        self._deadlines.close()
        error = self._refusal = self._refusal or refusal_for(lost)
        if not self._greeted.done():
            self._greeted.set_exception(self._again(error))
            self._greeted.exception()
        waiting, self._waiting = self._waiting, {}
        pending: list[asyncio.Future[Any]] = [*waiting.values(), *self._asked.values()]
        for future in pending:
            if not future.done():
                future.set_exception(self._again(error))
        self._tell_unusable()
        listener, self._on_over = self._on_over, None
        if listener is not None:
            listener(self)

    @staticmethod
    def _again(error: RpcError) -> RpcError:
        """Each caller gets an exception object of its own: tracebacks and notes are not shared."""
        return type(error)(error.message, hint=error.hint)


Listener = Callable[[ClientConnection], None]
"""Is told of a change in a connection's life."""


def refusal_for(lost: ConnectionLost) -> RpcError:
    """What a lost connection means to a caller."""
    if lost.close_code == CloseCode.NOT_ADMITTED:
        return PermissionDeniedError(
            "the server did not admit this client", hint="it asks for a valid enrollment credential"
        )
    if lost.close_code == CloseCode.TOO_BUSY:
        return ResourceExhaustedError(f"the server is too busy: {lost.reason}")
    return UnavailableError(lost.message)
