"""Mode ``api_key``: a secret that both sides share, and the caller's word for who it is. For services inside."""

from typing import TYPE_CHECKING

from aster.foundation.logs import get_logger
from astrocyte.access.identity import AstrocyteContext
from astrocyte.gateway.auth.claimed import claimed_identity
from astrocyte.gateway.auth.errors import AuthNotConfigured, Unauthenticated
from astrocyte.gateway.auth.headers import Authenticator, Headers, only_value

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings

KEY = b"x-api-key"
CHALLENGE = b'ApiKey realm="astrocyte"'
SHORT = 16

logger = get_logger("astrocyte.gateway")


def create(settings: "GatewaySettings") -> Authenticator:
    """Starts without a key, with a warning: every request is then answered 500, as the contract says."""
    key = settings.api_key
    if key is None:
        logger.warning("ASTROCYTE_API_KEY is not set: every request will be refused")
    elif len(key) < SHORT:
        logger.warning("ASTROCYTE_API_KEY is short enough to be guessed", bytes=len(key), recommended=SHORT)

    async def authenticate(headers: Headers) -> AstrocyteContext | None:
        if key is None:
            raise AuthNotConfigured("ASTROCYTE_API_KEY is not set")
        if not key.matches(only_value(headers, KEY)):
            raise Unauthenticated("Invalid or missing API key", challenge=CHALLENGE)
        identity = claimed_identity(headers)
        if identity is None:
            raise Unauthenticated("X-Astrocyte-Principal required", challenge=CHALLENGE)
        return identity

    return authenticate
