"""Mode ``jwt_oidc``: tokens of an identity provider, verified with the keys it publishes."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger
from aster.foundation.tokens.fetch import Fetcher
from aster.foundation.tokens.jwks import JwksCache, KeysUnavailable
from aster.foundation.tokens.jwks_document import ALGORITHM
from aster.foundation.tokens.jws import TokenRefused, checked_header, verified_claims
from astrocyte.access.identity import AstrocyteContext
from astrocyte.gateway.auth.bearer import INVALID, bearer_token
from astrocyte.gateway.auth.claimed import refuse_claims_of_delegation
from astrocyte.gateway.auth.claims import SubjectMissing, structured_identity
from astrocyte.gateway.auth.dev import LOOPBACK
from astrocyte.gateway.auth.errors import AuthNotConfigured, IdentityProviderUnavailable, Unauthenticated
from astrocyte.gateway.auth.headers import Authenticator, Headers

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings

REQUIRED = ("exp", "iss", "aud")
NO_URL = "ASTROCYTE_OIDC_JWKS_URL is not set"
NO_NAMES = "ASTROCYTE_OIDC_ISSUER and ASTROCYTE_OIDC_AUDIENCE are required"

logger = get_logger("astrocyte.gateway")


def create(settings: "GatewaySettings") -> Authenticator:
    """Starts without an address, issuer or audience, with a warning; raises `ConfigError` for a malformed address."""
    url, issuer, audience = settings.oidc_jwks_url, settings.oidc_issuer, settings.oidc_audience
    missing = NO_URL if url is None else None if issuer and audience else NO_NAMES
    if missing is not None:
        logger.warning(f"{missing}: every request will be refused")
    cache = JwksCache(Fetcher(_checked_url(url)), logger_name="astrocyte.gateway") if url is not None else None

    async def authenticate(headers: Headers) -> AstrocyteContext | None:
        token = bearer_token(headers)
        if cache is None or not issuer or not audience:
            raise AuthNotConfigured(missing or NO_NAMES)
        refuse_claims_of_delegation(headers)
        try:
            claims = await _verified(token, cache, issuer=issuer, audience=audience)
            return structured_identity(claims, default_type=settings.oidc_actor_type)
        except KeysUnavailable as error:
            raise IdentityProviderUnavailable(error.message) from None
        except SubjectMissing:
            raise Unauthenticated("Token missing sub", challenge=INVALID) from None
        except TokenRefused as refusal:
            raise Unauthenticated(f"Invalid OIDC token: {refusal}", challenge=INVALID) from None

    return authenticate


async def _verified(token: bytes, cache: JwksCache, *, issuer: str, audience: str) -> dict[str, Any]:
    """Providers should not publish two keys under one id; when one does, either may have signed."""
    refusal = TokenRefused("the signing key is not known")
    header = checked_header(token, ALGORITHM)
    for key in await cache.keys(header.kid):
        try:
            return verified_claims(token, key, algorithm=ALGORITHM, audience=audience, issuer=issuer, require=REQUIRED)
        except TokenRefused as error:
            refusal = error
    raise refusal


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        has_login = parts.username is not None or parts.password is not None
    except ValueError:
        host, has_login, parts = None, False, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or has_login:
        raise ConfigError(
            "ASTROCYTE_OIDC_JWKS_URL: expected an address such as https://auth.example.com/.well-known/jwks.json"
        )
    if parts.scheme == "http" and host not in LOOPBACK:
        logger.warning("ASTROCYTE_OIDC_JWKS_URL is not https: whoever is on the way can replace the keys", host=host)
    return url
