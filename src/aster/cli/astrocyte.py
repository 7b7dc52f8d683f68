"""The root of the `astrocyte` command: memory alone, served or used from the shell. Exit codes are those of `aster`."""

from typing import Annotated

import typer

from aster.cli import (
    memory_banks,
    memory_care,
    memory_derived,
    memory_holds,
    memory_keeping,
    memory_mcp,
    memory_model,
    memory_serve,
    memory_setup,
    memory_upkeep,
    memory_use,
)
from aster.cli.main import run_guarded

app = typer.Typer(
    name="astrocyte",
    help="Long-term memory for AI agents: serve it, use it, keep it in order.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(name="serve")(memory_serve.serve)
app.command(name="retain")(memory_use.retain)
app.command(name="recall")(memory_use.recall)
app.command(name="reflect")(memory_use.reflect)
app.command(name="history")(memory_keeping.history)
app.command(name="list")(memory_use.list_memories)
app.command(name="show")(memory_keeping.show)
app.command(name="update")(memory_keeping.update)
app.command(name="archive")(memory_keeping.archive)
app.command(name="restore")(memory_keeping.restore)
app.command(name="forget")(memory_use.forget)
app.add_typer(memory_banks.app, name="banks")
app.add_typer(memory_derived.app, name="derived")
app.add_typer(memory_holds.app, name="holds")
app.command(name="export")(memory_banks.export_bank)
app.command(name="import")(memory_banks.import_bank)
app.command(name="erase")(memory_care.erase)
app.command(name="lifecycle")(memory_upkeep.lifecycle)
app.command(name="reembed")(memory_upkeep.reembed)
app.command(name="doctor")(memory_care.doctor)
app.command(name="backup")(memory_care.backup)
app.command(name="mcp")(memory_mcp.mcp)
app.add_typer(memory_model.app, name="model")
app.command(name="setup")(memory_setup.setup)
app.command(name="whoami")(memory_use.whoami)


def _print_version(wanted: bool) -> None:
    if wanted:
        from aster import __version__

        typer.echo(f"astrocyte {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Long-term memory for AI agents: serve it, use it, keep it in order."""


def run() -> None:
    """The console script."""
    run_guarded(app)
