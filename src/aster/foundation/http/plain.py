"""A service with nothing to guard: health, metrics, documents. Errors are ``{"detail", "code"}``."""

from collections.abc import Sequence

from aster.foundation.errors import AsterError
from aster.foundation.http.errors import HttpError
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.foundation.http.service import HttpService, InternalError


def plain_service(name: str, routes: Sequence[Route]) -> HttpService:
    """The ASGI app of routes that everybody may ask."""
    return HttpService(name, routes, render_error=render_error)


def render_error(request: Request, error: AsterError) -> Reply:
    """What may name files or internals stays in the log."""
    if isinstance(error, HttpError | InternalError):
        status = error.status if isinstance(error, HttpError) else 500
        headers = error.headers if isinstance(error, HttpError) else ()
        return json_reply({"detail": error.message, "code": error.code}, status, headers)
    return json_reply({"detail": "the request could not be served", "code": error.code}, 503)
