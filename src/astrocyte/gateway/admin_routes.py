"""What operators ask of a gateway: which sources feed it, which banks it holds, whether it is well."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from astrocyte.access.identity import OPERATOR
from astrocyte.banks import BankStatistics, ErasureReport, LegalHold, LifecycleResult, ReembedResult
from astrocyte.gateway.admin_guard import ADMIN
from astrocyte.memories import HealthStatus
from astrocyte.operations import erase
from astrocyte.requests import (
    AdminBanks,
    AdminHolds,
    AdminStorage,
    EraseRequest,
    HoldRequest,
    LifecycleRequest,
    LiftedHold,
    ReembedRequest,
)
from astrocyte.sources.opening import Sources

if TYPE_CHECKING:
    from astrocyte.memory import Astrocyte

ERRORS = (400, 401, 403, 413, 415, 429, 503)


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One source of memories and whether it works; ``taken`` counts its new and changed items since the start."""

    id: str
    type: str
    healthy: bool
    message: str
    taken: int
    last_read_at: datetime | None


class AdminSources(msgspec.Struct, frozen=True, kw_only=True):
    sources: list[SourceStatus]


class AdminGrant(msgspec.Struct, frozen=True, kw_only=True):
    bank_id: str
    principal: str
    permissions: list[str]


class AdminGrants(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force at the moment, after the last reload."""

    enabled: bool
    default_policy: str
    policy_file: str | None
    grants: list[AdminGrant]


class AdminHandlers:
    """One method a route. The guard has let the caller pass; no grant is asked."""

    def __init__(self, engine: "Astrocyte", sources: Sources) -> None:
        self._engine = engine
        self._sources = sources

    async def admin_sources(self, request: Request, body: Any) -> AdminSources:
        found = self._sources
        rows = [
            SourceStatus(
                id=name,
                type=str(type(found.settings[name]).__struct_config__.tag),
                healthy=health.is_healthy,
                message=health.message,
                taken=health.taken,
                last_read_at=health.last_read_at,
            )
            for name, health in found.health.items()
        ]
        return AdminSources(sources=rows)

    async def admin_banks(self, request: Request, body: Any) -> AdminBanks:
        names, is_more = await self._engine.list_banks(after=_query_value(request, "after"))
        return AdminBanks(banks=names, next_after=names[-1] if is_more else None)

    async def admin_lifecycle(self, request: Request, body: LifecycleRequest) -> LifecycleResult:
        return await self._engine.run_lifecycle(body.bank_id, dry_run=body.dry_run, context=OPERATOR)

    async def admin_holds(self, request: Request, body: Any) -> AdminHolds:
        holds = await self._engine.legal_holds(_bank(request), context=OPERATOR)
        return AdminHolds(bank_id=_bank(request), under_hold=bool(holds), holds=holds)

    async def admin_place_hold(self, request: Request, body: HoldRequest) -> LegalHold:
        return await self._engine.place_hold(_bank(request), body.hold_id, body.reason, context=OPERATOR)

    async def admin_lift_hold(self, request: Request, body: Any) -> LiftedHold:
        hold_id = request.path_params["hold_id"]
        released = await self._engine.lift_hold(_bank(request), hold_id, context=OPERATOR)
        return LiftedHold(bank_id=_bank(request), hold_id=hold_id, released=released)

    async def admin_statistics(self, request: Request, body: Any) -> BankStatistics:
        return await self._engine.bank_statistics(_bank(request), context=OPERATOR)

    async def admin_reembed(self, request: Request, body: ReembedRequest) -> ReembedResult:
        return await self._engine.reembed(_bank(request), limit=body.limit, dry_run=body.dry_run, context=OPERATOR)

    async def admin_storage(self, request: Request, body: Any) -> AdminStorage:
        return AdminStorage(findings=await self._engine.doctor())

    async def admin_grants(self, request: Request, body: Any) -> AdminGrants:
        rules = self._engine.authorizer.rules
        return AdminGrants(
            enabled=rules.enabled,
            default_policy=rules.default_policy,
            policy_file=rules.policy.name if rules.policy is not None else None,
            grants=[
                AdminGrant(bank_id=grant.bank, principal=grant.principal, permissions=sorted(grant.permissions))
                for grant in rules.grants
            ],
        )

    async def admin_erase(self, request: Request, body: EraseRequest) -> ErasureReport:
        return await erase(self._engine, body, OPERATOR)

    async def admin_health(self, request: Request, body: Any) -> Reply:
        status = await self._engine.health()
        return json_reply(status, 200 if status.healthy else 503)


def admin_routes(engine: "Astrocyte", sources: Sources) -> list[Route]:
    handlers = AdminHandlers(engine, sources)

    hold, one = "/v1/admin/banks/{bank_id}/hold", "/v1/admin/banks/{bank_id}"

    def row(method: str, path: str, handler: Any, summary: str, answer: Any, body: Any = None, *errors: int) -> Route:
        return Route(
            method,
            path,
            handler,
            summary=summary,
            access=ADMIN,
            answer=answer,
            body=body,
            errors=(*ERRORS, *errors),
            query=("after",) if handler == handlers.admin_banks else (),
        )

    return [
        row("GET", "/v1/admin/sources", handlers.admin_sources, "Sources of memories, their health", AdminSources),
        row("GET", "/v1/admin/banks", handlers.admin_banks, "Every bank's name", AdminBanks),
        row("GET", f"{one}/statistics", handlers.admin_statistics, "Count a bank", BankStatistics, None, 404),
        row("GET", hold, handlers.admin_holds, "A bank's legal holds", AdminHolds),
        row("POST", hold, handlers.admin_place_hold, "Forbid to forget", LegalHold, HoldRequest, 404, 409),
        row("DELETE", f"{hold}/{{hold_id}}", handlers.admin_lift_hold, "Lift a legal hold", LiftedHold),
        row(
            "POST",
            f"{one}/reembed",
            handlers.admin_reembed,
            "Make vectors with the model in use",
            ReembedResult,
            ReembedRequest,
            404,
        ),
        row("POST", "/v1/admin/lifecycle", handlers.admin_lifecycle, "Sweep", LifecycleResult, LifecycleRequest, 409),
        row("POST", "/v1/admin/erase", handlers.admin_erase, "Erase a person's data", ErasureReport, EraseRequest, 409),
        row("GET", "/v1/admin/grants", handlers.admin_grants, "Who may do what, as it is in force", AdminGrants),
        row("GET", "/v1/admin/storage", handlers.admin_storage, "Examine the store (takes a while)", AdminStorage),
        row("GET", "/v1/admin/health", handlers.admin_health, "Whether the store answers", HealthStatus),
    ]


def _bank(request: Request) -> str:
    return request.path_params["bank_id"]


def _query_value(request: Request, name: str) -> str:
    return next((value for key, value in parse_qsl(request.query) if key == name), "")
