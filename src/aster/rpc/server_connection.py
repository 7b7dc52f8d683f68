"""The answering side of one connection: every call is a task that its caller's CANCEL or deadline ends."""

import asyncio
import contextlib
import functools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from aster.foundation.logs import get_logger
from aster.rpc.bodies import Announce
from aster.rpc.codec import ENCODERS
from aster.rpc.context import CallContext
from aster.rpc.deadlines import Deadlines
from aster.rpc.eager import EagerTasks
from aster.rpc.flow import Budget, Inbox, Later
from aster.rpc.lane import Closer, Lane
from aster.rpc.limits import RpcLimits
from aster.rpc.metadata import NO_METADATA, decode_metadata
from aster.rpc.protocol.core import ProtocolViolation, ServerProtocol
from aster.rpc.protocol.events import (
    CallCancelled,
    Greeted,
    MethodDeclared,
    PeerEnded,
    Requested,
    SessionAsked,
    SessionLeft,
)
from aster.rpc.protocol.wire import FarBody
from aster.rpc.requirements import roles_of
from aster.rpc.services import BoundMethod, ServiceTable, SessionMethod
from aster.rpc.sessions import SessionTable
from aster.rpc.status import (
    CancelledError,
    DeadlineExceededError,
    InternalError,
    NotFoundError,
    ResourceExhaustedError,
    RpcError,
    UnavailableError,
)
from aster.transport.errors import CloseCode, ConnectionLost
from aster.transport.pipe import Pipe
from aster.transport.side_streams import SideStreams

logger = get_logger("aster.rpc")

Methods = dict[int, BoundMethod | RpcError]

LEFT = NotFoundError("the session is not open")
SETTLE_SECONDS = 10.0
"""So long may handlers take to end after their connection has, then nobody waits for them any more."""

QUICK_TRIES_APART = 16
"""After a call that waited, so many calls of its method get a task from the start."""


class ServerConnection(Lane[ServerProtocol]):
    """One lane from one client. ``peer`` is its EndpointId, None in process.

    ``attributes`` are those of its admission; None trusts it with every method, as code of the same process is.
    """

    # With a dictionary of all its attributes a connection would be 1.5 KB larger: above 29 they share no keys.
    __slots__ = (
        "_attributes",
        "_deadlines",
        "_debug_errors",
        "_draining",
        "_eager",
        "_gone",
        "_greeting_timer",
        "_idle",
        "_methods",
        "_on_end",
        "_requests",
        "_roles",
        "_services",
        "_sessions",
        "_tasks",
        "_unsent",
        "peer",
    )

    def __init__(
        self,
        pipe: Pipe,
        services: ServiceTable,
        limits: RpcLimits,
        closer: Closer,
        *,
        peer: str | None = None,
        attributes: Mapping[str, str] | None = None,
        debug_errors: bool = False,
        on_end: Callable[["ServerConnection"], None] | None = None,
        streams: SideStreams | None = None,
    ) -> None:
        body_streams = limits.body_streams if streams is not None else 0
        super().__init__(pipe, ServerProtocol(limits, body_streams), limits, closer, streams)
        self.peer = peer
        self._services = services
        self._attributes = NO_METADATA if attributes is None else attributes
        self._roles = None if attributes is None else roles_of(attributes)
        self._debug_errors = debug_errors
        self._on_end = on_end
        self._eager = EagerTasks.shared()
        self._deadlines = Deadlines(self._expire)
        self._methods: Methods = {}
        self._sessions = SessionTable(peer, self._attributes, limits.max_sessions)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._requests: dict[int, Later] = {}
        self._unsent = Budget(limits.max_bytes_in_flight)
        self._draining: str | None = None
        self._idle: asyncio.Event | None = None
        self._gone = asyncio.Event()
        self._handlers |= {
            Requested: self._begin,
            CallCancelled: self._cancelled,
            PeerEnded: self._input_ended,
            MethodDeclared: self._declared,
            Greeted: self._was_greeted,
            SessionAsked: self._session_asked,
            SessionLeft: self._session_left,
        }
        self._greeting_timer = asyncio.get_running_loop().call_later(limits.handshake_seconds, self._no_greeting)

    @property
    def sessions(self) -> int:
        """How many sessions are open here."""
        return len(self._sessions)

    def drain(self, reason: str) -> None:
        """Refuse new calls; running ones go on."""
        if self._draining is None:
            self._draining = reason
            self._pipe.write(self._protocol.go_away(reason))

    async def gone(self) -> None:
        """Wait until the connection is over."""
        await self._gone.wait()

    async def idle(self) -> None:
        """Wait until no handler runs."""
        if self._tasks:
            self._idle = self._idle or asyncio.Event()
            await self._idle.wait()

    async def settled(self) -> None:
        """Wait, within reason, for the handlers to end and for the sessions to close; call it once it is over."""
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self.idle()
        except TimeoutError:
            logger.error("handlers did not end when they were cancelled", peer=self.peer, seconds=SETTLE_SECONDS)
        await self._sessions.closed()

    def _was_greeted(self, event: Greeted) -> None:
        self._greeting_timer.cancel()
        self._peer_greeted(event.hello)

    def _declared(self, event: MethodDeclared) -> None:
        # A connection's attributes don't change, so whether its caller may use a method is decided once.
        found = self._services.find(event.declaration, self._roles)
        if isinstance(found, SessionMethod):
            session = self._sessions.get(event.declaration.session)
            found = LEFT if session is None else found.within(session)
        self._methods[event.method] = found

    def _session_asked(self, event: SessionAsked) -> None:
        refusal: RpcError | None = None
        if self._draining is not None:
            refusal = UnavailableError(f"the server opens no new sessions: {self._draining}")
        elif self._sessions.is_full:
            refusal = ResourceExhaustedError(f"more than {self._limits.max_sessions} sessions on one connection")
        if refusal is None:
            self._sessions.open(event.session)
            self._pipe.write(self._protocol.open_session(event.session))
        else:
            self._pipe.write(self._protocol.refuse_session(event.session, refusal.status, refusal.message))

    def _session_left(self, event: SessionLeft) -> None:
        for method in event.methods:
            del self._methods[method]
        self._sessions.leave(event.session)

    def _cancelled(self, event: CallCancelled) -> None:
        self._cancel(event.call)

    def _input_ended(self, event: PeerEnded) -> None:
        if inbox := self._inboxes.get(event.call):
            inbox.end()

    def _cancel(self, call: int) -> None:
        if task := self._tasks.get(call):
            task.cancel()
            # A task that is cancelled before its first step never runs, so it can't take itself off the list.
            task.add_done_callback(lambda _: self._done(call))

    def _done(self, call: int) -> None:
        if call not in self._tasks:
            return
        if self._inboxes or self._windows:
            self._forget_streams(call, None)
        if self._requests and (request := self._requests.pop(call, None)):
            request.reading.cancel()
            self._held.release(request.size)
        del self._tasks[call]
        if self._idle is not None and not self._tasks:
            self._idle.set()
            self._idle = None

    def _begin(self, event: Requested) -> None:
        call, body, method = event.call, event.body, self._methods.get(event.method, LEFT)
        if (
            isinstance(method, RpcError)
            or self._draining is not None
            or len(self._tasks) >= self._limits.max_concurrent_calls
        ):
            if not isinstance(body, bytes):
                self._bodies_in_use.refuse(body)
            self._fail(call, method if isinstance(method, RpcError) else self._refusal())
            return
        if event.streams != method.streams_input:
            raise ProtocolViolation(f"a call of {method.service}.{method.method} that is not {method.pattern}")
        if method.waited:
            method.waited -= 1
        elif method.is_unary and isinstance(body, bytes) and self._eager.ready():
            task = self._eager.start(self._answer(event, method))
            if task is not None:
                method.waited = QUICK_TRIES_APART
                self._runs(call, task)
            return
        if event.streams:
            self.new_inbox(call)
        if not isinstance(body, bytes):
            if not self._held.reserve(body.length):
                self._bodies_in_use.refuse(body)
                self._fail(call, self._too_much())
                return
            self._requests[call] = Later(body.length, self._bodies_in_use.receive(body))
        self._runs(call, asyncio.get_running_loop().create_task(self._answer(event, method)))

    def _runs(self, call: int, task: asyncio.Task[None]) -> None:
        """A call that is not answered yet."""
        self._tasks[call] = task
        if self.is_over:
            self._cancel(call)

    def _fail_call(self, call: int, error: RpcError) -> None:
        self._fail(call, error)
        self._cancel(call)

    def _refusal(self) -> RpcError:
        if self._draining is not None:
            return UnavailableError(f"the server takes no new calls: {self._draining}")
        return ResourceExhaustedError(f"more than {self._limits.max_concurrent_calls} calls at once")

    async def _answer(self, event: Requested, method: BoundMethod) -> None:
        call = event.call
        deadline = None
        try:
            if event.milliseconds:
                seconds = event.milliseconds / 1000
                deadline = time.monotonic() + seconds
                self._deadlines.add(call, seconds)
            context = CallContext(
                service=method.service,
                method=method.method,
                call_id=call,
                peer=self.peer,
                metadata=decode_metadata(event.metadata, self._limits) if event.metadata else NO_METADATA,
                deadline=deadline,
                attributes=self._attributes,
                roles=self._roles,
                definition=method.definition,
            )
            CallContext.running.set(context)
            if not method.is_unary:
                await self._answer_stream(event, method, context)
                return
            body = event.body
            if not isinstance(body, bytes):
                body = await self._requests[call].reading
            result = await method.call(method.request.decode_request(body, event.encoding), context)
            while self._pipe.is_full:
                await self._pipe.writable()
            answer = self._encoded(method, result, event.encoding)
            if len(answer) > self._far_above:
                await self._reply_far(call, answer)
            else:
                self._write_whole(self._protocol.reply(call, answer), len(self._tasks) - (call in self._tasks))
        except RpcError as error:
            self._fail(call, error)
        except asyncio.CancelledError:
            self._fail(call, CancelledError("the call was cancelled"))
        except Exception as error:  # noqa: BLE001  # a handler may raise anything; its caller learns only an id
            self._fail(call, self._hidden(error, method))
        finally:
            if deadline is not None:
                self._deadlines.remove(call)
            self._done(call)

    async def _answer_stream(self, event: Requested, method: BoundMethod, context: CallContext) -> None:
        call, encoding = event.call, event.encoding
        if method.pattern.streams_input:
            request = self._items(self._inboxes[call], method, encoding)
        else:
            body = event.body if isinstance(event.body, bytes) else await self._requests[call].reading
            request = method.request.decode_request(body, encoding)
        if not method.pattern.streams_output:
            answer = self._encoded(method, await method.call(request, context), encoding)
            if len(answer) > self._far_above:
                await self._reply_far(call, answer)
            else:
                self._pipe.write(self._protocol.reply(call, answer))
            return
        window = self.new_window(call)
        async with contextlib.aclosing(method.call(request, context)) as answers:
            async for answer in answers:
                item = self._encoded(method, answer, encoding)
                if not self.offer_item(call, window, item):
                    await self.send_item(call, window, item)
        if not self.is_over:
            self._pipe.write(self._protocol.end(call))

    async def _items(self, inbox: Inbox, method: BoundMethod, encoding: int) -> AsyncIterator[Any]:
        decode = method.request.decode_request
        async for body in inbox:
            yield decode(body, encoding)
            while (more := inbox.take()) is not None:
                yield decode(more, encoding)

    async def _reply_far(self, call: int, answer: bytes) -> None:
        await self._send_far(answer, functools.partial(self._announce_reply, call))

    async def _send_far(self, body: bytes, announce: Announce) -> None:
        """What a peer asks for and does not read is bounded: the call that would hold more fails."""
        if not self._unsent.reserve(len(body)):
            raise ResourceExhaustedError(f"more than {self._unsent.limit} bytes of answers unread on one connection")
        try:
            await super()._send_far(body, announce)
        finally:
            self._unsent.release(len(body))

    def _announce_reply(self, call: int, place: FarBody) -> bool:
        return self._announced(self._protocol.far_reply(call, place))

    def _encoded(self, method: BoundMethod, result: Any, encoding: int) -> bytes:
        if not method.reply.accepts(result):
            raise TypeError(f"{method.service}.{method.method} returned a {type(result).__name__}")
        body = ENCODERS[encoding](result)
        if len(body) > self._limits.max_message_bytes:
            raise ResourceExhaustedError(f"the answer is above the limit of {self._limits.max_message_bytes} bytes")
        return body

    def _fail(self, call: int, error: RpcError) -> None:
        if not self.is_over:
            details = {str(key): str(value) for key, value in error.details.items()}
            self._pipe.write(self._protocol.fail(call, error.status, error.message, details))

    def _hidden(self, error: Exception, method: BoundMethod) -> InternalError:
        error_id = secrets.token_hex(8)
        logger.error(
            "handler failed",
            exc_info=error,
            service=method.service,
            method=method.method,
            peer=self.peer,
            error_id=error_id,
        )
        words = f"{type(error).__name__}: {error}" if self._debug_errors else "internal error"
        return InternalError(words, details={"error_id": error_id})

    def _expire(self, call: int, seconds: float) -> None:
        if not self._protocol.is_open(call):
            # The answer is on its way on a stream of its own; whether it is still in time is for the caller to say.
            return
        self._fail(call, DeadlineExceededError("the handler took longer than the caller's deadline"))
        self._cancel(call)

    def _no_greeting(self) -> None:
        self.close(CloseCode.PROTOCOL_VIOLATION, "no greeting in time")

    def _ended(self, lost: ConnectionLost) -> None:
        self._greeting_timer.cancel()
        self._eager.close()
        self._deadlines.close()
        for call in list(self._tasks):
            self._cancel(call)
        self._sessions.leave_all()
        self._gone.set()
        if self._on_end is not None:
            self._on_end(self)
