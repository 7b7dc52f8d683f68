"""`aster up`: everything in one process."""

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[Path, typer.Option("--data", envvar="ASTER_DATA", help="Where everything is kept.")]
HostOption = Annotated[str, typer.Option("--host", envvar="ASTER_HOST", help="Address to listen on.")]
PortOption = Annotated[
    int, typer.Option("--port", envvar="ASTER_PORT", min=0, max=65535, help="Port to listen on; 0 picks a free one.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="ASTER_DATABASE",
        help="postgresql://USER:PASSWORD@HOST/NAME: keep memories and policies there, shared by every replica.",
    ),
]
RedisOption = Annotated[
    str | None,
    typer.Option(
        "--redis",
        envvar="ASTER_REDIS",
        help="redis://HOST:PORT: count rate limits and nonces together with the other replicas.",
    ),
]
ConsoleOption = Annotated[
    bool | None,
    typer.Option(
        "--console/--no-console",
        envvar="ASTER_CONSOLE",
        help="Serve the web console at /console. Default: only when listening on this machine alone.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def up(
    data: DataOption = Path("aster-data"),
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    redis: RedisOption = None,
    console: ConsoleOption = None,
) -> None:
    """Serve memory at /v1, policy at /api/v1, both over P2P, and a web console, until Ctrl-C.

    Ctrl-C or SIGTERM lets requests under way finish; a second one ends the process at once.
    """
    from aster.cli.running import run_async
    from aster.cli.serving import serve

    run_async(serve(data=data, host=host, port=port, as_json=as_json, database=database, redis=redis, console=console))
