"""Compact JWTs (RFC 7519): checked for form, verified against one algorithm and one key.

The key and the algorithm come from configuration alone. What the token's header says of them is compared, never
followed: no ``jku``, ``x5u``, ``jwk`` or ``x5c`` is looked at; a header that declares something critical is refused.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jwt
import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt.types import Options

MAX_TOKEN_BYTES = 16 * 1024

_COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_REASONS: Sequence[tuple[type[Exception], str]] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidIssuerError, "the issuer is not the expected one"),
    (jwt.InvalidAudienceError, "the audience is not the expected one"),
    (jwt.MissingRequiredClaimError, "a required claim is missing"),
    (jwt.InvalidSignatureError, "the signature does not fit"),
)


class TokenRefused(Exception):
    """Why a token proves nothing, in words of ours: nothing of the token is repeated."""


class JoseHeader(msgspec.Struct, frozen=True):
    """What is read of a token's header before it is verified (RFC 7515, section 4.1)."""

    alg: str
    kid: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_header = msgspec.json.Decoder(JoseHeader).decode


def checked_header(token: bytes, algorithm: str) -> JoseHeader:
    """The header of a well-formed token that says it is signed with ``algorithm``."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenRefused("the token is too long")
    if not _COMPACT.fullmatch(token):
        raise TokenRefused("the token is malformed")
    header, _, _ = map(_segment, token.split(b"."))
    try:
        found = _decode_header(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefused("the token's header is malformed") from None
    if found.alg != algorithm:
        raise TokenRefused("the algorithm is not the expected one")
    if found.crit is not msgspec.UNSET:
        raise TokenRefused("the token's header declares what is not understood")
    return found


def verified_claims(
    token: bytes,
    key: "bytes | RSAPublicKey",
    *,
    algorithm: str,
    audience: str | None,
    issuer: str | None = None,
    require: Sequence[str] = (),
) -> dict[str, Any]:
    """What a token says, once ``checked_header`` has passed it: signature, times, issuer and audience hold.

    An ``audience`` of None skips that check, also for a token that has one. ``sub`` is left to the caller.
    """
    options: Options = {"require": list(require), "verify_aud": audience is not None, "verify_sub": False}
    try:
        return jwt.decode(token, key, algorithms=[algorithm], audience=audience, issuer=issuer, options=options)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise TokenRefused(_reason(error)) from None


def _segment(text: bytes) -> bytes:
    """The bytes of a segment in the one spelling they have: loose last bits would make many tokens out of one."""
    try:
        value = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        raise TokenRefused("the token is malformed") from None
    if base64.urlsafe_b64encode(value).rstrip(b"=") != text:
        raise TokenRefused("the token is malformed")
    return value


def _reason(error: Exception) -> str:
    return next((words for kind, words in _REASONS if isinstance(error, kind)), "the token is malformed")
