"""Which tenants an operator serves, when not every name with a valid signature: others are refused with 403.

After the signature, so that a stranger can't find out who is served. It matters where one secret signs for all tenants.
"""

from aster.foundation.errors import ConfigError
from aster.foundation.http.request import Request
from aster.foundation.http.service import Layer
from aster.policy.service.caller import tenant_of
from aster.policy.service.envelope import problem
from aster.policy.service.errors import TenantNotAllowed
from aster.policy.service.tenant import PATTERN


def allowed_layers(text: str) -> list[Layer]:
    """From a comma-separated list; none for an empty one. Raises `ConfigError` for what can't be a tenant."""
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if not PATTERN.fullmatch(name.encode()):
            raise ConfigError(f"'{name[:80]}' is not a tenant", hint="1 to 64 of the characters a-z A-Z 0-9 _ -")

    def check(request: Request) -> None:
        if tenant_of(request) not in names:
            raise TenantNotAllowed(
                "this service does not serve the tenant", problems=problem("X-Tenant-Id", "is unknown")
            )

    return [check] if names else []
