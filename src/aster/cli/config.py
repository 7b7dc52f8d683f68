"""`aster config`: what the settings are, where each one came from, and whether a node could start with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.config import AsterConfig

app = typer.Typer(name="config", help="Show and check the settings of Aster RPC.", no_args_is_help=True)

FileArgument = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A TOML file, e.g. aster.toml.")]
FileOption = Annotated[Path | None, typer.Option("--file", help="The same as FILE.")]


@app.command()
def show(path: FileArgument = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Print every setting with its source: default, file, or environment variable. Secrets are masked."""
    _load(path, file).print_config(json=as_json)


@app.command()
def check(path: FileArgument = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Say whether the settings, and the keys and credentials they name, are good; exit code 1 when they are not."""
    from aster.cli.terminal import print_json

    try:
        _check(_load(path, file))
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"valid": False, "error": error.message, "hint": error.hint, "code": error.code})
        raise typer.Exit(1) from None
    if as_json:
        print_json({"valid": True, "error": None, "hint": None, "code": None})
    else:
        typer.echo("the settings are valid")


def _check(config: "AsterConfig") -> None:
    """What a start would find wrong before it touches the network."""
    from aster.config.unsupported import refuse_unsupported
    from aster.rpc.gate import anchors_of, instance_verifier
    from aster.rpc.node import endpoint_settings, find_identity, own_presentation

    refuse_unsupported(config)
    identity = find_identity(config, "producer", None)
    if anchors_of(config, identity):
        instance_verifier(config)
    own_presentation(config, identity)
    endpoint_settings(config, identity)


def _load(path: Path | None, file: Path | None) -> "AsterConfig":
    from aster.config import AsterConfig

    if path is not None and file is not None:
        raise ConfigError("FILE and --file each name a file", hint="give one of them")
    chosen = path or file
    return AsterConfig.from_file(chosen) if chosen else AsterConfig.from_env()
