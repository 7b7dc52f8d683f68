"""The console's files over HTTP: read once at the start, so that what is served is a table and a path opens no file.

The pages may load and ask nothing but this server, run nothing but their own modules, and be framed by nobody. They
hold no privilege: whatever they do goes through the public APIs, signed or authenticated as the caller.
"""

import hashlib
import importlib.resources
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from typing import Any

import msgspec

from aster.foundation.errors import AsterError
from aster.foundation.http.plain import render_error
from aster.foundation.http.reply import NOT_MODIFIED, Header, Reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.foundation.http.service import HttpService

PREFIX = "/console"
PAGE = "index.html"
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    b" frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Modules import each other by fixed names: a browser must ask each time whether the ones it has are right.
CACHED = (b"cache-control", b"no-cache")
CONTENT_TYPES = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}


class About(msgspec.Struct, frozen=True, rename="camel"):
    """What the pages show of the server before anybody has said who they are.

    ``memory_auth`` is the gateway's auth mode, so that the right fields are asked for; None where no memory is served.
    ``node`` is the P2P node's address, where it is told.
    """

    version: str
    systems: list[str]
    memory_auth: str | None = None
    node: str | None = None


def console_app(about: About) -> HttpService:
    """The ASGI app of ``/console`` and everything below it; GET and HEAD, nothing else."""
    files = dict(_files(importlib.resources.files(__package__).joinpath("static")))
    routes = [_file_route(f"{PREFIX}/{name}", body, CONTENT_TYPES[_suffix(name)]) for name, body in files.items()]
    page = [_file_route(path, files[PAGE], CONTENT_TYPES["html"]) for path in (PREFIX, f"{PREFIX}/")]
    told = _file_route(f"{PREFIX}/about.json", msgspec.json.encode(about), b"application/json")
    return HttpService("console", [*page, told, *routes], render_error=_render_error)


def _files(folder: Traversable, above: str = "") -> Iterator[tuple[str, bytes]]:
    """Every file of a kind that is served, by its path below ``folder``."""
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each, f"{above}{each.name}/")
        elif _suffix(each.name) in CONTENT_TYPES:
            yield f"{above}{each.name}", each.read_bytes()


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


def _file_route(path: str, body: bytes, content_type: bytes) -> Route:
    etag = b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode()
    headers = (*HEADERS, CACHED, (b"etag", etag))
    whole = Reply(200, body, content_type, headers)
    unchanged = Reply(NOT_MODIFIED, headers=headers)

    async def console(request: Request, _: Any) -> Reply:
        return unchanged if _names(request.header(b"if-none-match"), etag) else whole

    return Route("GET", path, console, summary="The web console")


def _names(condition: bytes | None, etag: bytes) -> bool:
    """Whether ``If-None-Match`` names the file as it is, weakly compared (RFC 9110, section 13.1.2)."""
    if condition is None:
        return False
    named = [each.strip().removeprefix(b"W/") for each in condition.split(b",")]
    return etag in named or b"*" in named


def _render_error(request: Request, error: AsterError) -> Reply:
    reply = render_error(request, error)
    return msgspec.structs.replace(reply, headers=(*reply.headers, *HEADERS, (b"cache-control", b"no-store")))
