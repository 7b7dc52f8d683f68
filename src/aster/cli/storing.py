"""What the commands of blobs and docs share: the folder, the client that fetches, the server that shares."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.connecting import ConnectionOptions
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.rpc.client import AsterClient
    from aster.rpc.server import AsterServer
    from aster.storage.blobs.store import BlobStore
    from aster.storage.docs.store import DocStore

DEFAULT_FOLDER = Path("~/.aster/storage")

StorageOption = Annotated[
    Path, typer.Option("--storage", envvar="ASTER_STORAGE_PATH", help="The folder of the store; a node's storage_path.")
]
FromOption = Annotated[
    list[str] | None, typer.Option("--from", metavar="ADDRESS", help="A peer to ask, by its address; repeatable.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def blob_store(folder: Path) -> Iterator["BlobStore"]:
    """The store in a folder, for this process alone or beside a server that uses it."""
    from aster.storage.blobs.store import BlobStore

    os.umask(0o077)
    store = BlobStore.at(folder)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def doc_store(folder: Path) -> Iterator["DocStore"]:
    """The documents in a folder."""
    from aster.storage.docs.store import DocStore

    with blob_store(folder) as blobs:
        yield DocStore(blobs)


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


@asynccontextmanager
async def sharing(folder: Path, config: Path | None) -> AsyncIterator["AsterServer"]:
    """A server that offers nothing but what is shared of a folder."""
    from aster.config import AsterConfig
    from aster.rpc.server import AsterServer

    found = AsterConfig.from_file(config) if config else AsterConfig.from_env()
    if found.source("log_level") == "default":
        found = found.with_inline(log_level="error")
    async with AsterServer([], config=found.with_inline(storage_path=str(folder))) as server:
        yield server


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
