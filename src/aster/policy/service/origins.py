"""Which pages of other origins a tenant lets ask for it. What a browser is told before is the operator's (CORS)."""

from collections.abc import Awaitable

from aster.foundation.http.request import Request
from aster.policy.service.caller import tenant_of
from aster.policy.service.envelope import problem
from aster.policy.service.errors import OriginNotAllowed
from aster.policy.service.tenant_cache import TenantCache

HEADER = b"origin"
REQUEST_HEADERS = (
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "X-Aster-Key-Id",
    "X-Aster-Nonce",
    "X-Aster-Signature",
    "X-Aster-Signature-Version",
    "X-Aster-Timestamp",
    "X-Request-Id",
    "X-Tenant-Id",
    "X-User-Id",
    "X-User-Role",
)
ANSWER_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Retry-After",
    "X-Aster-Evaluation",
    "X-Aster-Warnings",
    "X-Next-After",
    "X-Next-Before",
    "X-Next-Cursor",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
    "X-Total-Count",
)


class OriginLayer:
    """After the signature. Only browsers send ``Origin``; a tenant without a list leaves it to the operator."""

    def __init__(self, tenants: TenantCache) -> None:
        self._tenants = tenants

    def __call__(self, request: Request) -> Awaitable[None] | None:
        origin = request.header(HEADER)
        return None if origin is None else self._check(request, origin)

    async def _check(self, request: Request, origin: bytes) -> None:
        allowed = (await self._tenants.settings(tenant_of(request))).cors_origins
        if allowed is not None and origin.decode("latin-1") not in allowed:
            raise OriginNotAllowed("this tenant's pages are of other origins", problems=problem("Origin", "is another"))
