"""What the commands of blobs and docs have in common: the folder, the client that fetches, the server that offers."""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.connecting import ConnectionOptions
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.config import AsterConfig
    from aster.rpc.client import AsterClient
    from aster.rpc.server import AsterServer
    from aster.storage.blobs.store import BlobStore
    from aster.storage.docs.store import DocStore

DEFAULT_FOLDER = Path("~/.aster/storage")

Share = Callable[["AsterServer", Sequence[str]], Awaitable[dict[str, str]]]
"""Makes a ticket at a server, for these addresses or its own; what ``--json`` prints, with ``ticket`` in it."""

StorageOption = Annotated[
    Path | None,
    typer.Option(
        "--storage",
        envvar="ASTER_STORAGE_PATH",
        help="The folder of the store, a node's storage_path; the settings', else ~/.aster/storage.",
    ),
]
FromOption = Annotated[
    list[str] | None, typer.Option("--from", metavar="ADDRESS", help="A peer to ask, by its address; repeatable.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def store_settings(folder: Path | None, config: Path | None) -> "AsterConfig":
    """The settings of a command that keeps something, always with a folder."""
    from aster.config import AsterConfig

    found = AsterConfig.from_file(config) if config else AsterConfig.from_env()
    return found.with_inline(storage_path=folder or found.storage_path or DEFAULT_FOLDER)


@contextmanager
def blob_store(folder: Path | None, config: Path | None = None) -> Iterator["BlobStore"]:
    """The store in a folder, for this process alone or beside a server that uses it."""
    from aster.storage.blobs.store import BlobStore
    from aster.storage.limits import StorageLimits

    settings = store_settings(folder, config)
    os.umask(0o077)
    store = BlobStore.at(settings.storage_path or DEFAULT_FOLDER, StorageLimits.of(settings))
    try:
        yield store
    finally:
        store.close()


@contextmanager
def doc_store(folder: Path | None, config: Path | None = None) -> Iterator["DocStore"]:
    """The documents in a folder."""
    from aster.storage.docs.store import DocStore

    with blob_store(folder, config) as blobs:
        yield DocStore(blobs)


def reaching(
    folder: Path | None, config: Path | None, credential: Path | None, identity: Path | None, peer: str | None
) -> ConnectionOptions:
    """How a command that keeps something reaches peers; the addresses come from a ticket or ``--from``."""
    return ConnectionOptions(None, config, credential, identity, peer, store_settings(folder, config).storage_path)


@asynccontextmanager
async def fetching(options: ConnectionOptions, addresses: Sequence[str]) -> AsyncIterator["AsterClient"]:
    """A client of the first of these peers that answers, which can ask the others too."""
    from aster.rpc.status import UnavailableError

    if not addresses:
        raise ConfigError("there is no peer to ask", hint="a ticket with an address, or --from ADDRESS")
    failure: UnavailableError | None = None
    for address in addresses:
        client = replace(options, address=address).client()
        try:
            await client.connect()
        except UnavailableError as error:
            failure = error
            await client.close()
            continue
        async with client:
            yield client
        return
    if failure is not None:
        raise failure


def offer(folder: Path | None, config: Path | None, address: str | None, share: Share, *, as_json: bool) -> None:
    """Print the ticket that ``share`` makes, and serve what it is for until Ctrl-C.

    With ``address`` a server that runs already, on the same folder, serves it; then this ends at once.
    """
    from aster.cli.running import run_async, stop_on_signals
    from aster.cli.terminal import print_json
    from aster.rpc.server import AsterServer

    settings = store_settings(folder, config)
    if settings.source("log_level") == "default":
        settings = settings.with_inline(log_level="error")

    def tell(told: dict[str, str]) -> None:
        print_json(told) if as_json else typer.echo(told["ticket"])

    async def serve() -> None:
        async with AsterServer([], config=settings) as server:
            stop = stop_on_signals()
            tell(await share(server, []))
            typer.echo(f"serving at {server.address}; Ctrl-C ends it", err=True)
            await stop.wait()

    async def leave_it_to(address: str) -> None:
        server = AsterServer([], config=settings)  # never started: it only writes into the folder
        try:
            tell(await share(server, [address]))
        finally:
            await server.close()

    run_async(serve() if address is None else leave_it_to(address))


@contextmanager
def bytes_shown(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes on a terminal (standard error), nothing in a pipe: called with what is done and the whole."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    is_shown = sys.stderr.isatty()
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not is_shown) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


def human_bytes(size: int) -> str:
    """Bytes in a unit that people read."""
    value, units = float(size), ("B", "KiB", "MiB", "GiB", "TiB")
    for unit in units:
        if value < 1024 or unit == units[-1]:
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError
