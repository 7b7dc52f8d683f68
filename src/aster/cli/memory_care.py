"""`astrocyte doctor`, `backup`, `erase`: keeping memory in order."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from astrocyte.banks import ErasureReport
    from astrocyte.memories import Finding


def doctor(
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine a store: integrity, audit chain, models, room. Exit code 1 when something is wrong.

    A data directory must not be served meanwhile; a server is asked with --url, and for its admin token.
    """
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json, visible

    async def work() -> "list[Finding]":
        place = Place(url, data, config, None)
        if url is not None:
            async with place.opened() as memory:
                return (await memory.doctor()).findings
        async with place.engine() as engine:
            return await engine.doctor()

    findings = run_async(work())
    if as_json:
        print_json(findings)
    else:
        for found in findings:
            word, colour = _verdict(found)
            typer.secho(f"{word:<7}", fg=colour, nl=False)
            typer.echo(visible(f"{found.check}: {found.detail}" + (f" ({found.hint})" if found.hint else "")))
    if not all(found.is_well for found in findings):
        raise typer.Exit(1)


def _verdict(found: "Finding") -> tuple[str, str]:
    """A word and its colour: what is well may still have a hint at what would be better."""
    if not found.is_well:
        return "wrong", "red"
    return ("advice", "yellow") if found.hint else ("ok", "green")


def backup(
    path: Annotated[Path, typer.Argument(help="The file to write.")],
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
) -> None:
    """Write a consistent copy of the whole store to one file.

    Also while a server uses it.
    """
    from aster.foundation.errors import StorageError
    from astrocyte.errors import NotSupported
    from astrocyte.stores.sqlite_file import copy_file

    scheme, _, rest = Place(None, data, config, None).storage_url.partition(":///")
    if scheme != "sqlite":
        raise NotSupported("this database is not one file to be copied", hint="use its server's backup (pg_dump)")
    source = Path(rest)
    if not source.is_file():
        raise StorageError(f"there is no store {source}", hint="name its directory with --data DIR")
    written = copy_file(source, path)
    typer.echo(f"{written.stat().st_size:,} bytes in {written}")


def erase(
    person: Annotated[str, typer.Argument(help="Whose data, e.g. user:alice.")],
    names: Annotated[list[str] | None, typer.Option("--name", help="A name they are known by; repeatable.")] = None,
    mentions: Annotated[bool, typer.Option("--mentions", help="Also what others said about them.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="For the audit log.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and change nothing.")] = False,
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: UrlOption = None,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    principal: PrincipalOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase a person's data across all banks, for good.

    Shows what it is before it asks; no byte of it is left in the store's files.
    """
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from astrocyte.requests import EraseRequest

    def request(*, dry_run: bool) -> EraseRequest:
        return EraseRequest(
            principal=person, names=names or [], include_mentions=mentions, reason=reason, dry_run=dry_run
        )

    async def work() -> "ErasureReport":
        async with Place(url, data, config, principal).opened() as memory:
            found = await memory.erase(request(dry_run=True))
            if dry_run or not found.memories:
                return found
            if not is_sure:
                _tell(found)
                typer.confirm("Erase all of it for good?", abort=True, err=True)
            return await memory.erase(request(dry_run=False))

    report = run_async(work())
    if as_json:
        print_json(report)
    else:
        _tell(report)


def _tell(report: "ErasureReport") -> None:
    from aster.cli.terminal import visible

    for bank in report.banks:
        because = ", ".join(f"{count} {reason}" for reason, count in sorted(bank.because.items()))
        held = f"; under hold: {', '.join(bank.holds)}" if bank.holds else ""
        typer.echo(visible(f"{bank.bank_id}: {bank.memories} ({because}{held})"))
    verb = "would be erased" if report.is_dry_run else "erased"
    typer.echo(f"{report.memories} {verb}; {report.mentions} of others mention them")
