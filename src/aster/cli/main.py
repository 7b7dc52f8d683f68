"""The root of the `aster` command: its groups, its version, and how errors become exit codes.

Exit codes: 0 done; 1 an error, told on standard error; 2 wrong usage; 130 interrupted.
"""

import os
import sys
from typing import Annotated

import typer

from aster.cli import (
    audit,
    blob,
    call,
    config,
    contract,
    demo,
    doc,
    enroll,
    gen_client,
    mcp,
    policy,
    profile,
    relay,
    shell,
    trust,
    up,
)
from aster.foundation.errors import AsterError, MissingExtra

OURS = frozenset({"", "aster", "astrocyte"})

app = typer.Typer(
    name="aster",
    help="Identity-first RPC, policies in plain language, and long-term memory for AI agents.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(name="up")(up.up)
app.command(name="demo")(demo.demo)
app.command(name="relay")(relay.relay)
app.command(name="call")(call.call)
app.command(name="shell")(shell.shell)
app.command(name="mcp")(mcp.mcp)
app.command(name="gen-client")(gen_client.gen_client)
app.add_typer(blob.app, name="blob")
app.add_typer(doc.app, name="doc")
app.add_typer(policy.app, name="policy")
app.add_typer(contract.app, name="contract")
app.add_typer(trust.app, name="trust")
app.add_typer(enroll.app, name="enroll")
app.add_typer(profile.app, name="profile")
app.add_typer(config.app, name="config")
app.add_typer(audit.app, name="audit")


def _print_version(wanted: bool) -> None:
    if wanted:
        from aster import __version__

        typer.echo(f"aster {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Identity-first RPC, policies in plain language, and long-term memory for AI agents."""


def run() -> None:
    """The console script."""
    run_guarded(app)


def run_guarded(command: typer.Typer) -> None:
    """Run a command: no traceback ever reaches a user, unless ASTER_DEBUG is set."""
    try:
        command()
    except AsterError as error:
        if os.environ.get("ASTER_DEBUG"):
            raise
        from aster.cli.terminal import print_error

        print_error(error)
        sys.exit(1)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in OURS or os.environ.get("ASTER_DEBUG"):
            raise
        from aster.cli.terminal import print_error

        print_error(MissingExtra(f"the package '{missing}' is not installed", hint="pip install 'aster-platform[all]'"))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`aster … | head`): end quietly, and keep the interpreter from flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
