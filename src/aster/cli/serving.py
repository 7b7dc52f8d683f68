"""Serving until told to stop: the first Ctrl-C or SIGTERM drains, the second ends the process at once."""

import os
import time
from pathlib import Path

import typer

from aster.cli.running import stop_on_signals
from aster.cli.terminal import print_json
from aster.foundation.collector import spare_what_stays
from aster.foundation.logs import configure_logging
from aster.stack.options import EVERYTHING, StackOptions, System
from aster.stack.stack import Addresses, Stack

FINISHING = "Finishing what is under way; Ctrl-C again ends at once"


async def serve(
    *,
    data: Path,
    host: str,
    port: int,
    as_json: bool,
    systems: frozenset[System] = EVERYTHING,
    database: str | None = None,
    redis: str | None = None,
    console: bool | None = False,
) -> None:
    """Run a `Stack` in the foreground. Prints its addresses once it is ready."""
    started = time.perf_counter()
    stop = stop_on_signals()
    options = StackOptions.from_environment(
        os.environ,
        data=data,
        host=host,
        port=port,
        systems=systems,
        database=database,
        redis=redis,
        console=console,
    )
    log_as_told(options)
    async with Stack(options) as stack:
        spare_what_stays()
        tell(stack.addresses, started=started, as_json=as_json)
        await stop.wait()
        if not as_json:
            typer.echo(FINISHING)


def log_as_told(options: StackOptions) -> None:
    configure_logging(format=options.rpc.log_format, level=options.rpc.log_level, mask=options.rpc.log_mask)


def tell(addresses: Addresses, *, started: float, as_json: bool) -> None:
    if as_json:
        print_json(addresses)
        return
    typer.echo(f"Aster is ready after {time.perf_counter() - started:.1f} s; Ctrl-C ends it")
    for name, value in addresses.rows():
        typer.echo(f"  {name:<8} {value}")
