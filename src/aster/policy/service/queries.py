"""Reading the query string: few names, checked like any other input. (The signature covers it as raw text.)"""

import binascii
import difflib
import urllib.parse
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import msgspec

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.request import Request
from aster.policy.service.envelope import problem

_FLAGS = {"true": True, "false": False}
DEFAULT_SIZE = 50
LARGEST_SIZE = 200
LARGEST_PAGE = 10_000_000
MOST_WARNINGS = 10
CURSOR_CHARACTERS = 1_000

QUERY_TYPES: dict[str, type] = {
    "trace": bool,
    "includeDeleted": bool,
    "success": bool,
    "page": int,
    "size": int,
    "before": int,
    "after": int,
    "limit": int,
    "anchorSequence": int,
    "full": bool,
    "version": int,
    "versionA": int,
    "versionB": int,
    "days": int,
}
"""Of the query parameters of all routes, those that are not texts."""


def query_values(request: Request) -> dict[str, str]:
    """Every parameter once; raises `ValidationFailed` for text that is not UTF-8 or a name that comes twice."""
    if not request.query:
        return {}
    try:
        pairs = urllib.parse.parse_qsl(
            request.query, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=50
        )
    except ValueError:
        raise ValidationFailed("the query string is malformed", problems=problem("?", "is malformed")) from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise ValidationFailed(
                f"the query parameter '{name[:64]}' was given twice", problems=problem(f"?{name[:64]}", "given twice")
            )
        values[name] = value
    return values


def query_flag(request: Request, name: str) -> bool:
    """``true`` or ``false``; false when absent."""
    if not request.raw_query:
        return False
    text = query_values(request).get(name, "false")
    if text not in _FLAGS:
        raise ValidationFailed(
            f"the query parameter '{name}' must be true or false", problems=problem(f"?{name}", "is not true or false")
        )
    return _FLAGS[text]


def query_integer(request: Request, name: str, default: int, *, minimum: int, maximum: int) -> int:
    text = query_values(request).get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and minimum <= int(text) <= maximum):
        words = f"a whole number from {minimum} to {maximum}"
        raise ValidationFailed(
            f"the query parameter '{name}' must be {words}", problems=problem(f"?{name}", f"is not {words}")
        )
    return int(text)


def unknown_parameters(request: Request) -> list[str]:
    """What of the query string the route does not know, in words; it is ignored, which should not go unnoticed."""
    route = request.match.route
    if route is None:
        return []
    unknown = [name for name in query_values(request) if name not in route.query]
    return [unknown_word("query parameter", name, route.query) for name in unknown[:MOST_WARNINGS]]


def unknown_word(kind: str, name: str, known: Sequence[str]) -> str:
    """A warning in printable ASCII, whatever the name is made of."""
    close = difflib.get_close_matches(name[:64], known, 1)
    meant = f"; did you mean '{close[0]}'?" if close else ""
    return f"the {kind} {name[:64]!a} is not known{meant}"


def cursor_of(request: Request, kind: Any) -> Any:
    """Where the page before this one ended (of type ``kind``), None at the beginning; raises `ValidationFailed`."""
    values = query_values(request)
    text = values.get("cursor")
    if text is None:
        return None
    if "page" in values:
        raise ValidationFailed("a listing goes on by page or by cursor", problems=problem("?cursor", "beside page"))
    try:
        if len(text) > CURSOR_CHARACTERS:
            raise ValueError
        return msgspec.json.decode(urlsafe_b64decode(text.encode("ascii")), type=kind)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise ValidationFailed(
            "the cursor is none of this listing's", problems=problem("?cursor", "give back what X-Next-Cursor told")
        ) from None


def cursor_header(place: Any) -> tuple[bytes, bytes]:
    """``X-Next-Cursor``: what `cursor_of` reads for the page after ``place``."""
    return b"x-next-cursor", urlsafe_b64encode(msgspec.json.encode(place))


def page_and_size(request: Request, *, also: str = "size") -> tuple[int, int]:
    """``page`` (from 0) and ``size`` (50 unless told, at most 200); ``also`` is another name of the size."""
    page = query_integer(request, "page", 0, minimum=0, maximum=LARGEST_PAGE)
    size = query_integer(request, also, DEFAULT_SIZE, minimum=1, maximum=LARGEST_SIZE)
    return page, query_integer(request, "size", size, minimum=1, maximum=LARGEST_SIZE)


def page_headers(request: Request, page: int, size: int, total: int) -> list[tuple[bytes, bytes]]:
    """How many there are, and where the pages before and after are (RFC 8288)."""
    headers = [(b"x-total-count", b"%d" % total)]
    if "cursor" in query_values(request):
        return headers
    last = max(0, (total - 1) // size)
    pages = {"prev": page - 1 if page else None, "next": page + 1 if page < last else None}
    links = [f'<{_page_of(request, number)}>; rel="{name}"' for name, number in pages.items() if number is not None]
    return [*headers, (b"link", ", ".join(links).encode())] if links else headers


def _page_of(request: Request, page: int) -> str:
    values = {**query_values(request), "page": str(page)}
    return f"{request.path}?{urllib.parse.urlencode(values)}"
