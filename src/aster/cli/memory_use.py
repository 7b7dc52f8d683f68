"""`astrocyte retain`, `recall`, `reflect`, `forget`, `whoami`: memory from the shell."""

import sys
from datetime import datetime
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
from aster.cli.memory_telling import hit_line, leg_lines, memory_line, preview_lines
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from astrocyte.memories import NewMemory

BATCH = 64
MOST_FORGOTTEN = 1000
LISTED_AT_ONCE = 500

BankOption = Annotated[str, typer.Option("--bank", "-b", help="The bank.")]
BanksOption = Annotated[list[str], typer.Option("--bank", "-b", help="The bank; repeatable.")]
TagsOption = Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag; repeatable.")]
MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


def retain(
    bank: BankOption,
    content: Annotated[
        str | None, typer.Argument(help="What to remember; - is standard input. Left out with --lines.")
    ] = None,
    tags: TagsOption = None,
    occurred_at: Annotated[
        datetime | None,
        typer.Option("--at", formats=MOMENTS, help="When it happened (UTC)."),
    ] = None,
    speaker: Annotated[str | None, typer.Option("--speaker", help="Who said it.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="The conversation it is part of.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where it was found.")] = None,
    kind: Annotated[
        str, typer.Option("--type", help="text, dialogue, markdown or document: where a long content may be cut.")
    ] = "text",
    lines: Annotated[
        typer.FileText | None,
        typer.Option("--lines", help='JSON Lines, one memory a line: {"content": …, "tags": […], …}; - is stdin.'),
    ] = None,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remember something, durably; print its id."""
    from aster.cli.running import run_async
    from aster.cli.terminal import narrator, print_json
    from astrocyte.memories import NewMemory, RetainResult

    if (content is None) == (lines is None):
        raise ConfigError("give one thing to remember, or --lines FILE", hint="astrocyte retain --bank B 'the fact'")
    if lines is not None:
        memories = [_memory(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    else:
        text = sys.stdin.read() if content == "-" else content or ""
        memories = [
            NewMemory(
                content=text,
                tags=tags or [],
                occurred_at=occurred_at,
                speaker=speaker,
                session_id=session,
                source=source,
                content_type=kind,  # type: ignore[arg-type]  # the engine checks it
            )
        ]

    async def work() -> list[RetainResult]:
        done: list[RetainResult] = []
        async with Place(url, data, config, principal).opened() as memory:
            if len(memories) <= BATCH:
                return (await memory.retain_batch(bank, memories)).results
            with narrator(as_json=False).progress("memories", len(memories)) as advance:
                for first in range(0, len(memories), BATCH):
                    part = memories[first : first + BATCH]
                    done += (await memory.retain_batch(bank, part)).results
                    advance(len(part))
        return done

    results = run_async(work())
    if as_json:
        print_json(results)
    elif lines is not None:
        stored = sum(result.stored for result in results)
        typer.echo(f"{stored} remembered, {len(results) - stored} there already")
    else:
        typer.echo(f"{results[0].memory_id}{'' if results[0].stored else '  (there already)'}")


def recall(
    query: Annotated[str, typer.Argument(help="A question, or words.")],
    bank: BanksOption,
    most: Annotated[int, typer.Option("--max", "-n", min=1, help="Hits, at most.")] = 10,
    tags: TagsOption = None,
    min_score: Annotated[float, typer.Option("--min-score", min=0.0, max=1.0, help="Leave out what is lower.")] = 0.0,
    since: Annotated[datetime | None, typer.Option("--since", formats=MOMENTS, help="Happened then or later.")] = None,
    until: Annotated[datetime | None, typer.Option("--until", formats=MOMENTS, help="Happened by then.")] = None,
    as_of: Annotated[datetime | None, typer.Option("--as-of", formats=MOMENTS, help="What was known by then.")] = None,
    layers: Annotated[
        list[str] | None, typer.Option("--layer", help="fact, observation, model or page; repeatable.")
    ] = None,
    is_traced: Annotated[bool, typer.Option("--trace", help="Tell which evidence found each hit.")] = False,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find what was remembered, best first: score, when, who, what."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from astrocyte.memories import RecallResult

    async def work() -> RecallResult:
        async with Place(url, data, config, principal).opened() as memory:
            span = (since, until) if since or until else None
            return await memory.recall(
                query,
                banks=bank,
                max_results=most,
                tags=tags or (),
                min_score=min_score,
                time_range=span,
                as_of=as_of,
                layers=layers or None,
                trace=is_traced,
            )

    found = run_async(work())
    if as_json:
        print_json(found)
        return
    for place, hit in enumerate(found.hits):
        typer.echo(hit_line(hit))
        if is_traced:
            typer.echo("\n".join(leg_lines(found.trace.hits[place])))
    if not found.hits:
        typer.echo("nothing was found", err=True)
    if is_traced:
        spent = ", ".join(f"{step} {taken:.1f}" for step, taken in found.trace.strategy_timings_ms.items())
        searched = f"{found.trace.total_candidates} memories in {found.trace.latency_ms:.1f} ms"
        typer.echo(f"searched {searched}{f' ({spent})' if spent else ''}")


def reflect(
    query: Annotated[str, typer.Argument(help="A question.")],
    bank: BanksOption,
    tags: TagsOption = None,
    as_of: Annotated[datetime | None, typer.Option("--as-of", formats=MOMENTS, help="What was known by then.")] = None,
    is_quoted: Annotated[
        bool, typer.Option("--extractive", help="The memories' own words, even if a language model is configured.")
    ] = False,
    skepticism: Annotated[int, typer.Option("--skepticism", min=1, max=5, help="How good evidence must be.")] = 3,
    literalism: Annotated[
        int, typer.Option("--literalism", min=1, max=5, help="How closely a language model keeps to what is written.")
    ] = 3,
    empathy: Annotated[int, typer.Option("--empathy", min=1, max=5, help="How much it minds feelings.")] = 3,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question from memory, with citations."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json, visible
    from astrocyte.memories import Dispositions, ReflectResult

    async def work() -> ReflectResult:
        async with Place(url, data, config, principal).opened() as memory:
            method: Literal["auto", "extractive"] = "extractive" if is_quoted else "auto"
            inclined = Dispositions(skepticism=skepticism, literalism=literalism, empathy=empathy)
            return await memory.reflect(
                query, banks=bank, tags=tags or (), as_of=as_of, dispositions=inclined, method=method
            )

    answer = run_async(work())
    if as_json:
        print_json(answer)
        return
    typer.echo(visible(answer.answer))
    for number, hit in enumerate(answer.sources, 1):
        typer.echo(f"  [{number}] {hit_line(hit)}")


def forget(
    bank: BankOption,
    memory_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Memories by their ids.")] = None,
    tags: TagsOption = None,
    before: Annotated[datetime | None, typer.Option("--before", formats=MOMENTS, help="Older than this.")] = None,
    since: Annotated[datetime | None, typer.Option("--since", formats=MOMENTS, help="This old, or newer.")] = None,
    query: Annotated[
        str | None, typer.Option("--query", "-q", help="What a recall finds; shown before it goes.")
    ] = None,
    min_score: Annotated[float, typer.Option("--min-score", min=0.0, max=1.0, help="Of what --query finds.")] = 0.5,
    everything: Annotated[bool, typer.Option("--all", help="The whole bank.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="For the audit log.")] = None,
    is_tried: Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and change nothing.")] = False,
    is_sure: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before a whole bank goes, or what --query finds.")
    ] = False,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget for good what meets every condition that is given."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from astrocyte.memories import ForgetPreview, ForgetResult

    place = Place(url, data, config, principal)

    async def look() -> ForgetPreview:
        async with place.opened() as memory:
            return await memory.preview_forget(
                bank,
                query=query,
                min_score=min_score,
                memory_ids=memory_ids or None,
                tags=tags or None,
                before_date=before,
                since_date=since,
                scope="all" if everything else None,
                limit=MOST_FORGOTTEN,
            )

    chosen = memory_ids or None
    if is_tried or query is not None:
        seen = run_async(look())
        if is_tried and as_json:
            print_json(seen)
            return
        typer.echo("\n".join(preview_lines(seen)), err=not is_tried)
        if is_tried or not seen.total:
            return
        if seen.total > len(seen.memories):
            raise ConfigError(f"these are more than {len(seen.memories)}", hint="raise --min-score, or name --tag")
        chosen = [one.memory_id for one in seen.memories]
    if not is_sure and (everything or query is not None):
        asked = f"Forget everything in bank '{bank}'" if everything else "Forget these"
        typer.confirm(f"{asked} for good?", abort=True, err=True)

    async def work() -> ForgetResult:
        async with place.opened() as memory:
            return await memory.forget(
                bank,
                memory_ids=chosen,
                tags=tags or None,
                before_date=before,
                since_date=since,
                scope="all" if everything and query is None else None,
                reason=reason,
            )

    gone = run_async(work())
    if as_json:
        print_json(gone)
    else:
        typer.echo(f"{gone.deleted_count} forgotten")


def list_memories(
    bank: BankOption,
    most: Annotated[int, typer.Option("--max", "-n", min=1, help="Memories, at most.")] = 100,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what is in a bank, oldest first: when, id, who, what."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from astrocyte.memories import MemoryRecord

    async def work() -> tuple[list[MemoryRecord], bool]:
        found: list[MemoryRecord] = []
        cursor = None
        async with Place(url, data, config, principal).opened() as memory:
            while True:
                page = await memory.list_memories(bank, cursor=cursor, limit=min(most - len(found), LISTED_AT_ONCE))
                found, cursor = found + page.memories, page.next_cursor
                if cursor is None or len(found) >= most:
                    return found, cursor is not None

    memories, is_more = run_async(work())
    if as_json:
        print_json({"memories": memories, "more": is_more})
        return
    for one in memories:
        typer.echo(memory_line(one))
    if is_more:
        typer.echo(f"and more: these are the first {most}, --max shows others", err=True)


def whoami(
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell whom memory takes the caller for.

    And what holds where no grant fits.
    """
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json, visible
    from astrocyte.access.identity import WhoAmI

    async def work() -> WhoAmI:
        async with Place(url, data, config, principal).opened() as memory:
            return await memory.whoami()

    found = run_async(work())
    if as_json:
        print_json(found)
        return
    policy = found.default_policy or "grants are not enforced"
    typer.echo(visible(f"{found.principal}  (auth mode {found.auth_mode}; {policy})"))


def _memory(number: int, line: str) -> "NewMemory":
    import msgspec

    from astrocyte.memories import NewMemory

    try:
        return msgspec.json.decode(line, type=NewMemory)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"line {number}: {error}", hint='a line is {"content": "…", "tags": ["…"], …}') from None
