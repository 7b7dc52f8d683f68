"""`astrocyte banks`, `export`, `import`: whole banks."""

from pathlib import Path
from typing import Annotated

import typer

from aster.cli.memory_opening import (
    DEFAULT_DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    Place,
    PrincipalOption,
    UrlOption,
)

BankArgument = Annotated[str, typer.Argument(help="The bank.")]


def banks(
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every bank's name. A gateway asks for ASTROCYTE_ADMIN_TOKEN."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json

    async def work() -> list[str]:
        names: list[str] = []
        async with Place(url, data, config, None).opened() as memory:
            after = None
            while True:
                page = await memory.list_banks(after=after)
                names += page.banks
                after = page.next_after
                if after is None:
                    return names

    names = run_async(work())
    if as_json:
        print_json({"banks": names})
    else:
        for name in names:
            typer.echo(name)


def export_bank(
    bank: BankArgument,
    path: Annotated[Path, typer.Argument(help="The file to write, JSON Lines.")],
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
) -> None:
    """Write a bank's memories to a file, without loss."""
    from aster.cli.running import run_async

    async def work() -> int:
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.export_bank(bank, path)

    typer.echo(f"{run_async(work()):,} bytes in {path}")


def import_bank(
    bank: BankArgument,
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file that was exported.")],
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the memories of an exported file to a bank, with their ids and times; what is there already is skipped."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from astrocyte.banks import ImportResult

    async def work() -> ImportResult:
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.import_bank(bank, path)

    result = run_async(work())
    if as_json:
        print_json(result)
    else:
        typer.echo(f"{result.imported} imported, {result.skipped} there already")
