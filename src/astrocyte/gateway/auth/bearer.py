"""The token of ``Authorization: Bearer …``, and the challenges of whoever sends none that fits (RFC 6750)."""

from astrocyte.gateway.auth.errors import Unauthenticated
from astrocyte.gateway.auth.headers import Headers, only_value

CHALLENGE = b'Bearer realm="astrocyte"'
INVALID = CHALLENGE + b', error="invalid_token"'


def bearer_token(headers: Headers) -> bytes:
    """The token of ``Authorization: Bearer …`` (the scheme in any case); raises `Unauthenticated` without one."""
    scheme, _, token = only_value(headers, b"authorization").partition(b" ")
    if scheme.lower() != b"bearer" or not token.strip():
        raise Unauthenticated("Bearer token required", challenge=CHALLENGE)
    return token.strip()
