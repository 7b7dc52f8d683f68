"""The tools over streamable HTTP: every request says who is calling, by the gateway's own auth mode."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Receive, Scope, Send
from astrocyte.errors import AstrocyteError
from astrocyte.gateway.bodies import ErrorBody
from astrocyte.mcp.server import IDENTIFYING, MemoryToolServer
from astrocyte.mcp.tools import Ask

PATH = "/mcp"
OK = 200


class ToolApp:
    """The ASGI app at `PATH`. Whoever the gateway does not know is answered as the gateway answers, before anything."""

    def __init__(self, ask: Ask, manager: StreamableHTTPSessionManager) -> None:
        self._ask = ask
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rstrip("/") != PATH:
            await Reply(404, b'{"detail":"Not Found","code":"NOT_FOUND"}').send(send)
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        who = {name: value for name, value in headers.items() if name in IDENTIFYING}
        try:
            status, body = await self._ask("GET", "/v1/whoami", None, who)
        except AstrocyteError as error:
            status, body = 503, msgspec.json.encode(ErrorBody(error.message, error.code))
        if status != OK:
            challenge = [(b"www-authenticate", b"Bearer")] if status == 401 else []
            await Reply(status, body, headers=challenge).send(send)
            return
        await self._manager.handle_request(scope, receive, send)


@asynccontextmanager
async def tool_app(ask: Ask, *, version: str, hosts: list[str] | None = None) -> AsyncIterator[ToolApp]:
    """The app, open. ``hosts`` are the ``Host`` values that are answered, which keeps rebound names out."""
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=hosts is not None, allowed_hosts=hosts or [], allowed_origins=[]
    )
    server: Any = MemoryToolServer(ask).sdk_server(version)
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, security_settings=security)
    async with manager.run():
        yield ToolApp(ask, manager)
