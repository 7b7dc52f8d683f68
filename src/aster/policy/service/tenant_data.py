"""Reading and changing what a request's tenant owns: handlers reach the stores through this, never without a tenant."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aster.foundation.audit import AuditLog
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Request
from aster.foundation.sql import Connection, Database
from aster.policy.service.activations import Activations
from aster.policy.service.caller import Caller, caller_of
from aster.policy.service.commit import Commits
from aster.policy.service.deployments import Deployments
from aster.policy.service.events import change_event
from aster.policy.service.policies import TenantPolicies
from aster.policy.service.policy_rows import Policy
from aster.policy.service.tenant_cache import TenantCache
from aster.policy.service.tenants import TenantAdministration, TenantSettings

T = TypeVar("T")

CHANGED = "aster_policy_changed"
"""The channel on which processes that share a database tell each other whose data changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """A transaction in which one caller changes its own tenant's data; what it does is recorded in the same one."""

    caller: Caller
    now_ms: int
    policies: TenantPolicies
    administration: TenantAdministration
    _connection: Connection
    _audit: AuditLog
    _may_redact: bool

    @property
    def settings(self) -> TenantSettings:
        return self.administration.settings()[0]

    def record(self, event_type: str, policy: Policy | None = None, **fields: Any) -> None:
        """Append to the tenant's audit chain."""
        if policy is not None:
            fields = {"policyId": policy.id, "policyModule": policy.module, **fields}
        event = change_event(self.caller, event_type, redact=self._may_redact and self.settings.redact_pii, **fields)
        self._audit.append(self._connection, self.caller.chain, event)


class TenantData:
    """The stores of one service. ``now_ms`` is its clock."""

    def __init__(
        self,
        database: Database,
        commits: Commits,
        audit: AuditLog,
        cache: TenantCache,
        activations: Activations,
        deployments: Deployments,
        *,
        now_ms: Callable[[], int],
        may_redact: bool = True,
    ) -> None:
        """``may_redact``: personal data is masked in what is recorded, where the tenant wants it."""
        self._may_redact = may_redact
        self._activations = activations
        self._deployments = deployments
        self._database = database
        self._commits = commits
        self._audit = audit
        self._cache = cache
        self._now_ms = now_ms

    async def policies(self, request: Request, query: Callable[[TenantPolicies], T]) -> T:
        """Read from the caller's policies."""
        tenant = caller_of(request).tenant
        return await self._database.look_up(lambda connection: query(TenantPolicies(connection, tenant)))

    async def administration(self, request: Request, query: Callable[[TenantAdministration], T]) -> T:
        """Read from what the caller's tenant decided about itself."""
        tenant = caller_of(request).tenant
        return await self._database.look_up(lambda connection: query(TenantAdministration(connection, tenant)))

    async def change(self, request: Request, work: Callable[[Change], Any]) -> Reply:
        """Change something, once for each ``Idempotency-Key``."""
        tenant = caller_of(request).tenant

        def noticed(connection: Connection) -> Any:
            value = work(self._begin(request, connection))
            self._database.notify(connection, CHANGED, tenant)
            return value

        changing = asyncio.ensure_future(self._commits.change(request, noticed))
        changing.add_done_callback(lambda _: self._changed(tenant))
        return await asyncio.shield(changing)  # a caller that gives up does not undo the change, nor the notice of it

    def _changed(self, tenant: str) -> None:
        self._cache.forget(tenant)
        self._deployments.forget(tenant)
        self._activations.changed(tenant)

    async def change_without_replay(self, request: Request, work: Callable[[Change], T]) -> T:
        """Change something whose answer must not be stored."""
        return await self._commits.write(request, lambda connection: work(self._begin(request, connection)))

    def _begin(self, request: Request, connection: Connection) -> Change:
        caller = caller_of(request)
        return Change(
            caller=caller,
            now_ms=self._now_ms(),
            policies=TenantPolicies(connection, caller.tenant),
            administration=TenantAdministration(connection, caller.tenant),
            _connection=connection,
            _audit=self._audit,
            _may_redact=self._may_redact,
        )
