"""The layers that limit rates: an address before it is authenticated, a tenant after (so that others can't burn it)."""

from collections.abc import Callable

from aster.foundation.errors import AsterError, StorageUnavailable
from aster.foundation.http.rates import Buckets, Limit, RateLimited, rate_headers
from aster.foundation.http.request import Request
from aster.foundation.http.service import Layer
from aster.policy.service.caller import tenant_of
from aster.policy.service.replicas import Replicas
from aster.policy.service.settings import PolicySettings
from aster.policy.service.tenant_cache import TenantCache

ADDRESS, TENANT = "address", "tenant"


class RateLayers:
    """Both limits of one service. Every answer tells one in ``X-RateLimit-*``: the tenant's once it signed.

    With ``replicas`` they are limits of all processes together, without of this one.
    """

    def __init__(
        self,
        tenants: TenantCache,
        settings: PolicySettings,
        *,
        now_ms: Callable[[], int],
        replicas: Replicas | None = None,
    ) -> None:
        self._cache = tenants
        self.enabled = settings.rate_enabled
        self._most = Limit(settings.rate_requests, settings.rate_seconds)
        self._address_limit = Limit(settings.address_requests, settings.rate_seconds)
        self._now_ms = now_ms
        self._buckets = {ADDRESS: Buckets(), TENANT: Buckets()}
        self._replicas = replicas

    @property
    def before_signature(self) -> list[Layer]:
        return [self.of_address] if self.enabled else []

    @property
    def after_signature(self) -> list[Layer]:
        return [self.of_tenant] if self.enabled else []

    async def announce(self, request: Request) -> None:
        """Charge the address and tell its limit on whatever is answered; `of_address` refuses, once layer 1 passed."""
        if not self.enabled or request.client is None:
            return
        limit, now_ms = self._address_limit, self._now_ms()
        try:
            left = await self._pay(ADDRESS, request.client, limit, 1, now_ms)
        except StorageUnavailable as error:
            request.state["address_refusal"] = error
            return
        except RateLimited as error:
            request.state["address_refusal"] = error
            headers = error.rate
        else:
            headers = rate_headers(limit, left, now_ms)
        request.state["answer_headers"] = headers

    async def of_address(self, request: Request) -> None:
        """Before the signature is checked."""
        refusal: AsterError | None = request.state.get("address_refusal")
        if refusal is not None:
            raise refusal

    async def of_tenant(self, request: Request) -> None:
        """After the signature was checked."""
        await self.charge(request, 1)

    async def charge(self, request: Request, cost: int) -> None:
        """Take ``cost`` requests' worth from the tenant; raises `RateLimited`."""
        headers = await self.take(tenant_of(request), cost)
        if headers:
            request.state["answer_headers"] = headers

    async def take(self, tenant: str, cost: int) -> list[tuple[bytes, bytes]]:
        """`charge` for any entrance; returns the headers that tell what is left."""
        if not self.enabled or cost < 1:
            return []
        limit, now_ms = await self._limit_of(tenant), self._now_ms()
        return rate_headers(limit, await self._pay(TENANT, tenant, limit, cost, now_ms), now_ms)

    async def _pay(self, kind: str, key: str, limit: Limit, cost: int, now_ms: int) -> float:
        if self._replicas is not None:
            return await self._replicas.take(kind, key, limit, cost, now_ms)
        return self._buckets[kind].take(key, limit, cost, now_ms)

    async def _limit_of(self, tenant: str) -> Limit:
        """The operator's limit, or the tenant's own if that is lower."""
        own = (await self._cache.settings(tenant)).rate_limit
        if own is None or own.requests * self._most.seconds >= self._most.requests * own.window_seconds:
            return self._most
        return Limit(own.requests, own.window_seconds)
