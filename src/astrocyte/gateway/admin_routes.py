"""What operators ask of a gateway: which sources feed it, which banks it holds, whether it is well."""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from astrocyte.gateway.admin_guard import ADMIN
from astrocyte.memories import HealthStatus
from astrocyte.requests import AdminBanks

if TYPE_CHECKING:
    from astrocyte.memory import Astrocyte

ERRORS = (401, 403, 503)


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One source of memories and whether it works."""

    id: str
    type: str
    healthy: bool
    message: str


class AdminSources(msgspec.Struct, frozen=True, kw_only=True):
    sources: list[SourceStatus]


class AdminHandlers:
    """One method a route. The guard has let the caller pass; no grant is asked."""

    def __init__(self, engine: "Astrocyte") -> None:
        self._engine = engine

    async def admin_sources(self, request: Request, body: Any) -> AdminSources:
        return AdminSources(sources=[])

    async def admin_banks(self, request: Request, body: Any) -> AdminBanks:
        names, is_more = await self._engine.list_banks(after=_query_value(request, "after"))
        return AdminBanks(banks=names, next_after=names[-1] if is_more else None)

    async def admin_health(self, request: Request, body: Any) -> Reply:
        status = await self._engine.health()
        return json_reply(status, 200 if status.healthy else 503)


def admin_routes(engine: "Astrocyte") -> list[Route]:
    handlers = AdminHandlers(engine)

    def get(path: str, handler: Any, summary: str, answer: Any, query: tuple[str, ...] = ()) -> Route:
        return Route("GET", path, handler, summary=summary, access=ADMIN, answer=answer, errors=ERRORS, query=query)

    return [
        get("/v1/admin/sources", handlers.admin_sources, "Sources of memories and their health", AdminSources),
        get("/v1/admin/banks", handlers.admin_banks, "Every bank's name", AdminBanks, ("after",)),
        get("/v1/admin/health", handlers.admin_health, "Whether the store answers", HealthStatus),
    ]


def _query_value(request: Request, name: str) -> str:
    return next((value for key, value in parse_qsl(request.query) if key == name), "")
