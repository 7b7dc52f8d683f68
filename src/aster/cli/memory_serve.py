"""`astrocyte serve`: the memory gateway alone."""

import os
from typing import Annotated

import typer

from aster.cli.memory_opening import DEFAULT_DATA, ConfigOption, DataOption, JsonOption

HostOption = Annotated[str, typer.Option("--host", envvar="ASTROCYTE_HOST", help="Address to listen on.")]
PortOption = Annotated[
    int,
    typer.Option("--port", envvar="ASTROCYTE_PORT", min=0, max=65535, help="Port to listen on; 0 picks a free one."),
]


def serve(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8080,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve memory at /v1 until Ctrl-C. How callers say who they are is ASTROCYTE_AUTH_MODE.

    Ctrl-C or SIGTERM lets requests under way finish; a second one ends the process at once.
    """
    from aster.cli.running import run_async
    from aster.cli.serving import serve as serving

    if config is not None:
        os.environ["ASTROCYTE_CONFIG_PATH"] = str(config)
    run_async(serving(data=data, host=host, port=port, as_json=as_json, systems=frozenset({"memory"})))
