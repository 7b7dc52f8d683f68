"""`aster doc`: signed key-value documents, the same on every node that joined them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.connecting import ConfigOption, CredentialOption, IdentityOption, PeerOption
from aster.cli.storing import (
    FromOption,
    JsonOption,
    StorageOption,
    doc_store,
    fetching,
    human_bytes,
    offer,
    reaching,
    store_settings,
)
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aster.rpc.server import AsterServer
    from aster.storage.docs.replica import Change

app = typer.Typer(no_args_is_help=True, help="Signed key-value documents: create, edit, share, join, watch.")

DocArgument = Annotated[str, typer.Argument(metavar="DOC", help="A document's name here, or its id.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="For use here; others choose their own.")],
    storage: StorageOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a document and print its id."""
    from aster.cli.terminal import print_json

    with doc_store(storage, config) as docs:
        doc = docs.create(name)
    if as_json:
        print_json({"id": doc.id, "name": name})
    else:
        typer.echo(doc.id)


@app.command(name="set")
def set_key(
    doc: DocArgument,
    key: KeyArgument,
    value: Annotated[str, typer.Argument(help="Text, @FILE, or - for standard input.")],
    storage: StorageOption = None,
    config: ConfigOption = None,
) -> None:
    """Set a key."""
    with doc_store(storage, config) as docs:
        docs.open(doc).set(key, _value(value))


@app.command()
def get(
    doc: DocArgument,
    key: KeyArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file; standard output without it.")] = None,
    storage: StorageOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a key's value out. Exit code 1 when there is none."""
    with doc_store(storage, config) as docs:
        value = docs.open(doc).get(key)
    if value is None:
        typer.echo(f"no key '{key}' in {doc}", err=True)
        raise typer.Exit(1)
    if out is not None:
        out.write_bytes(value)
        return
    sys.stdout.buffer.write(value)
    if sys.stdout.isatty():
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


@app.command()
def rm(doc: DocArgument, key: KeyArgument, storage: StorageOption = None, config: ConfigOption = None) -> None:
    """Delete a key, wherever the document is. Exit code 1 when there was none."""
    with doc_store(storage, config) as docs:
        if not docs.open(doc).delete(key):
            typer.echo(f"no key '{key}' in {doc}", err=True)
            raise typer.Exit(1)


@app.command(name="ls")
def list_docs(
    doc: Annotated[
        str | None, typer.Argument(metavar="[DOC]", help="List its keys; without it, list documents.")
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Only keys that begin with it.")] = "",
    storage: StorageOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List documents, or the keys of one with their sizes and authors."""
    from aster.cli.terminal import print_json

    with doc_store(storage, config) as docs:
        if doc is not None:
            entries = list(docs.open(doc).entries(prefix))
            if as_json:
                print_json(entries)
            for entry in () if as_json else entries:
                typer.echo(f"{entry.key}  {human_bytes(entry.size)}  {entry.author[:10]}")
            return
        infos = docs.docs()
    if as_json:
        print_json(infos)
    for info in () if as_json else infos:
        rights = "write" if info.can_write else "read"
        shared = "shared" if info.is_shared else ""
        typer.echo(f"{info.id}  {info.entries:>8} keys  {rights:<5}  {info.name or ''}  {shared}".rstrip())


@app.command()
def share(
    doc: DocArgument,
    can_write: Annotated[bool, typer.Option("--write", help="Let whoever has the ticket write, too.")] = False,
    storage: StorageOption = None,
    address: Annotated[
        str | None, typer.Option("--address", help="Of a server that uses the same storage; don't serve here.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a ticket and synchronize with whoever has it until Ctrl-C."""

    async def share_at(server: "AsterServer", addresses: Sequence[str]) -> dict[str, str]:
        opened = await server.docs.open(doc)
        return {"ticket": await opened.share(write=can_write, addresses=addresses), "doc": opened.id}

    offer(storage, config, address, share_at, as_json=as_json)


@app.command()
def join(
    ticket: Annotated[str, typer.Argument(help="An asterdoc1… ticket.")],
    name: Annotated[str | None, typer.Option("--name", help="For use here.")] = None,
    storage: StorageOption = None,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take part in a document and fetch what is in it."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from aster.storage.tickets import parse_doc_ticket

    parsed = parse_doc_ticket(ticket)
    options = reaching(storage, config, credential, identity, peer)

    async def work() -> int:
        async with fetching(options, parsed.addresses) as client:
            doc = await client.docs.join(parsed, name=name)
            return len(await doc.entries())

    count = run_async(work())
    if as_json:
        print_json({"id": parsed.doc_id, "name": name, "entries": count})
    else:
        typer.echo(f"{parsed.doc_id}  {count} keys")


@app.command()
def sync(
    doc: DocArgument,
    peers: FromOption = None,
    storage: StorageOption = None,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Exchange with peers until all have the same."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from aster.rpc.storage.docs import Synced

    options = reaching(storage, config, credential, identity, peer)

    async def work() -> Synced:
        async with fetching(options, peers or []) as client:
            return await (await client.docs.open(doc)).sync(peers=peers or ())

    synced = run_async(work())
    if as_json:
        print_json(synced)
    else:
        typer.echo(
            f"the same after {synced.rounds} round trips; large values: {synced.values_fetched} came,"
            f" {synced.values_sent} went"
        )


@app.command()
def watch(
    doc: DocArgument,
    prefix: Annotated[str, typer.Option("--prefix", help="Only keys that begin with it.")] = "",
    peers: FromOption = None,
    storage: StorageOption = None,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print changes as they happen, until Ctrl-C; with --from, stay the same as that peer meanwhile."""
    import asyncio

    from aster.cli.running import run_async

    async def show(changes: "AsyncIterator[Change]") -> None:
        async for change in changes:
            typer.echo(_line(change, as_json=as_json))

    async def alone() -> None:
        from aster.rpc.storage.node import NodeStorage

        node = NodeStorage(store_settings(storage, config), lambda: None)
        try:
            await show((await node.docs.open(doc)).subscribe(prefix))
        finally:
            await node.close()

    async def with_peer() -> None:
        options = reaching(storage, config, credential, identity, peer)
        async with fetching(options, peers or []) as client:
            opened = await client.docs.open(doc)
            async with asyncio.TaskGroup() as group:
                group.create_task(show(opened.subscribe(prefix)))
                group.create_task(opened.follow())

    run_async(with_peer() if peers else alone())


@app.command()
def gc(
    storage: StorageOption = None,
    config: ConfigOption = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", min=0, metavar="SECONDS", help="By default tombstone_seconds.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Forget old deletions. A node that was away for longer brings back what it did not hear was deleted."""
    from aster.cli.terminal import print_json

    with doc_store(storage, config) as docs:
        if older_than is None and not docs.blobs.limits.tombstone_seconds:
            raise ConfigError(
                "deletions are kept for ever",
                hint="--older-than SECONDS, or tombstone_seconds in the settings",
            )
        count = docs.collect_garbage(older_than=older_than)
    if as_json:
        print_json({"forgotten": count})
    else:
        typer.echo(f"forgot {count} deletions")


def _line(change: "Change", *, as_json: bool) -> str:
    if as_json:
        import msgspec

        return msgspec.json.encode(change).decode()
    where = "here" if change.is_local else change.author[:10]
    return f"{change.key}  {'deleted' if change.is_deleted else human_bytes(change.size)}  {where}"


def _value(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"{text[1:]} can't be read: {error.strerror or error}") from None
