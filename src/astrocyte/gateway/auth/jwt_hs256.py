"""Mode ``jwt_hs256``: tokens signed with a secret that the issuer and the gateway share."""

from typing import TYPE_CHECKING

from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger
from aster.foundation.tokens.jws import TokenRefused, checked_header, verified_claims
from astrocyte.access.identity import AstrocyteContext
from astrocyte.gateway.auth.bearer import INVALID, bearer_token
from astrocyte.gateway.auth.claimed import refuse_claims_of_delegation
from astrocyte.gateway.auth.claims import SubjectMissing, plain_identity
from astrocyte.gateway.auth.errors import AuthNotConfigured, Unauthenticated
from astrocyte.gateway.auth.headers import Authenticator, Headers

if TYPE_CHECKING:
    from astrocyte.gateway.auth.secret import Secret
    from astrocyte.gateway.settings import GatewaySettings

ALGORITHM = "HS256"
HASH_BYTES = 32

logger = get_logger("astrocyte.gateway")


def create(settings: "GatewaySettings") -> Authenticator:
    """Starts without a secret, with a warning; raises `ConfigError` for a public key given as one."""
    key = _signing_key(settings.jwt_secret)
    audience = settings.jwt_audience
    if audience is None:
        logger.warning("ASTROCYTE_JWT_AUDIENCE is not set: tokens for other audiences are accepted")

    async def authenticate(headers: Headers) -> AstrocyteContext | None:
        token = bearer_token(headers)
        if key is None:
            raise AuthNotConfigured("ASTROCYTE_JWT_SECRET is not set")
        refuse_claims_of_delegation(headers)
        try:
            checked_header(token, ALGORITHM)
            return plain_identity(verified_claims(token, key, algorithm=ALGORITHM, audience=audience))
        except SubjectMissing:
            raise Unauthenticated("Token missing sub", challenge=INVALID) from None
        except TokenRefused as refusal:
            logger.debug("a token was refused", reason=str(refusal))
            raise Unauthenticated("Invalid token", challenge=INVALID) from None

    return authenticate


def _signing_key(secret: "Secret | None") -> bytes | None:
    if secret is None:
        logger.warning("ASTROCYTE_JWT_SECRET is not set: every request will be refused")
        return None
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret.reveal())
    except InvalidKeyError:
        raise ConfigError(
            "ASTROCYTE_JWT_SECRET: a public key is no secret", hint="use auth mode jwt_oidc for tokens signed with RSA"
        ) from None
    if len(secret) < HASH_BYTES:
        logger.warning("ASTROCYTE_JWT_SECRET is short enough to be guessed", bytes=len(secret), recommended=HASH_BYTES)
    # HMAC pads a key with zeros (RFC 2104), so this is the same key; the library would warn of a short one every time.
    return secret.reveal().ljust(HASH_BYTES, b"\0")
