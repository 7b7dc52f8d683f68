"""What can be wrong with a request before any system looks at its meaning; each knows its HTTP status."""

from collections.abc import Sequence
from typing import Any, ClassVar

from aster.foundation.errors import AsterError


class HttpError(AsterError):
    """An error with an HTTP status. ``headers`` go onto the answer."""

    status: ClassVar[int] = 500
    headers: Sequence[tuple[bytes, bytes]] = ()


class BadRequest(HttpError):
    status = 400
    code = "BAD_REQUEST"


class BadJson(HttpError):
    """The body is not JSON text in UTF-8."""

    status = 400
    code = "BAD_JSON"


class ValidationFailed(HttpError):
    """The body is JSON, but not of the declared type. ``details['problems']`` lists ``{"path", "message"}``."""

    status = 400
    code = "VALIDATION_ERROR"


class NotFound(HttpError):
    status = 404
    code = "NOT_FOUND"


class MethodNotAllowed(HttpError):
    status = 405
    code = "METHOD_NOT_ALLOWED"

    def __init__(self, message: str, *, allowed: Sequence[str], **details: Any) -> None:
        super().__init__(message, **details)
        self.headers = [(b"allow", ", ".join(sorted(allowed)).encode())]


class RequestTimeout(HttpError):
    """The body did not arrive in time."""

    status = 408
    code = "REQUEST_TIMEOUT"


class BodyTooLarge(HttpError):
    status = 413
    code = "BODY_TOO_LARGE"


class UnsupportedMediaType(HttpError):
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class HeadersTooLarge(HttpError):
    status = 431
    code = "HEADERS_TOO_LARGE"


class ClientGone(HttpError):
    """The client hung up before its request was complete; nobody reads the answer."""

    status = 400
    code = "CLIENT_GONE"
