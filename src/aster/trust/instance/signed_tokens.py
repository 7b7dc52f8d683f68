"""OpenID Connect identity tokens: signed by a provider's published keys, for an audience that names the node.

The signature algorithm is RS256, whatever the token says. Issuer, audience and times are compared here, against the
clock of whoever asks.
"""

from collections.abc import Collection
from typing import TypeVar

import jwt
import msgspec

from aster.foundation.tokens.fetch import Fetcher
from aster.foundation.tokens.jwks import JwksCache, KeysUnavailable
from aster.foundation.tokens.jwks_document import ALGORITHM
from aster.foundation.tokens.jws import TokenRefused, checked_header
from aster.trust.credential import CredentialRefused
from aster.trust.instance.facts import CLOCK_SKEW_SECONDS


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What every identity token says; an audience is one text, never a list."""

    iss: str
    aud: str
    exp: int | float
    iat: int | float
    nbf: int | float = 0


C = TypeVar("C", bound=Claims)


class TokenIssuer:
    """Reads the tokens of one issuer, under any of the names it goes by."""

    def __init__(self, names: Collection[str], jwks_url: str) -> None:
        self._names = frozenset(names)
        self._keys = JwksCache(Fetcher(jwks_url), logger_name="aster.trust")

    async def claims(self, kind: type[C], token: str, *, audience: str, now: float) -> C:
        """The claims of a genuine, current token for ``audience``; `CredentialRefused` otherwise."""
        try:
            payload = await self._payload(token.encode("ascii"))
            claims = msgspec.json.decode(payload, type=kind)
        except UnicodeEncodeError:
            raise CredentialRefused("its identity token is malformed") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise CredentialRefused(f"its identity token lacks a claim: {error}") from None
        except KeysUnavailable as error:
            raise CredentialRefused(f"its identity token can't be judged: {error.message}") from None
        if claims.iss not in self._names:
            raise CredentialRefused("its identity token is of another issuer")
        if claims.aud != audience:
            raise CredentialRefused("its identity token is for another audience: it is not bound to this node's key")
        if claims.exp <= now:
            raise CredentialRefused("its identity token has expired")
        if max(claims.iat, claims.nbf) > now + CLOCK_SKEW_SECONDS:
            raise CredentialRefused("its identity token is not valid yet")
        return claims

    async def _payload(self, token: bytes) -> bytes:
        """What was signed. Two keys under one id are an issuer's mistake; either may have signed."""
        refusal = "the signing key is not known"
        try:
            header = checked_header(token, ALGORITHM)
            for key in await self._keys.keys(header.kid):
                try:
                    payload: bytes = jwt.api_jws.decode(token, key, algorithms=[ALGORITHM])
                    return payload
                except jwt.PyJWTError:
                    refusal = "the signature does not fit"
        except TokenRefused as error:
            refusal = str(error)
        raise CredentialRefused(f"its identity token proves nothing: {refusal}")
