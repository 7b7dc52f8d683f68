"""`astrocyte banks`, `export`, `import`: whole banks."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from astrocyte.banks import BankInfo, BankStatistics

BankArgument = Annotated[str, typer.Argument(help="The bank.")]
DescriptionOption = Annotated[str | None, typer.Option("--description", help="What it is for.")]
DuplicatesOption = Annotated[str | None, typer.Option("--duplicates", help="keep, exact or near.")]
PiiOption = Annotated[str | None, typer.Option("--pii", help="Personal data: off, redact, reject or warn.")]
ArchiveOption = Annotated[
    int | None, typer.Option("--archive-after", metavar="DAYS", help="Put memories away after so long; 0: never.")
]
DeleteOption = Annotated[
    int | None, typer.Option("--delete-after", metavar="DAYS", help="Forget memories after so long; 0: never.")
]
ExemptOption = Annotated[
    list[str] | None, typer.Option("--exempt-tag", help="A tag of memories that neither touches; repeatable.")
]

app = typer.Typer(
    help="Banks: list, make, set up, look into, delete. Without a command, list their names.",
    rich_markup_mode=None,
    invoke_without_command=True,
)


@app.callback()
def banks(
    context: typer.Context,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Banks: list, make, set up, look into, delete. Without a command, list their names."""
    if context.invoked_subcommand is None:
        list_banks(url, data, config, as_json)


@app.command("list")
def list_banks(
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every bank's name. A gateway asks for ASTROCYTE_ADMIN_TOKEN."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json

    names = run_async(every_bank(Place(url, data, config, None)))
    if as_json:
        print_json({"banks": names})
    else:
        for name in names:
            typer.echo(name)


async def every_bank(place: Place, *, beside_server: bool = False) -> list[str]:
    """The names of all banks, in order."""
    names: list[str] = []
    async with place.opened(beside_server=beside_server) as memory:
        after = None
        while True:
            page = await memory.list_banks(after=after)
            names += page.banks
            after = page.next_after
            if after is None:
                return names


@app.command("create")
def create(
    bank: BankArgument,
    description: DescriptionOption = None,
    duplicates: DuplicatesOption = None,
    pii: PiiOption = None,
    archive_after: ArchiveOption = None,
    delete_after: DeleteOption = None,
    exempt_tags: ExemptOption = None,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty bank with rules of its own. (A bank also comes into being with its first memory.)"""
    from aster.cli.running import run_async
    from astrocyte.banks import BankSettings

    given = _given(description, duplicates, pii, archive_after, delete_after, exempt_tags)

    async def work() -> "BankInfo":
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.create_bank(bank, BankSettings(**given))

    _tell(run_async(work()), None, as_json=as_json)


@app.command("configure")
def configure(
    bank: BankArgument,
    description: DescriptionOption = None,
    duplicates: DuplicatesOption = None,
    pii: PiiOption = None,
    archive_after: ArchiveOption = None,
    delete_after: DeleteOption = None,
    exempt_tags: ExemptOption = None,
    is_anew: Annotated[
        bool, typer.Option("--anew", help="What is not given is as the engine's settings say; else it stays as it is.")
    ] = False,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a bank's rules."""
    import msgspec

    from aster.cli.running import run_async
    from astrocyte.banks import BankSettings

    given = _given(description, duplicates, pii, archive_after, delete_after, exempt_tags)

    async def work() -> "BankInfo":
        async with Place(url, data, config, principal).opened() as memory:
            own = BankSettings() if is_anew else (await memory.bank_info(bank)).settings
            return await memory.configure_bank(bank, msgspec.structs.replace(own, **given))

    _tell(run_async(work()), None, as_json=as_json)


@app.command("show")
def show(
    bank: BankArgument,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell a bank's rules and what it holds, counted."""
    from aster.cli.running import run_async

    async def work() -> "tuple[BankInfo, BankStatistics]":
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.bank_info(bank), await memory.bank_statistics(bank)

    _tell(*run_async(work()), as_json=as_json)


@app.command("delete")
def delete(
    bank: BankArgument,
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget everything in a bank for good, its rules too."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from astrocyte.memories import ForgetResult

    if not is_sure:
        typer.confirm(f"Forget bank '{bank}' and everything in it for good?", abort=True, err=True)

    async def work() -> ForgetResult:
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.delete_bank(bank)

    gone = run_async(work())
    if as_json:
        print_json(gone)
    else:
        typer.echo(f"{gone.deleted_count} forgotten; there is no bank '{bank}' any more")


def export_bank(
    bank: BankArgument,
    path: Annotated[Path, typer.Argument(help="The file to write, JSON Lines.")],
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
) -> None:
    """Write all that belongs to a bank to a file, without loss."""
    from aster.cli.running import run_async

    async def work() -> int:
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.export_bank(bank, path)

    typer.echo(f"{run_async(work()):,} bytes in {path}")


def import_bank(
    bank: BankArgument,
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file that was exported.")],
    is_brought_back: Annotated[
        bool, typer.Option("--bring-back-forgotten", help="Also what was forgotten in the bank since the export.")
    ] = False,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an exported file to a bank, ids and times as they were.

    What is there already, by id, is left as it is; what was forgotten in the bank since the export is left out.
    """
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from astrocyte.banks import ImportResult

    async def work() -> ImportResult:
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.import_bank(bank, path, bring_back_forgotten=is_brought_back)

    result = run_async(work())
    if as_json:
        print_json(result)
        return
    typer.echo(f"{result.imported} imported, {result.skipped} there already")
    if result.forgotten:
        typer.echo(
            f"{result.forgotten} left out: they were forgotten here since (--bring-back-forgotten adds them)", err=True
        )


def _given(
    description: str | None,
    duplicates: str | None,
    pii: str | None,
    archive_after: int | None,
    delete_after: int | None,
    exempt_tags: list[str] | None,
) -> dict[str, Any]:
    """The settings that the options name; the engine checks them."""
    named = {
        "description": description,
        "duplicates": duplicates,
        "pii": pii,
        "archive_after_days": archive_after,
        "delete_after_days": delete_after,
        "exempt_tags": exempt_tags or None,
    }
    return {name: value for name, value in named.items() if value is not None}


def _tell(info: "BankInfo", counted: "BankStatistics | None", *, as_json: bool) -> None:
    from aster.cli.terminal import print_json, visible

    if as_json:
        print_json({"bank": info, "statistics": counted} if counted is not None else info)
        return
    for name, value in _rows(info, counted):
        typer.echo(visible(f"{name:<20} {value}"))


def _rows(info: "BankInfo", counted: "BankStatistics | None") -> Iterator[tuple[str, Any]]:
    import msgspec

    yield "bank", info.bank_id
    yield "made", f"{info.created_at:%Y-%m-%d %H:%M}"
    yield "embedding model", info.model or "none"
    for name, value in msgspec.structs.asdict(info.settings).items():
        if value is not None:
            yield name.replace("_", " "), ", ".join(value) if isinstance(value, list) else value
    if counted is None:
        return
    for name, value in msgspec.structs.asdict(counted).items():
        if isinstance(value, int):
            yield name, f"{value:,}"
    if counted.first_retained_at and counted.last_retained_at:
        yield "retained", f"{counted.first_retained_at:%Y-%m-%d} to {counted.last_retained_at:%Y-%m-%d}"
    if counted.tags:
        yield "tags", ", ".join(f"{tag} ({count})" for tag, count in list(counted.tags.items())[:20])
