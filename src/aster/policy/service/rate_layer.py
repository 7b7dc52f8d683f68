"""The layers that limit rates: an address before it is authenticated, a tenant after (so that others can't burn it)."""

from collections.abc import Awaitable, Callable, Sequence

from aster.foundation.errors import AsterError, StorageUnavailable
from aster.foundation.http.rates import Buckets, Limit, RateLimited, rate_headers
from aster.foundation.http.reply import Header
from aster.foundation.http.request import Request
from aster.foundation.http.service import Layer
from aster.policy.service.caller import tenant_of
from aster.policy.service.replicas import Replicas
from aster.policy.service.settings import PolicySettings
from aster.policy.service.tenant_cache import TenantCache
from aster.policy.service.tenants import TenantSettings

Rate = tuple[Limit, float, int]
"""A limit, what is left of it, and when."""

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
        address = request.client
        if not self.enabled or address is None:
            return
        limit, now_ms = self._address_limit, self._now_ms()
        try:
            if self._replicas is None:
                left = self._buckets[ADDRESS].take(address, limit, 1, now_ms)
            else:
                left = await self._replicas.take(ADDRESS, address, limit, 1, now_ms)
        except StorageUnavailable as error:
            request.state["address_refusal"] = error
        except RateLimited as error:
            request.state["address_refusal"] = error
            request.state["rate_headers"] = error.rate
        else:
            request.state["rate"] = (limit, left, now_ms)

    def of_address(self, request: Request) -> None:
        """Before the signature is checked."""
        refusal: AsterError | None = request.state.get("address_refusal")
        if refusal is not None:
            raise refusal

    def of_tenant(self, request: Request) -> Awaitable[None] | None:
        """After the signature was checked."""
        tenant = tenant_of(request)
        settings = self._cache.known_settings(tenant) if self._replicas is None else None
        if settings is None:
            return self.charge(request, 1)
        limit, now_ms = self._limit(settings), self._now_ms()
        request.state["rate"] = (limit, self._buckets[TENANT].take(tenant, limit, 1, now_ms), now_ms)
        return None

    async def charge(self, request: Request, cost: int) -> None:
        """Take ``cost`` requests' worth from the tenant; raises `RateLimited`."""
        rate = await self._taken(tenant_of(request), cost)
        if rate is not None:
            request.state["rate"] = rate

    async def take(self, tenant: str, cost: int) -> None:
        """`charge` for any entrance."""
        await self._taken(tenant, cost)

    async def _taken(self, tenant: str, cost: int) -> Rate | None:
        if not self.enabled or cost < 1:
            return None
        limit, now_ms = self._limit(await self._cache.settings(tenant)), self._now_ms()
        if self._replicas is None:
            return limit, self._buckets[TENANT].take(tenant, limit, cost, now_ms), now_ms
        return limit, await self._replicas.take(TENANT, tenant, limit, cost, now_ms), now_ms

    def _limit(self, settings: TenantSettings) -> Limit:
        """The operator's limit, or the tenant's own if that is lower."""
        own = settings.rate_limit
        if own is None or own.requests * self._most.seconds >= self._most.requests * own.window_seconds:
            return self._most
        return Limit(own.requests, own.window_seconds)


def told_rate(request: Request) -> Sequence[Header]:
    """``X-RateLimit-*`` of the limit that was charged last, the tenant's once it signed."""
    rate: Rate | None = request.state.get("rate")
    return rate_headers(*rate) if rate is not None else request.state.get("rate_headers", ())
