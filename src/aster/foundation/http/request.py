"""A request as the wire gave it: raw path and query, header bytes, a body that is read once and capped."""

import asyncio
import itertools
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aster.foundation.http.errors import BadRequest, BodyTooLarge, ClientGone, HeadersTooLarge, RequestTimeout

if TYPE_CHECKING:
    from aster.foundation.http.routes import Match
    from aster.foundation.http.whole import Whole

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A random part for the process and a count: asking the system for randomness at each request would cost more.
_PROCESS = secrets.token_hex(8)
_count = itertools.count(1)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
LENGTH_DIGITS = 15
EXTENSION = "aster.whole"
NO_EXTENSIONS: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Sizes in bytes, times in seconds."""

    body_bytes: int = 1024 * 1024
    body_seconds: float = 30.0
    header_bytes: int = 32 * 1024


def _new_request_id() -> str:
    return f"{_PROCESS}{next(_count):016x}"


class Request:
    """What a layer and a handler see. ``state`` is where layers leave what they found (tenant, role, identity)."""

    __slots__ = (
        "_body",
        "_listed",
        "_receive",
        "headers",
        "limits",
        "match",
        "repeats_headers",
        "request_id",
        "scope",
        "state",
        "whole",
    )

    headers: Mapping[bytes, bytes]
    """The first value of each header; names in lower case."""

    repeats_headers: bool
    """Whether any header was sent more than once."""

    def __init__(self, scope: Scope, receive: Receive, limits: HttpLimits, match: "Match") -> None:
        self.scope = scope
        self.limits = limits
        self.match = match
        self.state: dict[str, Any] = {}
        # Taken out, for it refers to what refers to the scope: nothing is left for the garbage collector.
        self.whole: Whole | None = scope.get("extensions", NO_EXTENSIONS).pop(EXTENSION, None)
        self._receive = receive
        self._body: bytes | None = None
        listed: Sequence[tuple[bytes, bytes]] = scope["headers"]
        self._listed = listed
        self.headers = dict(listed)
        self.repeats_headers = len(self.headers) != len(listed)
        if self.repeats_headers:
            self.headers = dict(reversed(listed))
        given = self.headers.get(b"x-request-id")
        self.request_id = given.decode() if given and _REQUEST_ID.fullmatch(given) else _new_request_id()

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def raw_path(self) -> bytes:
        """The path exactly as received, percent-encoding untouched."""
        raw = self.scope.get("raw_path") or self.scope["path"].encode()
        return bytes(raw).partition(b"?")[0]

    @property
    def path(self) -> str:
        """`raw_path` as text."""
        return self.raw_path.decode("latin-1")

    @property
    def raw_query(self) -> bytes:
        """What follows ``?``, untouched; empty when there is nothing."""
        return bytes(self.scope["query_string"])

    @property
    def query(self) -> str:
        """`raw_query` as text."""
        return self.raw_query.decode("latin-1")

    @property
    def path_params(self) -> Mapping[str, str]:
        return self.match.params

    @property
    def client(self) -> str | None:
        """The peer's address as TCP knows it."""
        peer = self.scope.get("client")
        return peer[0] if peer else None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (name in lower case), or None."""
        return self.headers.get(name)

    def headers_all(self, name: bytes) -> list[bytes]:
        """Every value sent under one name: a layer that trusts a header must refuse a second, different one."""
        return [value for key, value in self._listed if key == name]

    def check_headers(self) -> None:
        """Refuse more header bytes than the limit allows."""
        if len(b"".join(itertools.chain.from_iterable(self._listed))) > self.limits.header_bytes:
            raise HeadersTooLarge(f"the request's headers exceed {self.limits.header_bytes} bytes")

    def body_here(self) -> bytes | None:
        """`body`, if it takes no waiting."""
        if self._body is None and self.whole is not None:
            self._check_length(self.limits.body_bytes)
            body = self.whole.body()
            self._body = body if body is None else self._bounded(body)
        return self._body

    async def body(self) -> bytes:
        """The whole body, read once; `BodyTooLarge` also for a chunked one, before it is held in memory."""
        body = self.body_here()
        if body is None:
            self._check_length(self.limits.body_bytes)
            body = self._body = await self._read_pieces()
        return body

    async def body_pieces(self, *, cap: int) -> AsyncIterator[bytes]:
        """The body as it arrives, at most ``cap`` bytes of it in all; each piece may take ``body_seconds``.

        For bodies that are too large to be held in memory: read either these or `body`, once.
        """
        size = 0
        self._check_length(cap)
        is_open = True
        while is_open:
            try:
                async with asyncio.timeout(self.limits.body_seconds):
                    piece, is_open = await self._next_piece()
            except TimeoutError:
                raise self._too_slow() from None
            size += len(piece)
            if size > cap:
                raise BodyTooLarge("Request body too large", limit=cap)
            yield piece

    async def _read_pieces(self) -> bytes:
        size, parts, is_open = 0, list[bytes](), True
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while is_open:
                    piece, is_open = await self._next_piece()
                    size += len(piece)
                    parts.append(self._bounded(piece, size))
        except TimeoutError:
            raise self._too_slow() from None
        return b"".join(parts)

    def _bounded(self, piece: bytes, size: int = 0) -> bytes:
        """``piece``, unless it or the ``size`` of all pieces so far is too much."""
        if max(size, len(piece)) > self.limits.body_bytes:
            raise BodyTooLarge("Request body too large", limit=self.limits.body_bytes)
        return piece

    def _check_length(self, cap: int) -> None:
        declared = self.headers.get(b"content-length")
        if declared is not None:
            if not declared.isdigit() or len(declared) > LENGTH_DIGITS:
                raise BadRequest("Invalid Content-Length")
            if int(declared) > cap:
                raise BodyTooLarge("Request body too large", limit=cap)

    async def _next_piece(self) -> tuple[bytes, bool]:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client closed the connection")
        return message.get("body", b""), message.get("more_body", False)

    def _too_slow(self) -> RequestTimeout:
        return RequestTimeout(f"the body did not arrive within {self.limits.body_seconds:g} s")
