"""An HTTP service as one ASGI callable: match, pass the layers in order, decode, handle, answer.

A layer is a function of the request that raises to refuse; one that has to wait is async. Layers run before the body is
decoded and before 404 and 405 are answered, so that a caller who does not pass them learns nothing about what exists.
"""

import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aster.foundation.errors import AsterError
from aster.foundation.http.errors import ClientGone, HttpError
from aster.foundation.http.reply import Header, Reply, json_reply
from aster.foundation.http.request import HttpLimits, Receive, Request, Scope, Send
from aster.foundation.http.routes import Route, RouteTable
from aster.foundation.logs import get_logger

if TYPE_CHECKING:
    from aster.foundation.http.cors import CorsPolicy
    from aster.foundation.http.metrics import RequestMetrics

SERVER_ERROR = 500
NO_SOCKETS = 1008
"""How a service without WebSockets closes one before it is open; servers answer 403 then."""

Layer = Callable[[Request], Awaitable[None] | None]
ErrorRenderer = Callable[[Request, AsterError], Reply]

logger = get_logger("aster.http")
REQUESTS = logging.getLogger("aster.http")


class InternalError(AsterError):
    """Something of ours failed; the caller gets a reference, the log gets the story."""

    code = "INTERNAL_ERROR"


class HttpService:
    """The ASGI app of one table of routes. Keeps no state of its own but counters."""

    def __init__(
        self,
        name: str,
        routes: Sequence[Route],
        *,
        render_error: ErrorRenderer,
        layers: Sequence[Layer] = (),
        limits: HttpLimits | None = None,
        metrics: "RequestMetrics | None" = None,
        cors: "CorsPolicy | None" = None,
        log_requests: bool = False,
    ) -> None:
        """With ``log_requests`` each request is a line of the log; without it only when that shows details."""
        self.name = name
        self.table = RouteTable(routes)
        self._layers = tuple(layers)
        self._limits = limits or HttpLimits()
        self._render_error = render_error
        self._metrics = metrics
        self._cors = cors
        self._request_level = logging.INFO if log_requests else logging.DEBUG

    @property
    def routes(self) -> tuple[Route, ...]:
        return self.table.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        started = time.perf_counter()
        request = Request(scope, receive, self._limits, self.table.match(scope["method"], scope["path"]))
        try:
            reply = await self._answer(request)
        except AsterError as error:
            reply = self._refuse(request, error)
        except Exception as error:  # noqa: BLE001 - the last line of defence: the caller never sees a traceback
            reply = self._fail(request, error)
        extra: list[Header] = [(b"x-request-id", request.request_id.encode())]
        if self._cors is not None:
            extra += self._cors.headers(request)
        head_only = request.method == "HEAD"
        whole = None if head_only or not reply.is_whole else request.whole
        if whole is None or not whole.answer(reply.status, reply.head(extra), reply.body):
            await reply.send(send, extra=extra, head_only=head_only)
        self._observe(request, reply, time.perf_counter() - started)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise RuntimeError(f"{self.name} serves HTTP, not {scope['type']}")
        await receive()
        await send({"type": "websocket.close", "code": NO_SOCKETS})

    async def admit(self, request: Request) -> None:
        """Pass every layer, then tell whether there is such a route; raises what refuses."""
        for layer in self._layers:
            if (waits := layer(request)) is not None:
                await waits
        if request.match.error is not None:
            raise request.match.error

    async def _answer(self, request: Request) -> Reply:
        request.check_headers()
        if self._cors is not None and (preflight := self._cors.preflight(request)) is not None:
            return preflight
        await self.admit(request)
        route = request.match.route
        if route is None:
            raise RuntimeError("a match has either a route or an error")
        body = None
        if route.body is not None:
            raw = request.body_here()
            body = route.decode(request, await request.body() if raw is None else raw)
        value: Any = await route.handler(request, body)
        return value if isinstance(value, Reply) else json_reply(value, route.status)

    def _refuse(self, request: Request, error: AsterError) -> Reply:
        if isinstance(error, ClientGone):
            return Reply(error.status)
        reply = self._render_error(request, error)
        if reply.status >= SERVER_ERROR:
            # A refusal with a status of its own was meant; tracebacks of it would let strangers fill the log.
            story = None if isinstance(error, HttpError) else error
            logger.error("request failed", code=error.code, request_id=request.request_id, exc_info=story)
        return reply

    def _fail(self, request: Request, error: Exception) -> Reply:
        reference = uuid.uuid4().hex[:12]
        logger.error(
            "request failed",
            reference=reference,
            request_id=request.request_id,
            path=request.path,
            exc_info=error,
        )
        return self._render_error(request, InternalError(f"internal error, reference {reference}"))

    def _observe(self, request: Request, reply: Reply, seconds: float) -> None:
        route = request.match.route
        if self._metrics is not None:
            self._metrics.observe(self.name, route, reply.status, seconds)
        if not REQUESTS.isEnabledFor(self._request_level):
            return
        logger.log(
            self._request_level,
            "request",
            request_id=request.request_id,
            **self.log_fields(request),
            method=request.method,
            route=route.path if route is not None else request.path,
            status_code=reply.status,
            duration_ms=round(seconds * 1000, 3),
        )

    def log_fields(self, request: Request) -> Mapping[str, Any]:
        """What a service adds to the line of a request; never what could be a secret."""
        return {}
