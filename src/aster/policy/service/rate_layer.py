"""The layers that limit rates: an address before it is authenticated, a tenant after (so that others can't burn it)."""

from collections.abc import Callable

from aster.foundation.http.request import Request
from aster.policy.service.caller import tenant_of
from aster.policy.service.limits import Buckets, Limit, rate_headers
from aster.policy.service.settings import PolicySettings
from aster.policy.service.tenant_cache import TenantCache


class RateLayers:
    """Both limits of one service. Answers carry the tenant's ``X-RateLimit-*`` headers."""

    def __init__(self, tenants: TenantCache, settings: PolicySettings, *, now_ms: Callable[[], int]) -> None:
        self._cache = tenants
        self._enabled = settings.rate_enabled
        self._most = Limit(settings.rate_requests, settings.rate_seconds)
        self._address_limit = Limit(settings.address_requests, settings.rate_seconds)
        self._now_ms = now_ms
        self._addresses = Buckets()
        self._tenants = Buckets()

    async def of_address(self, request: Request) -> None:
        """Before the signature is checked."""
        if self._enabled and request.client is not None:
            self._addresses.take(request.client, self._address_limit, 1, self._now_ms())

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
        limit, now_ms = self._limit_of(tenant), self._now_ms()
        return rate_headers(limit, self._tenants.take(tenant, limit, cost, now_ms), now_ms)

    def _limit_of(self, tenant: str) -> Limit:
        """The operator's limit, or the tenant's own if that is lower."""
        own = self._cache.settings(tenant).rate_limit
        if own is None or own.requests * self._most.seconds >= self._most.requests * own.window_seconds:
            return self._most
        return Limit(own.requests, own.window_seconds)
