"""What the gateway serves: one table of routes over one engine."""

from typing import TYPE_CHECKING, Any

from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from astrocyte.access.identity import AstrocyteContext
from astrocyte.gateway.bodies import ForgetBody, RecallBody, RetainBatchAnswer, RetainBatchBody, RetainBody
from astrocyte.memories import ForgetResult, RecallResult, RetainResult

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings
    from astrocyte.memory import Astrocyte

CONTEXT = "context"
ERRORS = (400, 403, 413, 415, 503)


class Handlers:
    """One method a route. The engine asks for access; a handler only passes on who is calling."""

    def __init__(self, astrocyte: "Astrocyte", settings: "GatewaySettings") -> None:
        self._astrocyte = astrocyte
        self._max_results = settings.max_result_limit

    async def retain(self, request: Request, body: RetainBody) -> RetainResult:
        return await self._astrocyte.retain(
            body.content,
            body.bank_id,
            metadata=body.metadata,
            tags=body.tags or (),
            occurred_at=body.occurred_at,
            session_id=body.session_id,
            speaker=body.speaker,
            source=body.source,
            context=_context(request),
        )

    async def retain_batch(self, request: Request, body: RetainBatchBody) -> RetainBatchAnswer:
        results = await self._astrocyte.retain_batch(body.bank_id, body.memories, context=_context(request))
        return RetainBatchAnswer(results=results)

    async def recall(self, request: Request, body: RecallBody) -> RecallResult:
        span = body.time_range
        return await self._astrocyte.recall(
            body.query,
            body.bank_id,
            banks=body.banks,
            max_results=min(body.max_results, self._max_results),
            max_tokens=body.max_tokens,
            min_score=body.min_score,
            tags=body.tags or (),
            tag_match=body.tag_match,
            time_range=(span.start, span.end) if span else None,
            as_of=body.as_of,
            context=_context(request),
        )

    async def forget(self, request: Request, body: ForgetBody) -> ForgetResult:
        return await self._astrocyte.forget(
            body.bank_id,
            memory_ids=body.memory_ids,
            tags=body.tags,
            before_date=body.before_date,
            scope=body.scope,
            reason=body.reason,
            context=_context(request),
        )


def gateway_routes(handlers: Handlers) -> list[Route]:
    """The table; ``access`` is the permission that is needed on every bank a request names."""

    def post(path: str, handler: Any, summary: str, access: str, body: Any, answer: Any) -> Route:
        return Route("POST", path, handler, summary=summary, access=access, body=body, answer=answer, errors=ERRORS)

    return [
        post("/v1/retain", handlers.retain, "Remember something", "write", RetainBody, RetainResult),
        post(
            "/v1/retain/batch",
            handlers.retain_batch,
            "Remember many things at once, all or none",
            "write",
            RetainBatchBody,
            RetainBatchAnswer,
        ),
        post("/v1/recall", handlers.recall, "Find what was remembered", "read", RecallBody, RecallResult),
        post(
            "/v1/forget",
            handlers.forget,
            "Forget for good (a whole bank needs admin)",
            "forget",
            ForgetBody,
            ForgetResult,
        ),
    ]


def _context(request: Request) -> AstrocyteContext | None:
    context: AstrocyteContext | None = request.state[CONTEXT]
    return context
