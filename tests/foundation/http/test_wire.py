"""The same service over a real server and real sockets: what only the wire can get wrong."""

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from aster.foundation.errors import AsterError
from aster.foundation.http.errors import HttpError
from aster.foundation.http.files import FileReply
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import EXTENSION, HttpLimits, Request
from aster.foundation.http.routes import Route
from aster.foundation.http.server import HttpServer
from aster.foundation.http.service import HttpService
from aster.foundation.http.whole import Whole, WholeProtocol


async def echo(request: Request, body: Any) -> Reply:
    return Reply(200, await request.body(), b"application/octet-stream")


async def crash(request: Request, body: Any) -> None:
    raise RuntimeError("hunter2")


async def show(request: Request, body: Any) -> dict[str, str]:
    return {"user": (request.header(b"x-user") or b"").decode("latin-1"), "path": request.path}


async def remove(request: Request, body: Any) -> Reply:
    return Reply(204)


def render(request: Request, error: AsterError) -> Reply:
    return json_reply({"code": error.code}, error.status if isinstance(error, HttpError) else 500)


async def split(request: Request, body: Any) -> Reply:
    return Reply(200, b"x", headers=[(b"x-given", b"a\r\nx-injected: b")])


CONTENT = bytes(range(256)) * 2000


async def file(request: Request, body: Any) -> FileReply:
    return FileReply(200, content_type=b"application/octet-stream", file=io.BytesIO(CONTENT), length=len(CONTENT))


ROUTES = [
    Route("GET", "/file", file, "Give a file"),
    Route("GET", "/split", split, "Try to smuggle a header"),
    Route("POST", "/echo", echo, "Give the body back"),
    Route("GET", "/crash", crash, "Fail"),
    Route("GET", "/show/{name}", show, "Show what arrived"),
    Route("DELETE", "/show/{name}", remove, "Remove"),
]


class Server(uvicorn.Server):
    """Says when it is ready; uvicorn itself can only be asked."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@pytest.fixture(params=["h11", "httptools", WholeProtocol], ids=["h11", "httptools", "whole"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    service = HttpService("wire", ROUTES, render_error=render, limits=HttpLimits(body_bytes=1000))
    config = uvicorn.Config(service, http=request.param, lifespan="off", ws="none", log_config=None)
    server = Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.ensure_future(server._serve([listening]))
    await server.ready.wait()
    yield listening.getsockname()[1]
    server.should_exit = True
    await serving
    listening.close()


async def exchange(port: int, request: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Send bytes, read the answer to its end: status, headers, body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        length = 0 if request.startswith(b"HEAD") else int(headers.get(b"content-length", b"0"))
        return int(status.split()[1]), headers, await reader.readexactly(length)
    finally:
        writer.close()


async def test_a_body_goes_there_and_back(port: int) -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    status, headers, body = await exchange(port, request)
    assert (status, body) == (200, b"hello")
    assert headers[b"x-request-id"]


async def test_a_chunked_body_goes_there_and_back(port: int) -> None:
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    assert (await exchange(port, request))[::2] == (200, b"hello")


async def test_an_oversized_body_is_refused_declared_or_chunked(port: int) -> None:
    declared = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    chunked = (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"258\r\n%s\r\n" % (b"x" * 600) * 2
    )
    for request in (declared, chunked):
        status, _, body = await exchange(port, request)
        assert (status, body) == (413, b'{"code":"BODY_TOO_LARGE"}')


async def test_the_connection_still_serves_after_a_refusal(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 ")
        await reader.readexactly(len(b'{"code":"NOT_FOUND"}'))
    writer.close()


async def test_head_and_no_content_have_no_body(port: int) -> None:
    for request, expected in ((b"HEAD /show/x", 200), (b"DELETE /show/x", 204)):
        status, _, body = await exchange(port, request + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, body) == (expected, b"")


async def test_header_bytes_beyond_ascii_arrive_as_they_are(port: int) -> None:
    request = b"GET /show/a%2Fb%20c HTTP/1.1\r\nHost: x\r\nX-User: \xe4\xff\r\n\r\n"
    status, _, _ = await exchange(port, request)
    assert status == 404, "an escaped slash is part of the path for routing, and no route has that many parts"
    request = b"GET /show/b%20c HTTP/1.1\r\nHost: x\r\nX-User: \xe4\xff\r\n\r\n"
    status, _, body = await exchange(port, request)
    assert (status, body.decode()) == (200, '{"user":"äÿ","path":"/show/b%20c"}')


async def test_a_body_that_comes_later_than_its_head_is_waited_for(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for body in (b"hello", b"again"):
        writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(5) == body
    writer.close()


async def test_requests_that_come_together_are_answered_in_their_order(port: int) -> None:
    bodies = [b"%d" % number for number in range(10, 30)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n" + body for body in bodies))
    for body in bodies:
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(2) == body
    writer.close()


async def test_a_client_that_wants_to_close_is_told_so_and_the_connection_ends(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
    answer = await reader.read()
    assert b"connection: close" in answer.lower()
    assert answer.endswith(b"hello")
    writer.close()


async def test_a_header_can_not_be_made_to_hold_another(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /split HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await reader.read()
    assert b"x-injected" not in answer.lower()
    assert not answer.startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_the_servers_protocol_offers_its_shortcut() -> None:
    """The locked uvicorn still has the method that it hangs on; without it every answer would be right, but slower."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["extensions"][EXTENSION])
        await Reply(204).send(send)

    server = HttpServer(host="127.0.0.1", port=0)
    await server.start(app)
    await exchange(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await server.close()
    assert isinstance(seen[0], Whole)


@pytest.mark.parametrize(("proxies", "client"), [(None, "127.0.0.1"), ("127.0.0.1", "203.0.113.9")])
async def test_who_asks_is_the_peer_unless_it_is_a_named_proxy(
    proxies: str | None, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def who(request: Request, body: Any) -> dict[str, str | None]:
        return {"client": request.client}

    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if proxies is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", proxies)
    server = HttpServer(host="127.0.0.1", port=0)
    await server.start(HttpService("who", [Route("GET", "/who", who, "Tell who asks")], render_error=render))
    answer = await exchange(server.port, b"GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
    await server.close()
    assert answer[2].decode() == f'{{"client":"{client}"}}'


async def test_a_file_arrives_whole(port: int) -> None:
    status, _, body = await exchange(port, b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, body) == (200, CONTENT)


async def test_a_crash_shows_nothing(port: int) -> None:
    status, _, body = await exchange(port, b"GET /crash HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, body) == (500, b'{"code":"INTERNAL_ERROR"}')
