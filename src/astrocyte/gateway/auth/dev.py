"""Mode ``dev``: the caller's own word for who it is. For one's own machine only."""

from typing import TYPE_CHECKING

from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger
from astrocyte.access.identity import AstrocyteContext
from astrocyte.gateway.auth.claimed import claimed_identity
from astrocyte.gateway.auth.headers import Authenticator, Headers

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

logger = get_logger("astrocyte.gateway")


def create(settings: "GatewaySettings") -> Authenticator:
    """Refuses an address that strangers can reach, unless that is allowed explicitly."""
    if settings.host not in LOOPBACK:
        if not settings.allow_dev_auth:
            raise ConfigError(
                f"auth mode 'dev' trusts every caller and '{settings.host}' is not a loopback address",
                hint="listen on 127.0.0.1, or set ASTROCYTE_ALLOW_DEV_AUTH=true if only trusted callers can connect",
            )
        logger.warning("auth mode 'dev' trusts every caller that can connect", host=settings.host)
    return authenticate


async def authenticate(headers: Headers) -> AstrocyteContext | None:
    """The principal of ``X-Astrocyte-Principal``; anonymous when it is absent or empty."""
    return claimed_identity(headers)
