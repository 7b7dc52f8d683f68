"""How a caller is turned away before anybody knows who it is."""

from typing import ClassVar

from aster.foundation.http.errors import HttpError


class Unauthenticated(HttpError):
    """The request does not prove who is calling. ``challenge`` says what would (RFC 9110, section 11.6.1)."""

    status = 401
    code = "UNAUTHENTICATED"

    def __init__(self, message: str, *, challenge: bytes) -> None:
        super().__init__(message)
        self.headers = [(b"www-authenticate", challenge)]


class AuthNotConfigured(HttpError):
    """The operator chose a mode without what it needs: nobody gets in, and the answer names the missing variable."""

    status = 500
    code = "AUTH_NOT_CONFIGURED"


class IdentityProviderUnavailable(HttpError):
    """The token can't be judged because its issuer's keys can't be fetched: not the caller's fault, so no 401."""

    status = 503
    code: ClassVar[str] = "IDENTITY_PROVIDER_UNAVAILABLE"
