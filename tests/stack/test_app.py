import asyncio
import http.client
import socket

import pytest

from aster.foundation.http.plain import plain_service
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Receive, Scope, Send
from aster.foundation.http.routes import Route
from aster.foundation.http.server import AddressUnavailable, HttpServer
from aster.stack.app import PrefixApp


async def echo_path(scope: Scope, receive: Receive, send: Send) -> None:
    await Reply(200, scope["path"].encode(), b"text/plain").send(send)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await Reply(404).send(send)


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


async def test_a_server_answers_on_the_port_it_says() -> None:
    server = HttpServer(host="127.0.0.1", port=0)
    await server.start(echo_path)
    try:
        assert await asyncio.to_thread(get, server.port, "/hello") == (200, b"/hello")
        assert server.url == f"http://127.0.0.1:{server.port}"
    finally:
        await server.close()


async def test_a_busy_port_is_an_error_that_names_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressUnavailable, match=str(port)):
            HttpServer(host="127.0.0.1", port=port)


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressUnavailable):
        HttpServer(host="192.0.2.1", port=0)


@pytest.mark.parametrize(("path", "status"), [("/v1", 200), ("/v1/retain", 200), ("/v12", 404), ("/", 404)])
async def test_a_prefix_ends_at_a_slash(path: str, status: int) -> None:
    server = HttpServer(host="127.0.0.1", port=0)
    await server.start(PrefixApp([("/v1", echo_path)], nothing))
    try:
        assert (await asyncio.to_thread(get, server.port, path))[0] == status
    finally:
        await server.close()


async def test_a_crashing_handler_answers_a_reference_and_no_story() -> None:
    async def crash(request: object, body: object) -> None:
        raise RuntimeError("the secret is swordfish")

    server = HttpServer(host="127.0.0.1", port=0)
    await server.start(plain_service("test", [Route("GET", "/crash", crash, summary="crash")]))
    try:
        status, body = await asyncio.to_thread(get, server.port, "/crash")
    finally:
        await server.close()
    assert status == 500
    assert b"reference" in body
    assert b"swordfish" not in body
