"""One ASGI app for one port: the systems by path prefix, plain ASGI in front of everything else."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Receive, Request, Scope, Send
from aster.foundation.http.routes import Route

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class PrefixApp:
    """Sends a request to the first app whose prefix its path has (``/v1`` fits ``/v1`` and ``/v1/…``, not ``/v12``)."""

    def __init__(self, prefixes: Sequence[tuple[str, AsgiApp]], otherwise: AsgiApp) -> None:
        self._prefixes = tuple((prefix, f"{prefix}/", app) for prefix, app in prefixes)
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        for exact, below, app in self._prefixes:
            if path.startswith(below) or path == exact:
                await app(scope, receive, send)
                return
        await self._otherwise(scope, receive, send)


def document_route(path: str, summary: str, document: dict[str, Any]) -> Route:
    """A route that answers one JSON document, encoded once."""
    body = json.dumps(document, ensure_ascii=False).encode()

    async def openapi(request: Request, _: Any) -> Reply:
        return Reply(200, body)

    return Route("GET", path, openapi, summary=summary)
