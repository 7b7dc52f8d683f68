"""`aster mcp`: a server's methods as tools for AI agents."""

from typing import Annotated

import typer

from aster.cli.connecting import (
    AddressArgument,
    ConfigOption,
    ConnectionOptions,
    CredentialOption,
    IdentityOption,
    PeerOption,
)

Globs = list[str] | None


def mcp(
    address: AddressArgument,
    allow: Annotated[Globs, typer.Option("--allow", metavar="GLOB", help="Only these, e.g. 'Orders.get*'.")] = None,
    deny: Annotated[Globs, typer.Option("--deny", metavar="GLOB", help="Never these; it wins over --allow.")] = None,
    confirm: Annotated[Globs, typer.Option("--confirm", metavar="GLOB", help="A person is asked first.")] = None,
    max_items: Annotated[int, typer.Option("--max-items", min=1, help="Of a stream, at most.")] = 100,
    timeout: Annotated[float, typer.Option("--timeout", min=0.001, help="Seconds a call or stream may take.")] = 30.0,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
) -> None:
    """Serve a server's methods over the Model Context Protocol on standard input and output.

    One tool a method that the caller may call, with a JSON Schema of what it takes. Hidden tools can't be called.
    """
    from aster import __version__
    from aster.cli.running import run_async
    from aster.foundation.extras import load_extra
    from aster.rpc.mcp.filters import ToolFilter
    from aster.rpc.mcp.tools import CollectLimits

    stdio = load_extra("mcp.server.stdio", extra="mcp")
    from aster.rpc.mcp.server import ToolServer

    options = ConnectionOptions(address, config, credential, identity, peer)
    chosen = ToolFilter(allow or (), deny or (), confirm or ())
    limits = CollectLimits(items=max_items, seconds=timeout)

    async def work() -> None:
        async with options.client() as client:
            server = ToolServer(client, chosen, limits).sdk_server(__version__)
            async with stdio.stdio_server() as (incoming, outgoing):
                await server.run(incoming, outgoing, server.create_initialization_options())

    run_async(work())
