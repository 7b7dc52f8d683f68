"""Mode ``dev``: the caller's own word for who it is. For one's own machine only."""

from typing import TYPE_CHECKING

from aster.foundation.errors import ConfigError
from aster.foundation.http.request import Request
from aster.foundation.logs import get_logger
from astrocyte.access.identity import AstrocyteContext, parse_principal
from astrocyte.errors import InvalidPrincipal

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrocyte.gateway.settings import GatewaySettings

HEADER = b"x-astrocyte-principal"
MAX_PRINCIPAL = 256
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

logger = get_logger("astrocyte.gateway")


def create(settings: "GatewaySettings") -> "Callable[[Request], AstrocyteContext | None]":
    """Refuses an address that strangers can reach, unless that is allowed explicitly."""
    if settings.host not in LOOPBACK:
        if not settings.allow_dev_auth:
            raise ConfigError(
                f"auth mode 'dev' trusts every caller and '{settings.host}' is not a loopback address",
                hint="listen on 127.0.0.1, or set ASTROCYTE_ALLOW_DEV_AUTH=true if only trusted callers can connect",
            )
        logger.warning("auth mode 'dev' trusts every caller that can connect", host=settings.host)
    return authenticate


def authenticate(request: Request) -> AstrocyteContext | None:
    """The principal of ``X-Astrocyte-Principal``; anonymous when it is absent or empty."""
    values = {value.strip() for value in request.headers_all(HEADER)}
    if len(values) > 1:
        raise InvalidPrincipal("X-Astrocyte-Principal is given more than once")
    return claimed_identity(values.pop() if values else b"")


def claimed_identity(raw: bytes) -> AstrocyteContext | None:
    """The identity a caller gives itself; None when it gives none."""
    if not raw:
        return None
    if not raw.isascii() or not raw.decode("ascii").isprintable() or len(raw) > MAX_PRINCIPAL:
        raise InvalidPrincipal(f"X-Astrocyte-Principal must be 1 to {MAX_PRINCIPAL} printable ASCII characters")
    principal = raw.decode("ascii")
    return AstrocyteContext(principal=principal, actor=parse_principal(principal))
