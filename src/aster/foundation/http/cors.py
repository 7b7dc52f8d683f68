"""Cross-origin requests: which pages of other origins a browser lets ask us (the Fetch standard's CORS protocol).

Without allowed origins there is no header at all, and browsers keep strangers' pages out. A preflight is answered
before any layer: it carries no credentials, and what it is told is the same for everybody of its origin.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aster.foundation.errors import ConfigError
from aster.foundation.http.reply import NO_CONTENT, Header, Reply
from aster.foundation.http.request import Request

ANY_ORIGIN = "*"
MAX_AGE_SECONDS = 600
_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_VARY = (b"vary", b"origin")
_REQUESTED_METHOD = b"access-control-request-method"


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Origins as browsers send them (``https://app.example.com``), or ``*`` for all; headers that pages may send and
    read, beside those that are always allowed. Credentials are headers here, never cookies: none are asked for.
    """

    origins: frozenset[str]
    request_headers: Sequence[str] = ()
    answer_headers: Sequence[str] = ()

    @classmethod
    def of_text(cls, origins: str, *, request_headers: Sequence[str], answer_headers: Sequence[str]) -> "CorsPolicy":
        """From a comma-separated list; raises `ConfigError` for what can't be an origin."""
        names = [name.strip() for name in origins.split(",") if name.strip()]
        for name in names:
            if name != ANY_ORIGIN and not _ORIGIN.fullmatch(name):
                raise ConfigError(
                    f"'{name[:80]}' is not an origin", hint="write scheme and host alone, e.g. https://app.example.com"
                )
        return cls(frozenset(names), tuple(request_headers), tuple(answer_headers))

    def preflight(self, request: Request) -> Reply | None:
        """The answer to a browser's question before its request; None when ``request`` is no such question.

        `headers` still have to go onto it.
        """
        if request.method != "OPTIONS" or request.header(_REQUESTED_METHOD) is None:
            return None
        if not self._allows(request.header(b"origin")):
            return Reply(403)
        return Reply(
            NO_CONTENT,
            headers=[
                (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
                (b"access-control-allow-headers", ", ".join(self.request_headers).encode()),
                (b"access-control-max-age", b"%d" % MAX_AGE_SECONDS),
            ],
        )

    def headers(self, request: Request) -> list[Header]:
        """What goes onto every answer, refusals too: a page must be able to read why it was refused."""
        origin = request.header(b"origin")
        if origin is None or not self._allows(origin):
            return [_VARY]
        return [
            _VARY,
            (b"access-control-allow-origin", b"*" if ANY_ORIGIN in self.origins else origin),
            (b"access-control-expose-headers", ", ".join(self.answer_headers).encode()),
        ]

    def _allows(self, origin: bytes | None) -> bool:
        return ANY_ORIGIN in self.origins or (origin is not None and origin.decode("latin-1") in self.origins)
