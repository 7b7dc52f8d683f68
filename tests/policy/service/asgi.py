"""Calling an ASGI app in process, with every byte under the test's control."""

import asyncio
import urllib.parse
from collections.abc import Sequence
from typing import Any

import msgspec

from aster.policy.service.signing import sign_request

SECRET = "a secret of the tests"
Headers = Sequence[tuple[bytes, bytes]]


class Answered(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes
    names: list[str] = []

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        code: str = self.json["errorCode"]
        return code


async def send(app: Any, method: str, target: str, body: bytes | list[bytes] = b"", headers: Headers = ()) -> Answered:
    """One request as a server would hand it over; a list of bodies arrives in chunks without a Content-Length."""
    path, _, query = target.partition("?")
    chunks = [body] if isinstance(body, bytes) else body
    raw = list(headers)
    if isinstance(body, bytes) and body:
        raw.append((b"content-length", str(len(body)).encode()))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": urllib.parse.unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": raw,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8080),
    }
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks)}
        for index, chunk in enumerate(chunks)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else await asyncio.Future()

    async def collect(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, collect)
    start, *rest = sent
    return Answered(
        start["status"],
        {name.decode(): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(message["body"] for message in rest),
        [name.decode() for name, _ in start["headers"]],
    )


def signed(
    method: str,
    target: str,
    body: bytes = b"",
    *,
    tenant: str = "acme-corp",
    secret: str = SECRET,
    **options: Any,
) -> list[tuple[bytes, bytes]]:
    """Header lines that pass all three layers."""
    headers = sign_request(method, target, body, tenant=tenant, secret=secret, **options)
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def without(headers: Headers, name: bytes) -> list[tuple[bytes, bytes]]:
    return [(key, value) for key, value in headers if key != name]


def replaced(headers: Headers, name: bytes, value: bytes) -> list[tuple[bytes, bytes]]:
    return [*without(headers, name), (name, value)]


async def ask(
    app: Any,
    method: str,
    target: str,
    body: Any = None,
    *,
    tenant: str = "acme-corp",
    role: str = "MEMBER",
    user: str | None = None,
    **options: Any,
) -> Answered:
    """A correctly signed JSON request."""
    payload = b"" if body is None else msgspec.json.encode(body)
    headers = signed(method, target, payload, tenant=tenant, role=role, user=user, **options)
    return await send(app, method, target, payload, headers)
