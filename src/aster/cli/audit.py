"""`aster audit`: prove that what was recorded is what happened."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from aster.cli.up import DatabaseOption, DataOption, JsonOption
from aster.foundation.errors import StorageError

app = typer.Typer(name="audit", help="Verify the audit chains of a data directory.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Verify the audit chains of a data directory."""


@app.command()
def verify(
    data: DataOption = Path("aster-data"),
    chain: Annotated[str | None, typer.Option("--chain", help="Only this chain: memory, or policy:TENANT.")] = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Recompute every hash chain; exit code 1 when one is broken.

    Where the policy service has a key for its chains, ASTER_AUDIT_HMAC_KEY tells it here too.
    """
    from aster.cli.terminal import print_json
    from aster.stack.chains import verify_database, verify_directory

    key = audit_key()
    every = verify_directory(data.expanduser(), key=key) if database is None else verify_database(database, key=key)
    place = data if database is None else "the database"
    results = [result for result in every if chain is None or result.chain == chain]
    if chain is not None and not results:
        raise StorageError(
            f"{place} holds no audit record of '{chain}'", hint="leave --chain out to verify every chain"
        )
    if as_json:
        print_json(results)
    else:
        for result in results:
            typer.echo(told(result))
        if not results:
            typer.echo(f"{place} holds no audit record")
    if not all(result.valid for result in results):
        raise typer.Exit(1)


def audit_key() -> bytes | None:
    """The key of the policy service's chains, from the environment: a command line can be seen by others."""
    return os.environ.get("ASTER_AUDIT_HMAC_KEY", "").encode() or None


def told(result: Any) -> str:
    """One line about a verification."""
    if result.valid:
        word = typer.style("ok", fg=typer.colors.GREEN)
        return f"{word}      {result.chain}: {result.records} records, head {result.head[:16]}…"
    is_keyless = result.broken_sequence == result.first_sequence and audit_key() is None
    hint = " (if the service has a key, set ASTER_AUDIT_HMAC_KEY)" if is_keyless else ""
    word = typer.style("BROKEN", fg=typer.colors.RED)
    return f"{word}  {result.chain}: at record {result.broken_sequence}: {result.reason}{hint}"
