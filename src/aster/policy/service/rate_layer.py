"""The layers that limit rates: an address before it is authenticated, a tenant after (so that others can't burn it)."""

from collections.abc import Callable

from aster.foundation.http.request import Request
from aster.foundation.sql import Database
from aster.policy.service.caller import tenant_of
from aster.policy.service.limits import Buckets, Limit
from aster.policy.service.settings import PolicySettings
from aster.policy.service.tenants import TenantAdministration

REFRESH_MS = 1_000
"""How long another process's change of a tenant's limit may go unseen."""


class RateLayers:
    """Both limits of one service. Answers carry the tenant's ``X-RateLimit-*`` headers."""

    def __init__(self, database: Database, settings: PolicySettings, *, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._enabled = settings.rate_enabled
        self._most = Limit(settings.rate_requests, settings.rate_seconds)
        self._address_limit = Limit(settings.address_requests, settings.rate_seconds)
        self._now_ms = now_ms
        self._buckets = Buckets()
        self._tenants: dict[str, tuple[int, Limit]] = {}

    async def of_address(self, request: Request) -> None:
        """Before the signature is checked."""
        if self._enabled and request.client is not None:
            self._buckets.take(f"address {request.client}", self._address_limit, 1, self._now_ms())

    async def of_tenant(self, request: Request) -> None:
        """After the signature was checked."""
        self.charge(request, 1)

    def charge(self, request: Request, cost: int) -> None:
        """Take ``cost`` requests' worth from the tenant; raises `RateLimited`."""
        headers = self.take(tenant_of(request), cost)
        if headers:
            request.state["answer_headers"] = headers

    def take(self, tenant: str, cost: int) -> list[tuple[bytes, bytes]]:
        """`charge` for any entrance; returns the headers that tell what is left."""
        if not self._enabled or cost < 1:
            return []
        now_ms = self._now_ms()
        return self._buckets.take(f"tenant {tenant}", self._limit_of(tenant, now_ms), cost, now_ms)

    def _limit_of(self, tenant: str, now_ms: int) -> Limit:
        """The operator's limit, or the tenant's own if that is lower."""
        read_ms, limit = self._tenants.get(tenant, (-REFRESH_MS, self._most))
        if now_ms - read_ms < REFRESH_MS:
            return limit
        settings, _ = self._database.read_now(lambda link: TenantAdministration(link, tenant).settings())
        own = settings.rate_limit
        if own is not None and own.requests * self._most.seconds < self._most.requests * own.window_seconds:
            limit = Limit(own.requests, own.window_seconds)
        else:
            limit = self._most
        if len(self._tenants) >= 10_000:
            self._tenants.clear()
        self._tenants[tenant] = (now_ms, limit)
        return limit
