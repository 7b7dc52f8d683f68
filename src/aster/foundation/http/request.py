"""A request as the wire gave it: raw path and query, header bytes, a body that is read once and capped."""

import asyncio
import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aster.foundation.http.errors import BadRequest, BodyTooLarge, ClientGone, HeadersTooLarge, RequestTimeout

if TYPE_CHECKING:
    from aster.foundation.http.routes import Match

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A random part for the process and a count: asking the system for randomness at each request would cost more.
_PROCESS = secrets.token_hex(8)
_count = itertools.count(1)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_LENGTH = re.compile(rb"[0-9]{1,15}")


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

    __slots__ = ("_body", "_headers", "_receive", "limits", "match", "request_id", "scope", "state")

    def __init__(self, scope: Scope, receive: Receive, limits: HttpLimits, match: "Match") -> None:
        self.scope = scope
        self.limits = limits
        self.match = match
        self.state: dict[str, Any] = {}
        self._receive = receive
        self._body: bytes | None = None
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        given = self.header(b"x-request-id")
        self.request_id = given.decode() if given and _REQUEST_ID.fullmatch(given) else _new_request_id()

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        """The path exactly as received, percent-encoding untouched."""
        raw = self.scope.get("raw_path") or self.scope["path"].encode()
        return bytes(raw).partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> str:
        """The raw text after ``?``; empty when there is none."""
        return bytes(self.scope["query_string"]).decode("latin-1")

    @property
    def path_params(self) -> dict[str, str]:
        return self.match.params

    @property
    def client(self) -> str | None:
        """The peer's address as TCP knows it."""
        peer = self.scope.get("client")
        return peer[0] if peer else None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (name in lower case), or None."""
        for key, value in self._headers:
            if key == name:
                return value
        return None

    def headers_all(self, name: bytes) -> list[bytes]:
        """Every value sent under one name: a layer that trusts a header must refuse a second, different one."""
        return [value for key, value in self._headers if key == name]

    def check_headers(self) -> None:
        """Refuse more header bytes than the limit allows."""
        if sum(len(key) + len(value) for key, value in self._headers) > self.limits.header_bytes:
            raise HeadersTooLarge(f"the request's headers exceed {self.limits.header_bytes} bytes")

    async def body(self) -> bytes:
        """The whole body, read once; `BodyTooLarge` also for a chunked one, before it is held in memory."""
        if self._body is None:
            self._body = await self._read_body()
        return self._body

    async def _read_body(self) -> bytes:
        cap = self.limits.body_bytes
        declared = self.header(b"content-length")
        if declared is not None:
            if not _LENGTH.fullmatch(declared):
                raise BadRequest("Invalid Content-Length")
            if int(declared) > cap:
                raise BodyTooLarge("Request body too large", limit=cap)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone("the client closed the connection")
                    part = message.get("body", b"")
                    size += len(part)
                    if size > cap:
                        raise BodyTooLarge("Request body too large", limit=cap)
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise RequestTimeout(f"the body did not arrive within {self.limits.body_seconds:g} s") from None
