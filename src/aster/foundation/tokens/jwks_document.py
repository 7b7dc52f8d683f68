"""A provider's published keys (RFC 7517): which of them may verify a signature here."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

ALGORITHM = "RS256"
MIN_BITS = 2048
MAX_BITS = 8192
MAX_EXPONENT_BITS = 64
MAX_DIGITS = MAX_BITS // 6 + 2
MAX_KEYS = 100
MAX_KID = 512


class Unusable(ValueError):
    """The document is no set of keys, or none of its keys can be used."""


class _Jwk(msgspec.Struct, frozen=True):
    kty: str
    n: str
    e: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    key_ops: list[str] | None = None
    d: str | None = None


class _Document(msgspec.Struct, frozen=True):
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys, in the order in which they were published."""

    keys: Sequence[tuple[str | None, RSAPublicKey]] = ()

    def find(self, kid: str | None) -> Sequence[RSAPublicKey]:
        """The keys of that id; without an id the only key there is, and none when there are several."""
        if kid is None:
            return [key for _, key in self.keys] if len(self.keys) == 1 else []
        return [key for name, key in self.keys if name == kid]


def parse_keys(document: bytes) -> KeySet:
    """The keys that may verify RS256 signatures; all others are left out. Raises `Unusable` when none is left."""
    try:
        entries = msgspec.json.decode(document, type=_Document).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unusable("the answer is not a set of keys") from None
    if len(entries) > MAX_KEYS:
        raise Unusable(f"more than {MAX_KEYS} keys")
    keys = [found for entry in entries if (found := _usable(entry)) is not None]
    if not keys:
        raise Unusable("there is no RSA signing key of at least 2048 bits")
    return KeySet(keys)


def _usable(entry: Any) -> tuple[str | None, RSAPublicKey] | None:
    try:
        jwk = msgspec.convert(entry, _Jwk)
        modulus, exponent = _number(jwk.n), _number(jwk.e)
        if not _is_for_signatures(jwk) or not MIN_BITS <= modulus.bit_length() <= MAX_BITS:
            return None
        if exponent.bit_length() > MAX_EXPONENT_BITS:  # verifying takes as long as the exponent
            return None
        return jwk.kid, RSAPublicNumbers(exponent, modulus).public_key()
    except (msgspec.ValidationError, ValueError):
        return None


def _is_for_signatures(jwk: _Jwk) -> bool:
    """A key whose private half is published as well proves nothing."""
    return (
        jwk.kty == "RSA"
        and jwk.use in (None, "sig")
        and jwk.alg in (None, ALGORITHM)
        and (jwk.key_ops is None or "verify" in jwk.key_ops)
        and jwk.d is None
        and (jwk.kid is None or len(jwk.kid) <= MAX_KID)
    )


def _number(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("too long")
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
