"""What was derived from memories: observations, mental models, pages; with what they were made from."""

from typing import TYPE_CHECKING, Any

from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from astrocyte.gateway.queries import Query
from astrocyte.gateway.routes import CONTEXT, ERRORS
from astrocyte.memories import MemoryPage
from astrocyte.requests import Provenance, RefreshRequested, WaitingList

if TYPE_CHECKING:
    from astrocyte.memory import Astrocyte

PAGE = 100


class DerivedHandlers:
    """One method a route; the engine asks for access."""

    def __init__(self, engine: "Astrocyte") -> None:
        self._engine = engine

    async def observations(self, request: Request, body: Any) -> MemoryPage:
        return await self._layer(request, "observation")

    async def mental_models(self, request: Request, body: Any) -> MemoryPage:
        return await self._layer(request, "model")

    async def pages(self, request: Request, body: Any) -> MemoryPage:
        return await self._layer(request, "page")

    async def provenance(self, request: Request, body: Any) -> Provenance:
        wanted = request.path_params["memory_id"]
        return Provenance(sources=await self._engine.provenance(_bank(request), wanted, context=_context(request)))

    async def refresh(self, request: Request, body: Any) -> RefreshRequested:
        return RefreshRequested(requested=await self._engine.refresh_derived(_bank(request), context=_context(request)))

    async def waiting(self, request: Request, body: Any) -> WaitingList:
        return WaitingList(waiting=await self._engine.waiting(_bank(request), context=_context(request)))

    async def _layer(self, request: Request, layer: str) -> MemoryPage:
        query = Query(request)
        return await self._engine.list_memories(
            _bank(request),
            layer=layer,
            cursor=query.text("cursor"),
            limit=query.number("limit", PAGE),
            context=_context(request),
        )


def derived_routes(engine: "Astrocyte") -> list[Route]:
    handlers = DerivedHandlers(engine)
    bank, pages = "/v1/banks/{bank_id}", ("cursor", "limit")
    rows: list[tuple[str, str, Any, str, str, Any, tuple[str, ...]]] = [
        ("GET", f"{bank}/observations", handlers.observations, "List observations", "read", MemoryPage, pages),
        ("GET", f"{bank}/mental-models", handlers.mental_models, "List mental models", "read", MemoryPage, pages),
        ("GET", f"{bank}/pages", handlers.pages, "List wiki pages", "read", MemoryPage, pages),
        ("GET", f"{bank}/derived/waiting", handlers.waiting, "What is still to be derived", "read", WaitingList, ()),
        ("POST", f"{bank}/derived/refresh", handlers.refresh, "Derive anew", "write", RefreshRequested, ()),
        (
            "GET",
            f"{bank}/memories/{{memory_id}}/provenance",
            handlers.provenance,
            "What it was made from",
            "read",
            Provenance,
            (),
        ),
    ]
    return [
        Route(method, path, handler, summary=summary, access=access, answer=answer, errors=ERRORS, query=query)
        for method, path, handler, summary, access, answer, query in rows
    ]


def _bank(request: Request) -> str:
    return request.path_params["bank_id"]


def _context(request: Request) -> Any:
    return request.state[CONTEXT]
