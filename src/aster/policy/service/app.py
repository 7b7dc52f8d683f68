"""The policy service as one ASGI app: layers in the contract's order, the table of routes, the stores behind them."""

import os
import time
from collections.abc import Callable, Mapping, Sequence

from aster.foundation.audit import AuditLog
from aster.foundation.http.metrics import RequestMetrics
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import HttpLimits, Request
from aster.foundation.http.routes import Route
from aster.foundation.http.service import HttpService, Layer
from aster.foundation.sql import Database
from aster.policy.service.audit_routes import AuditRoutes
from aster.policy.service.commit import Commits
from aster.policy.service.envelope import render_error
from aster.policy.service.nonces import NonceStore
from aster.policy.service.roles import role_layer
from aster.policy.service.settings import PolicySettings
from aster.policy.service.signature import SignatureLayer
from aster.policy.service.signing_keys import SigningKeys
from aster.policy.service.tenant import tenant_layer


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class PolicyHttpService(HttpService):
    """An `HttpService` whose requests' nonces are durable before their answers leave, whatever the answer is."""

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        layers: Sequence[Layer],
        commits: Commits,
        limits: HttpLimits,
        metrics: RequestMetrics | None,
    ) -> None:
        super().__init__("policy", routes, render_error=render_error, layers=layers, limits=limits, metrics=metrics)
        self._commits = commits

    async def _answer(self, request: Request) -> Reply:
        try:
            return await super()._answer(request)
        finally:
            await self._commits.settle(request)


def create_policy_service(
    database: Database,
    settings: PolicySettings | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    metrics: RequestMetrics | None = None,
    now_ms: Callable[[], int] = wall_clock_ms,
) -> PolicyHttpService:
    """Everything below ``/api``, in one process, on one database (whose tables it migrates).

    ``environ`` is where ``ASTER_HMAC_SECRET_{TENANT}`` is looked up at each request (default: this process's).
    """
    chosen = settings or PolicySettings()
    database.migrate("policy", "aster.policy.service.migrations")
    audit = AuditLog(database)
    keys = SigningKeys(chosen, os.environ if environ is None else environ)
    signature_layer = SignatureLayer(keys, NonceStore(), now_ms=now_ms, least_version=chosen.signature_version)
    return PolicyHttpService(
        [*AuditRoutes(audit).routes],
        layers=[tenant_layer, signature_layer, role_layer],
        commits=Commits(database),
        limits=HttpLimits(body_bytes=chosen.body_bytes),
        metrics=metrics,
    )
