"""The page that shows the OpenAPI documents of this server: our own files, nothing from elsewhere.

Its policy lets it load its own script and style and read from this server, and nothing else; the page sets text, never
markup, so that a document can't bring anything to run.
"""

import importlib.resources
import json
from collections.abc import Sequence
from typing import Any

from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    b" frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
FILES = {
    "/docs": ("index.html", b"text/html; charset=utf-8"),
    "/docs/viewer.js": ("viewer.js", b"text/javascript; charset=utf-8"),
    "/docs/viewer.css": ("viewer.css", b"text/css; charset=utf-8"),
}


def viewer_routes(documents: Sequence[str]) -> list[Route]:
    """The routes of the page and of the list of ``documents`` (paths on this server)."""
    listed = Reply(200, json.dumps(list(documents)).encode(), headers=HEADERS)
    folder = importlib.resources.files("aster.stack.viewer")
    files = [
        _fixed(path, Reply(200, (folder / name).read_bytes(), kind, HEADERS), "The API reference, to be read")
        for path, (name, kind) in FILES.items()
    ]
    return [*files, _fixed("/docs/documents.json", listed, "The paths of the OpenAPI documents")]


def _fixed(path: str, reply: Reply, summary: str) -> Route:
    async def viewer(request: Request, body: Any) -> Reply:
        return reply

    return Route("GET", path, viewer, summary=summary)
