"""``/ws/v1/evaluate``: many evaluations on one connection, and word of the versions that become active.

Rules:

* The upgrade request passes the same three layers as any other: signed as ``GET``, its path and query, an empty body.
  A refused one gets the status and body it would get over HTTP, before the connection is upgraded.
* A connection is let in once and believed for `LONGEST_SECONDS` at most. Role, assignment and named key are looked at
  again for every message, so that whoever loses them is not served to the end of the hour.
* Every message costs what its request would cost, is bounded in bytes, and counts among so many at a time; beyond that
  the socket is not read from. An evaluation is answered when its audit record is durable.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from aster.foundation.errors import AsterError
from aster.foundation.http.errors import BadJson, NotFound, ValidationFailed
from aster.foundation.http.rates import RateLimited
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import HttpLimits, Receive, Request, Scope, Send
from aster.foundation.http.routes import Match, Route
from aster.foundation.logs import get_logger
from aster.policy.service.activations import Activations, Listener
from aster.policy.service.caller import Caller, Role, caller_of
from aster.policy.service.envelope import public_face
from aster.policy.service.errors import Unsigned
from aster.policy.service.evaluation_routes import bounds_of, call_of
from aster.policy.service.evaluations import Evaluations
from aster.policy.service.messages import Evaluation, words_of
from aster.policy.service.policy_messages import iso
from aster.policy.service.policy_rows import Activation
from aster.policy.service.rate_layer import RateLayers
from aster.policy.service.roles import RoleLayer
from aster.policy.service.signature import SignatureLayer
from aster.policy.service.socket_limits import Connections, MessagePace
from aster.policy.service.socket_messages import (
    Activated,
    ActiveVersion,
    ClientMessage,
    Connected,
    EvaluateMessage,
    EvaluateSourceMessage,
    Named,
    Refusal,
    Result,
    Subscribed,
    SubscribeMessage,
    Unsubscribed,
    UnsubscribeMessage,
    decode_message,
)

PATH = "/ws/v1/evaluate"
CONCURRENT = 16
"""Messages of one connection that are worked on at a time."""

LONGEST_SECONDS = 3600.0
DONE, GOING_AWAY, UNWANTED, TOO_BIG, FAILED = 1000, 1001, 1008, 1009, 1011

_encode = msgspec.json.Encoder().encode
logger = get_logger("aster.policy.service")

Admit = Callable[[Request], Awaitable[None]]


class EvaluationSocket:
    """The one WebSocket endpoint. ``routes`` is the HTTP table by path: a message needs the role of its twin there."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        *,
        evaluations: Evaluations,
        signatures: SignatureLayer,
        roles: RoleLayer,
        rates: RateLayers,
        activations: Activations,
        limits: HttpLimits,
        most_connections: int,
        messages_a_second: int,
        idle_seconds: float,
    ) -> None:
        self.row = Route("GET", PATH, _upgrade, summary="Evaluate on one connection", access=Role.VIEWER)
        self.rows = {
            EvaluateMessage: routes["/api/v1/policies/evaluate"],
            EvaluateSourceMessage: routes["/api/v1/policies/evaluate-source"],
        }
        self.evaluations = evaluations
        self.signatures = signatures
        self.roles = roles
        self.rates = rates
        self.activations = activations
        self.limits = limits
        self.connections = Connections(most_connections)
        self.messages_a_second = messages_a_second
        self.idle_seconds = idle_seconds

    async def serve(
        self, request: Request, receive: Receive, send: Send, *, admit: Admit, refuse: Callable[[AsterError], Reply]
    ) -> None:
        """One connection from its upgrade request to its end."""
        await receive()  # websocket.connect
        async with contextlib.AsyncExitStack() as held:
            try:
                await admit(request)
                held.enter_context(self.connections.one_more((request.state["tenant"], request.client)))
            except AsterError as error:
                await _refuse(refuse(error), request, send)
                return
            await send({"type": "websocket.accept", "headers": [(b"x-request-id", request.request_id.encode())]})
            await _Session(self, request, receive, send).run()

    def request_of(self, scope: Scope) -> Request:
        """The upgrade request as the layers want to see it."""
        match = Match(self.row) if scope["path"] == self.row.path else Match(error=NotFound("Not Found"))
        return Request({**scope, "method": "GET"}, _no_body, self.limits, match)


class _Session:
    """One accepted connection."""

    def __init__(self, socket: EvaluationSocket, request: Request, receive: Receive, send: Send) -> None:
        self._socket = socket
        self._request = request
        self._receive = receive
        self._send = send
        self._sending = asyncio.Lock()
        self._slots = asyncio.Semaphore(CONCURRENT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: asyncio.Task[None] | None = None
        self._pace = MessagePace(socket.messages_a_second)
        self._count = 0

    async def run(self) -> None:
        caller = caller_of(self._request)
        limits = self._socket.limits
        code, reason = FAILED, "something of ours failed"
        try:
            await self._tell(Connected(caller.request_id, str(caller.role), limits.body_bytes, CONCURRENT))
            async with asyncio.timeout(LONGEST_SECONDS):
                code, reason = await self._converse()
        except TimeoutError:
            code, reason = GOING_AWAY, "the signature is an hour old: connect again"
        except OSError:
            return  # nobody is there any more
        finally:
            await self._end_tasks()
        if code:
            with contextlib.suppress(OSError, RuntimeError):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _converse(self) -> tuple[int, str]:
        """Until somebody hangs up; the close code and its words, 0 when the client has gone."""
        async for text in self._texts():
            if text is None:
                return DONE, f"nothing was sent for {self._socket.idle_seconds:g} s"
            if len(text) > self._socket.limits.body_bytes:
                return TOO_BIG, "the message is too large"
            try:
                await self._take(text)
            except Unsigned as error:
                return UNWANTED, error.message
        return 0, ""

    async def _texts(self) -> AsyncIterator[bytes | None]:
        """Messages as bytes; None when none came for too long."""
        while True:
            try:
                async with asyncio.timeout(self._socket.idle_seconds):
                    message = await self._receive()
            except TimeoutError:
                yield None
                return
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            yield message["bytes"] if text is None else text.encode("utf-8", "surrogatepass")

    async def _take(self, text: bytes) -> None:
        """Check a message and start its work; raises `Unsigned` when the connection has lost its right."""
        try:
            self._pace.take()
            await self._socket.signatures.require_live_key(self._request)
            await self._socket.rates.take(caller_of(self._request).tenant, 1)
            message = _decoded(text)
            caller = await self._caller_for(message)
        except AsterError as error:
            if isinstance(error, Unsigned):
                raise
            await self._tell(_refusal(_id_in(text), error))
            return
        match message:
            case SubscribeMessage():
                await self._subscribe(message)
            case UnsubscribeMessage():
                await self._unsubscribe(message)
            case _:
                await self._slots.acquire()
                task = asyncio.create_task(self._evaluate(message, caller))
                self._tasks.add(task)
                task.add_done_callback(self._finished)

    async def _caller_for(self, message: ClientMessage) -> Caller:
        """Who asks, as of now and for this: layer 3 with the row of the same thing over HTTP."""
        self._request.match = Match(self._socket.rows.get(type(message), self._socket.row))
        if (waits := self._socket.roles(self._request)) is not None:
            await waits
        self._count += 1
        caller = caller_of(self._request)
        return msgspec.structs.replace(caller, entrance="ws", request_id=f"{caller.request_id}.{self._count}")

    async def _evaluate(self, message: EvaluateMessage | EvaluateSourceMessage, caller: Caller) -> None:
        try:
            answer = await self._answer(message, caller)
        except AsterError as error:
            await self._tell(_refusal(message.id, error))
        except Exception as error:
            logger.error("message failed", request_id=caller.request_id, exc_info=error)
            await self._tell(Refusal(message.id, f"internal error, reference {caller.request_id}", "INTERNAL_ERROR"))
        else:
            await self._tell(
                Result(
                    id=message.id,
                    status="success" if answer.error is None else "error",
                    **msgspec.structs.asdict(answer),
                )
            )

    async def _answer(self, message: EvaluateMessage | EvaluateSourceMessage, caller: Caller) -> Evaluation:
        evaluations = self._socket.evaluations
        if isinstance(message, EvaluateMessage):
            return await evaluations.stored(caller, call_of(message), trace=message.trace)
        (answer,) = await evaluations.source(
            caller,
            message.source,
            [message.context],
            locale=message.locale,
            words=words_of(message, caller.role),
            rule=message.function_name,
            trace=message.trace,
            bounds=bounds_of(message),
        )
        return answer

    async def _subscribe(self, message: SubscribeMessage) -> None:
        await self._stop_notices()
        ready: asyncio.Future[list[Activation]] = asyncio.get_running_loop().create_future()
        self._subscription = asyncio.create_task(self._notify(ready))
        try:
            active = await ready
        except AsterError as error:
            await self._tell(_refusal(message.id, error))
        else:
            await self._tell(Subscribed(message.id, [_active(each) for each in active]))

    async def _unsubscribe(self, message: UnsubscribeMessage) -> None:
        await self._stop_notices()
        await self._tell(Unsubscribed(message.id))

    async def _notify(self, ready: "asyncio.Future[list[Activation]]") -> None:
        with self._socket.activations.listening(caller_of(self._request).tenant) as listener:
            try:
                ready.set_result(await listener.news())
            except AsterError as error:
                ready.set_exception(error)
                return
            with contextlib.suppress(OSError):  # the reading side will notice as well
                await self._tell_news(listener)

    async def _tell_news(self, listener: Listener) -> None:
        while True:
            for each in await listener.wait():
                await self._tell(Activated(**msgspec.structs.asdict(_active(each))))

    async def _stop_notices(self) -> None:
        if self._subscription is not None:
            self._subscription.cancel()
            await asyncio.gather(self._subscription, return_exceptions=True)
            self._subscription = None

    async def _tell(self, message: msgspec.Struct) -> None:
        async with self._sending:
            await self._send({"type": "websocket.send", "text": _encode(message).decode()})

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled():
            task.exception()  # a client that left while it was answered

    async def _end_tasks(self) -> None:
        await self._stop_notices()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _refuse(reply: Reply, request: Request, send: Send) -> None:
    """Answer the upgrade request with a refusal; servers that can't do that answer 403."""
    if "websocket.http.response" not in request.scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": UNWANTED})
        return
    headers = [
        *reply.headers,
        (b"x-request-id", request.request_id.encode()),
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
    ]
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reply.body})


async def _upgrade(request: Request, body: Any) -> None:
    """Never called over HTTP: the row is for the layers, which ask it for the least role."""


async def _no_body() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def _decoded(text: bytes) -> ClientMessage:
    """Raises `ValidationFailed` or `BadJson`."""
    try:
        return decode_message(text)
    except msgspec.ValidationError as error:
        raise ValidationFailed(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadJson(f"the message is not valid JSON: {error}") from None
    except RecursionError:
        raise BadJson("the message is nested too deeply") from None


def _id_in(text: bytes) -> Any:
    try:
        found = msgspec.json.decode(text, type=Named).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, str | int) else None


def _refusal(message_id: Any, error: AsterError) -> Refusal:
    _, words, code = public_face(error)
    return Refusal(message_id, words, code, error.retry_after if isinstance(error, RateLimited) else None)


def _active(activation: Activation) -> ActiveVersion:
    return ActiveVersion(
        activation.policy_id,
        activation.module,
        activation.version,
        activation.number,
        activation.kind,
        iso(activation.activated_ms),
    )
