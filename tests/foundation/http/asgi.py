"""Calling an ASGI app in process, with every byte and every moment of the body under the test's control."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

Headers = Sequence[tuple[bytes, bytes]]

DISCONNECT = None
"""In place of a chunk: the client hangs up."""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{name!r} was sent {len(found)} times"
        return found[0] if found else None

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Wire:
    """One request on its way: what was read of it, and whether its end was reached."""

    chunks: list[bytes | None]
    ends: bool = True
    read: int = 0

    async def receive(self) -> dict[str, Any]:
        if self.read == len(self.chunks):
            if self.ends:
                raise AssertionError("the body was read past its end")
            await asyncio.Event().wait()
        chunk = self.chunks[self.read]
        self.read += 1
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": self.read < len(self.chunks) or not self.ends}


async def call(
    app: Any,
    method: str,
    target: str,
    body: bytes | Wire = b"",
    headers: Headers = (),
    *,
    declare: bool = True,
) -> Answered:
    """One request as a server would hand it over. Bytes come with their Content-Length, a `Wire` comes chunked."""
    path, _, query = target.partition("?")
    raw = list(headers)
    if isinstance(body, bytes):
        if body and declare:
            raw.append((b"content-length", b"%d" % len(body)))
        body = Wire([body])
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": raw,
        "client": ("127.0.0.1", 50000),
    }
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, body.receive, send)
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert [message["type"] for message in rest] == ["http.response.body"]
    return Answered(start["status"], list(start["headers"]), rest[0]["body"])
