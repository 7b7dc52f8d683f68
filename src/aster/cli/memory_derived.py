"""`astrocyte derived`: observations, mental models and pages, what they were made from, what is still to be made."""

from typing import TYPE_CHECKING, Annotated, Literal

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
from aster.cli.memory_telling import memory_line

if TYPE_CHECKING:
    from astrocyte.banks import Waiting
    from astrocyte.memories import MemoryRecord

LAYERS: tuple[Literal["observation", "model", "page"], ...] = ("observation", "model", "page")
LISTED_AT_ONCE = 500

BankArgument = Annotated[str, typer.Argument(help="The bank.")]
KindOption = Annotated[
    list[str] | None, typer.Option("--kind", "-k", help="observation, model or page; repeatable, all when left out.")
]

app = typer.Typer(
    help="Observations, mental models, pages: list, sources, refresh.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_derived(
    bank: BankArgument,
    kinds: KindOption = None,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what was derived in a bank: when, id, what kind, what."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from aster.foundation.errors import ConfigError

    unknown = set(kinds or ()) - set(LAYERS)
    if unknown:
        raise ConfigError(f"'{min(unknown)}' is not derived", hint=f"--kind is one of {', '.join(LAYERS)}")

    async def work() -> "list[MemoryRecord]":
        found: list[MemoryRecord] = []
        async with Place(url, data, config, principal).opened() as memory:
            for layer in LAYERS:
                if kinds and layer not in kinds:
                    continue
                cursor = None
                while True:
                    page = await memory.list_derived(bank, layer, cursor=cursor, limit=LISTED_AT_ONCE)
                    found, cursor = found + page.memories, page.next_cursor
                    if cursor is None:
                        break
        return found

    memories = run_async(work())
    if as_json:
        print_json({"memories": memories})
        return
    for one in memories:
        typer.echo(memory_line(one))
    if not memories:
        typer.echo("nothing was derived", err=True)


@app.command("sources")
def sources(
    bank: BankArgument,
    memory_id: Annotated[str, typer.Argument(metavar="ID", help="A derived memory.")],
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what a derived memory was made from."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json

    async def work() -> "list[MemoryRecord]":
        async with Place(url, data, config, principal).opened() as memory:
            return (await memory.provenance(bank, memory_id)).sources

    found = run_async(work())
    if as_json:
        print_json({"sources": found})
        return
    for one in found:
        typer.echo(memory_line(one))


@app.command("refresh")
def refresh(
    bank: BankArgument,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
) -> None:
    """Have everything made anew by the background of a server (`astrocyte serve`)."""
    from aster.cli.running import run_async

    async def work() -> int:
        async with Place(url, data, config, principal).opened() as memory:
            return (await memory.refresh_derived(bank)).requested

    typer.echo(f"{run_async(work())} asked for")


@app.command("waiting")
def waiting(
    bank: BankArgument,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what is still to be made: from when on, kind, about what, how often it was tried and why it failed."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json, visible

    async def work() -> "list[Waiting]":
        async with Place(url, data, config, principal).opened() as memory:
            return (await memory.waiting(bank)).waiting

    tasks = run_async(work())
    if as_json:
        print_json({"waiting": tasks})
        return
    for one in tasks:
        tried = f"  tried {one.attempts} times: {one.failure}" if one.failure else ""
        typer.echo(visible(f"{one.due_at:%Y-%m-%d %H:%M:%S}  {one.kind}  {one.subject}{tried}"))
    if not tasks:
        typer.echo("nothing waits", err=True)
