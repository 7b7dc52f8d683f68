"""The cache of compiled programs over HTTP (MEMBER): forget those of one's own stored policies."""

from typing import Any

import msgspec

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.engine import PolicyEngine
from aster.policy.service.caller import Role
from aster.policy.service.envelope import problem
from aster.policy.service.messages import Name
from aster.policy.service.queries import query_values
from aster.policy.service.tenant_data import Change, TenantData

NAMES = ("policyModule", "policyFunction")


class ClearCacheRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Which programs to forget: all of the tenant's, a module's, or a module's versions that have one rule."""

    policy_module: Name | None = None
    policy_function: Name | None = None


class ClearCacheAnswer(msgspec.Struct, frozen=True):
    """``cleared`` counts programs; they are compiled again when they are next asked for."""

    cleared: int
    scope: str
    success: bool = True


class CacheRoutes:
    """The handler and its row of the table. Names may stand in the body or, as many clients drop that, in the query."""

    def __init__(self, data: TenantData, engine: PolicyEngine) -> None:
        self._data = data
        self._engine = engine

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "DELETE",
                "/api/v1/policies/cache",
                self.clear_cache,
                summary="Forget compiled programs of the tenant's stored policies",
                access=Role.MEMBER,
                body=ClearCacheRequest,
                answer=ClearCacheAnswer,
                query=NAMES,
                errors=(400,),
                optional_body=True,
            )
        ]

    async def clear_cache(self, request: Request, body: ClearCacheRequest | None) -> Reply:
        module, function = _wanted(request, body or ClearCacheRequest())
        if function is not None and module is None:
            raise ValidationFailed(
                "policyFunction needs its policyModule", problems=problem("policyModule", "is missing")
            )
        scope = _scope(module, function)

        def work(change: Change) -> ClearCacheAnswer:
            sources = change.policies.sources(module=module, function=function)
            answer = ClearCacheAnswer(sum(self._engine.cached(*source) is not None for source in sources), scope)
            change.record("CACHE_CLEARED", payload={"scope": scope, "cleared": answer.cleared})
            return answer

        reply = await self._data.change(request, work)
        self._engine.forget(
            await self._data.policies(request, lambda policies: policies.sources(module=module, function=function))
        )
        return reply


def _wanted(request: Request, body: ClearCacheRequest) -> tuple[str | None, str | None]:
    values: dict[str, Any] = query_values(request)
    return values.get("policyModule", body.policy_module), values.get("policyFunction", body.policy_function)


def _scope(module: str | None, function: str | None) -> str:
    if module is None:
        return "all"
    return f"module:{module}" if function is None else f"function:{module}.{function}"
