"""`astrocyte mcp`: memory as tools for AI agents."""

from enum import StrEnum
from typing import Annotated

import typer

from aster.cli.memory_opening import DEFAULT_DATA, ConfigOption, DataOption, Place, PrincipalOption, UrlOption

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Transport(StrEnum):
    """How agents reach the tools."""

    STDIO = "stdio"
    HTTP = "http"


def mcp(
    transport: Annotated[Transport, typer.Option("--transport", help="stdio, or http at /mcp.")] = Transport.STDIO,
    host: Annotated[str, typer.Option("--host", help="Address to listen on (http).")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on (http).")] = 8081,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
) -> None:
    """Serve memory as tools, over the Model Context Protocol.

    On standard input every call is made as --as, or with the key or token of the environment. Over HTTP each request
    says who is calling, as the gateway's auth mode asks; access is decided as for any other request.
    """
    from aster.cli.running import run_async
    from aster.foundation.extras import load_extra

    load_extra("mcp", extra="mcp")
    place = Place(url, data, config, principal)
    run_async(_serve_stdio(place) if transport is Transport.STDIO else _serve_http(place, host, port))


async def _serve_stdio(place: Place) -> None:
    from mcp.server.stdio import stdio_server

    from aster import __version__
    from astrocyte.mcp.server import MemoryToolServer

    async with place.opened() as memory:
        server = MemoryToolServer(memory.ask).sdk_server(__version__)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


async def _serve_http(place: Place, host: str, port: int) -> None:
    from aster import __version__
    from aster.cli.running import stop_on_signals
    from aster.foundation.http.server import HttpServer
    from aster.stack.options import LOOPBACK
    from astrocyte.mcp.http import PATH, tool_app

    stop = stop_on_signals()
    server = HttpServer(host=host, port=port)
    hosts = [f"{name}:{server.port}" for name in LOOPBACK_NAMES] if host in LOOPBACK else None
    async with (
        place.opened_for_others(host) as memory,
        tool_app(memory.ask, version=__version__, hosts=hosts) as app,
    ):
        await server.start(app)
        typer.echo(f"memory tools at {server.url}{PATH}; Ctrl-C ends it")
        await stop.wait()
        await server.close()
