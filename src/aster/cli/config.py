"""`aster config`: what the settings are, and where each one came from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.up import JsonOption

if TYPE_CHECKING:
    from aster.config import AsterConfig

app = typer.Typer(name="config", help="Show and check the settings of Aster RPC.", no_args_is_help=True)

FileOption = Annotated[Path | None, typer.Option("--file", help="A TOML file, e.g. aster.toml.")]


@app.command()
def show(file: FileOption = None, as_json: JsonOption = False) -> None:
    """Print every setting with its source: default, file, or environment variable. Secrets are masked."""
    _load(file).print_config(json=as_json)


@app.command()
def check(file: FileOption = None) -> None:
    """Say whether the settings are valid; exit code 1 when they are not."""
    _load(file)
    typer.echo("the settings are valid")


def _load(file: Path | None) -> "AsterConfig":
    from aster.config import AsterConfig

    return AsterConfig.from_file(file) if file else AsterConfig.from_env()
