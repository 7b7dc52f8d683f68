"""`aster trust deny`, `allow`, `denied`: the deny-list of a server, whether it runs or not."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.trust.denials import Denial, DenyList

T = TypeVar("T")

SubjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT", help="An EndpointId, an address, a credential's id, or the file of a credential."
    ),
]
StorageOption = Annotated[
    Path, typer.Option("--storage", envvar="ASTER_STORAGE_PATH", help="The server's storage_path.")
]


def deny(
    subject: SubjectArgument,
    storage: StorageOption,
    note: Annotated[str, typer.Option("--note", help="Kept with the entry, e.g. why.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Turn an endpoint, or whoever shows a credential, away. A running server closes its connections soon after."""
    from aster.cli.terminal import print_json

    name = _id_of(subject)
    denial = _with_list(storage, lambda denied: denied.deny(name, note))
    if as_json:
        print_json(denial)
    else:
        typer.echo(f"denied {denial.id}")


def allow(subject: SubjectArgument, storage: StorageOption, as_json: JsonOption = False) -> None:
    """Take an entry off the deny-list. It admits nobody by itself. Exit code 1 when there was none."""
    from aster.cli.terminal import print_json

    name = _id_of(subject)
    removed = _with_list(storage, lambda denied: denied.allow(name))
    if as_json:
        print_json({"id": name, "removed": removed})
    else:
        typer.echo(f"{name} is denied no more" if removed else f"{name} was not denied")
    if not removed:
        raise typer.Exit(1)


def list_denied(storage: StorageOption, as_json: JsonOption = False) -> None:
    """What is denied, oldest first."""
    from aster.cli.terminal import print_json

    async def entries(denied: "DenyList") -> "list[Denial]":
        return denied.entries()

    found = _with_list(storage, entries)
    if as_json:
        print_json(found)
        return
    for entry in found:
        moment = datetime.fromtimestamp(entry.denied_at, UTC).isoformat()
        typer.echo(f"{entry.id}  {moment}  {entry.note}".rstrip())
    if not found:
        typer.echo("nothing is denied")


def _with_list(storage: Path, work: "Callable[[DenyList], Awaitable[T]]") -> T:
    import asyncio

    from aster.trust.denials import DenyList
    from aster.trust.nonces import StoredJournal

    folder = storage.expanduser()
    if not folder.is_dir():
        raise ConfigError(f"there is no storage at {folder}", hint="the folder that the server's storage_path names")

    async def run() -> T:
        journal = StoredJournal.open(str(folder))
        try:
            return await work(DenyList(journal.database, journal.audit))
        finally:
            await journal.close()

    return asyncio.run(run())


def _id_of(subject: str) -> str:
    """The 64 hex characters that stand for what a person named."""
    from aster.cli.credentials import read_any_credential
    from aster.transport.address import parse_address
    from aster.transport.errors import InvalidAddress
    from aster.trust.credential import credential_id

    if re.fullmatch(r"[0-9a-fA-F]{64}", subject):
        return subject.lower()
    if Path(subject).expanduser().is_file():
        return credential_id(read_any_credential(Path(subject)))
    try:
        return parse_address(subject).endpoint_id
    except InvalidAddress:
        raise ConfigError(
            f"'{subject[:80]}' is neither an endpoint nor a credential",
            hint="an EndpointId, an address, a credential's id (aster trust inspect), or the file of a credential",
        ) from None
