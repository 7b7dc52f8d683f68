"""`astrocyte lifecycle`, `reembed`: what is done to whole banks now and then. A gateway asks for its admin token."""

from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.memory_banks import every_bank
from aster.cli.memory_opening import DEFAULT_DATA, ConfigOption, DataOption, JsonOption, Place, UrlOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from astrocyte.banks import LifecycleResult, ReembedResult

PASSAGES_AT_ONCE = 512

BanksArgument = Annotated[list[str] | None, typer.Argument(metavar="[BANK]...", help="The banks.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every bank.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and change nothing.")]


def lifecycle(
    banks: BanksArgument = None,
    everything: AllOption = False,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put away and forget what is old enough by the rules.

    The banks' own rules where they have some, else the engine's. Servers do it by themselves.
    """
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json, visible

    place = Place(url, data, config, None)

    async def work() -> "dict[str, LifecycleResult]":
        names = await _chosen(place, banks, everything=everything)
        async with place.opened() as memory:
            return {bank: await memory.run_lifecycle(bank, dry_run=dry_run) for bank in names}

    results = run_async(work())
    if as_json:
        print_json({"banks": results})
        return
    would = "would be " if dry_run else ""
    for bank, done in results.items():
        spared = f", {done.skipped_count} exempt" if done.skipped_count else ""
        counts = f"{done.archived_count} {would}put away, {done.deleted_count} {would}forgotten"
        typer.echo(visible(f"{bank}: {counts}{spared}"))
        if dry_run:
            for step in done.actions:
                typer.echo(visible(f"  {step.action:<8} {step.memory_id}  {step.reason}"))


def reembed(
    banks: BanksArgument = None,
    everything: AllOption = False,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give banks vectors of the embedding model in use.

    All anew after a change of model, else to those memories that lack some, such as an earlier version's. A server of
    the same data directory goes on meanwhile; one with another model is restarted with the new one afterwards. When it
    is interrupted, run it again: it goes on where it stopped.
    """
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json, visible

    place = Place(url, data, config, None)

    async def work() -> "list[ReembedResult]":
        names = await _chosen(place, banks, everything=everything, beside_server=True)
        return [await _reembedded(place, bank, dry_run=dry_run, is_told=not as_json) for bank in names]

    results = run_async(work())
    if as_json:
        print_json({"banks": results})
        return
    for done in results:
        if dry_run:
            state = f"{done.remaining:,} of {done.passages:,} passages to embed"
        else:
            state = f"{done.embedded:,} passages embedded" if done.embedded else "nothing to do"
        change = "" if done.previous_model in (done.model, None) else f", before {done.previous_model}"
        typer.echo(visible(f"{done.bank_id}: {state} (model {done.model}{change})"))


async def _reembedded(place: Place, bank: str, *, dry_run: bool, is_told: bool) -> "ReembedResult":
    from contextlib import nullcontext

    import msgspec

    from aster.cli.terminal import narrator

    async with place.opened(beside_server=True) as memory:
        seen = await memory.reembed(bank, dry_run=True)
        if dry_run:
            return seen
        is_long = is_told and seen.remaining > PASSAGES_AT_ONCE
        embedded = 0
        with narrator(as_json=False).progress(bank, seen.remaining) if is_long else nullcontext() as advance:
            while True:
                done = await memory.reembed(bank, limit=PASSAGES_AT_ONCE)
                embedded += done.embedded
                if advance is not None:
                    advance(done.embedded)
                if done.is_finished:
                    return msgspec.structs.replace(
                        done, embedded=embedded, previous_model=seen.previous_model, remaining=0
                    )


async def _chosen(place: Place, banks: list[str] | None, *, everything: bool, beside_server: bool = False) -> list[str]:
    if bool(banks) == everything:
        raise ConfigError("name the banks, or --all", hint="astrocyte banks lists them")
    return await every_bank(place, beside_server=beside_server) if everything else list(banks or ())
