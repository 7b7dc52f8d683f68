"""`astrocyte show`, `update`, `archive`, `restore`, `history`: single memories, and what was known when."""

from datetime import datetime
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
from aster.cli.memory_telling import hit_line, memory_line
from aster.cli.memory_use import MOMENTS, BankOption, TagsOption

if TYPE_CHECKING:
    from astrocyte.memories import HistoryResult, MemoryRecord

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The memory, as `astrocyte list` shows it.")]


def show(
    bank: BankOption,
    memory_id: IdArgument,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell everything about one memory."""
    from aster.cli.running import run_async

    async def work() -> "MemoryRecord":
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.get_memory(bank, memory_id)

    _tell(run_async(work()), as_json=as_json)


def update(
    bank: BankOption,
    memory_id: IdArgument,
    content: Annotated[str | None, typer.Option("--content", help="What it says from now on.")] = None,
    tags: TagsOption = None,
    occurred_at: Annotated[
        datetime | None, typer.Option("--at", formats=MOMENTS, help="When it happened (UTC).")
    ] = None,
    speaker: Annotated[str | None, typer.Option("--speaker", help="Who said it.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="The conversation it is part of.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where it was found.")] = None,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given of a memory and keep its id. What it said before is gone, with all derived from it."""
    from aster.cli.running import run_async
    from aster.foundation.errors import ConfigError
    from astrocyte.requests import UpdateRequest

    named = {
        "content": content,
        "tags": tags or None,
        "occurred_at": occurred_at,
        "speaker": speaker,
        "session_id": session,
        "source": source,
    }
    given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if not given:
        raise ConfigError("nothing is changed", hint="astrocyte update -b BANK ID --content 'what is true now'")

    async def work() -> "MemoryRecord":
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.update_memory(bank, memory_id, UpdateRequest(**given))

    _tell(run_async(work()), as_json=as_json)


def archive(
    bank: BankOption,
    memory_id: IdArgument,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a memory but find it no more."""
    from aster.cli.running import run_async

    async def work() -> "MemoryRecord":
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.archive_memory(bank, memory_id)

    _tell(run_async(work()), as_json=as_json)


def restore(
    bank: BankOption,
    memory_id: IdArgument,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find an archived memory again."""
    from aster.cli.running import run_async

    async def work() -> "MemoryRecord":
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.restore_memory(bank, memory_id)

    _tell(run_async(work()), as_json=as_json)


def history(
    query: Annotated[str, typer.Argument(help="A question, or words.")],
    bank: BankOption,
    as_of: Annotated[datetime, typer.Option("--as-of", formats=MOMENTS, help="The time asked about (UTC).")],
    most: Annotated[int, typer.Option("--max", "-n", min=1, help="Hits, at most.")] = 10,
    tags: TagsOption = None,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find what was known at a time and not forgotten since."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json

    async def work() -> "HistoryResult":
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.history(query, bank, as_of, max_results=most, tags=tags or ())

    found = run_async(work())
    if as_json:
        print_json(found)
        return
    for hit in found.hits:
        typer.echo(hit_line(hit))
    if not found.hits:
        typer.echo("nothing was found", err=True)


def _tell(one: "MemoryRecord", *, as_json: bool) -> None:
    import msgspec

    from aster.cli.terminal import print_json, visible

    if as_json:
        print_json(one)
        return
    typer.echo(memory_line(one))
    for name, value in msgspec.structs.asdict(one).items():
        if name not in ("memory_id", "content", "layer") and value not in (None, [], {}):
            shown = ", ".join(value) if isinstance(value, list) else value
            typer.echo(visible(f"  {name:<14} {shown}"))
