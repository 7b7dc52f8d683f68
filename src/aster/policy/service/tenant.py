"""Layer 1: every request names its tenant in ``X-Tenant-Id``; 400 before anything else is looked at."""

import re

from aster.foundation.http.request import Request
from aster.policy.service.envelope import problem
from aster.policy.service.errors import TenantInvalid, TenantMissing
from aster.policy.service.headers import HeaderConflict, single_headers

HEADER = b"x-tenant-id"
PATTERN = re.compile(rb"[a-zA-Z0-9_-]{1,64}")


def tenant_layer(request: Request) -> None:
    """Leave the tenant in ``request.state["tenant"]``; case counts, nothing is trimmed."""
    try:
        value = single_headers(request).get(HEADER)
    except HeaderConflict:
        raise TenantInvalid(
            "X-Tenant-Id was sent with different values", problems=problem("X-Tenant-Id", "more than one value")
        ) from None
    if not value:
        raise TenantMissing("X-Tenant-Id is required", problems=problem("X-Tenant-Id", "is missing"))
    if not PATTERN.fullmatch(value):
        raise TenantInvalid(
            "X-Tenant-Id must be 1 to 64 of the characters a-z A-Z 0-9 _ -",
            problems=problem("X-Tenant-Id", "is malformed"),
        )
    request.state["tenant"] = value.decode("ascii")
