"""What the gateway serves: one table of routes over one engine."""

from typing import TYPE_CHECKING, Any

import msgspec

from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from astrocyte import operations
from astrocyte.access.identity import AstrocyteContext
from astrocyte.memories import ForgetPreview, ForgetResult, HistoryResult, RecallResult, ReflectResult, RetainResult
from astrocyte.requests import (
    DebugRecall,
    ForgetPreviewRequest,
    ForgetRequest,
    HistoryRequest,
    RecallRequest,
    ReflectRequest,
    RetainBatchRequest,
    RetainBatchResult,
    RetainRequest,
)

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings
    from astrocyte.memory import Astrocyte

CONTEXT = "context"
ERRORS = (400, 401, 403, 413, 415, 429, 503)


class Handlers:
    """One method a route. The engine asks for access; a handler only passes on who is calling."""

    def __init__(self, engine: "Astrocyte", settings: "GatewaySettings") -> None:
        self._engine = engine
        self._max_results = settings.max_result_limit

    async def retain(self, request: Request, body: RetainRequest) -> RetainResult:
        return await operations.retain(self._engine, body, _context(request))

    async def retain_batch(self, request: Request, body: RetainBatchRequest) -> RetainBatchResult:
        return await operations.retain_batch(self._engine, body, _context(request))

    async def recall(self, request: Request, body: RecallRequest) -> RecallResult:
        bounded = msgspec.structs.replace(body, max_results=min(body.max_results, self._max_results))
        return await operations.recall(self._engine, bounded, _context(request))

    async def debug_recall(self, request: Request, body: RecallRequest) -> DebugRecall:
        found = await self.recall(request, msgspec.structs.replace(body, trace=True))
        return DebugRecall(trace=found.trace, result_count=len(found.hits))

    async def reflect(self, request: Request, body: ReflectRequest) -> ReflectResult:
        return await operations.reflect(self._engine, body, _context(request))

    async def history(self, request: Request, body: HistoryRequest) -> HistoryResult:
        bounded = msgspec.structs.replace(body, max_results=min(body.max_results, self._max_results))
        return await operations.history(self._engine, bounded, _context(request))

    async def forget(self, request: Request, body: ForgetRequest) -> ForgetResult:
        return await operations.forget(self._engine, body, _context(request))

    async def preview_forget(self, request: Request, body: ForgetPreviewRequest) -> ForgetPreview:
        bounded = msgspec.structs.replace(body, limit=min(body.limit, self._max_results))
        return await operations.preview_forget(self._engine, bounded, _context(request))


def gateway_routes(handlers: Handlers) -> list[Route]:
    """The table; ``access`` is the permission that is needed on every bank a request names."""

    def post(path: str, handler: Any, summary: str, access: str, body: Any, answer: Any) -> Route:
        return Route("POST", path, handler, summary=summary, access=access, body=body, answer=answer, errors=ERRORS)

    return [
        post("/v1/retain", handlers.retain, "Remember something", "write", RetainRequest, RetainResult),
        post(
            "/v1/retain/batch",
            handlers.retain_batch,
            "Remember many things at once, all or none",
            "write",
            RetainBatchRequest,
            RetainBatchResult,
        ),
        post("/v1/recall", handlers.recall, "Find what was remembered", "read", RecallRequest, RecallResult),
        post("/v1/debug/recall", handlers.debug_recall, "How a recall would go", "read", RecallRequest, DebugRecall),
        post(
            "/v1/reflect", handlers.reflect, "Answer from memory, with citations", "read", ReflectRequest, ReflectResult
        ),
        post("/v1/history", handlers.history, "Find what was known then", "read", HistoryRequest, HistoryResult),
        post(
            "/v1/forget",
            handlers.forget,
            "Forget for good (a whole bank needs admin)",
            "forget",
            ForgetRequest,
            ForgetResult,
        ),
        post(
            "/v1/forget/preview",
            handlers.preview_forget,
            "What a forget would remove",
            "read",
            ForgetPreviewRequest,
            ForgetPreview,
        ),
    ]


def _context(request: Request) -> AstrocyteContext | None:
    context: AstrocyteContext | None = request.state[CONTEXT]
    return context
