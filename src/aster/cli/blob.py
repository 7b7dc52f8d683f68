"""`aster blob`: content by its hash, kept in a folder, shared with peers and fetched from them."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster.cli.connecting import ConfigOption, CredentialOption, IdentityOption, PeerOption
from aster.cli.storing import (
    FromOption,
    JsonOption,
    StorageOption,
    blob_store,
    bytes_shown,
    fetching,
    human_bytes,
    offer,
    reaching,
)
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aster.rpc.server import AsterServer
    from aster.storage.blobs.model import BlobRef, Damage
    from aster.storage.blobs.store import BlobStore
    from aster.storage.blobs.writing import BlobWriter
    from aster.storage.tickets import BlobTicket

READ_BYTES = 1 << 20

app = typer.Typer(no_args_is_help=True, help="Content by its hash: add, fetch, tag, share, verify.")

WhatArgument = Annotated[str, typer.Argument(metavar="BLOB", help="A hash, or a tag.")]


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, folders, or - for standard input.")],
    storage: StorageOption = None,
    config: ConfigOption = None,
    tag: Annotated[str | None, typer.Option("--tag", help="The name that keeps it; by default its hash.")] = None,
    is_untagged: Annotated[bool, typer.Option("--no-tag", help="Let the next garbage collection take it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add files, and folders as collections; print their hashes. A blob stays until its tag is removed."""
    from aster.cli.terminal import print_json

    if tag is not None and (is_untagged or len(paths) > 1):
        raise ConfigError("--tag names one blob", hint="add one path at a time, and without --no-tag")
    added = []
    with blob_store(storage, config) as store:
        for path in paths:
            ref = _add(store, path)
            if not is_untagged:
                store.tag(tag or ref.hash, ref)
            added.append({"path": str(path), "hash": ref.hash, "size": ref.size, "is_collection": ref.is_collection})
            if not as_json:
                typer.echo(f"{ref.hash}  {path}")
    if as_json:
        print_json(added)


@app.command()
def get(
    what: Annotated[str, typer.Argument(metavar="BLOB", help="A ticket, a hash, or a tag.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file, or a folder for a collection; - is standard output.")
    ] = None,
    storage: StorageOption = None,
    peers: FromOption = None,
    tag: Annotated[str | None, typer.Option("--tag", help="The name that keeps it; by default its hash.")] = None,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a blob into the store, unless it is there, and write it out. Interrupted, it goes on where it was."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json

    with blob_store(storage, config) as store:
        ticket, found = _wanted(store, what)
        is_here = store.has(found)
    if not is_here:
        options = reaching(storage, config, credential, identity, peer)
        addresses = [*(ticket.addresses if ticket else ()), *(peers or [])]

        async def work() -> None:
            async with fetching(options, addresses) as client:
                with bytes_shown("fetching") as shown:
                    await client.blobs.download(ticket or found, peers=peers or (), tag=tag or found, progress=shown)

        run_async(work())
    with blob_store(storage, config) as store:
        ref = store.ref(found)
        if out is not None:
            _write(store, ref, out)
    if as_json:
        print_json({"hash": ref.hash, "size": ref.size, "is_collection": ref.is_collection, "out": out})
    elif out is None:
        typer.echo(f"{ref.hash}  {human_bytes(ref.size)}")


@app.command(name="ls")
def list_blobs(storage: StorageOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what is in the store with its tags, and what has come of unfinished downloads."""
    import msgspec

    from aster.cli.terminal import print_json
    from aster.storage.blobs.model import BlobRef

    with blob_store(storage, config) as store:
        names: dict[str, list[str]] = {}
        for each in store.tags():
            names.setdefault(each.hash, []).append(each.name)
        rows = [(ref, names.get(ref.hash, [])) for ref in store.refs()]
        used, partials = store.usage(), list(store.partials())
    if as_json:
        whole = [{**msgspec.to_builtins(ref), "bytes_present": ref.size, "tags": tags} for ref, tags in rows]
        part = [
            {**msgspec.to_builtins(BlobRef(came.hash, came.size)), "bytes_present": came.bytes_present, "tags": []}
            for came in partials
        ]
        print_json(whole + part)
        return
    for ref, tags in rows:
        shown = ", ".join(tag for tag in tags if tag != ref.hash)
        kind = "collection" if ref.is_collection else ""
        typer.echo(f"{ref.hash}  {human_bytes(ref.size):>10}  {kind:<10}  {shown}".rstrip())
    for came in partials:
        typer.echo(
            f"{came.hash}  {human_bytes(came.size):>10}  partial     {human_bytes(came.bytes_present)} have come"
        )
    typer.echo(f"{used.blobs} blobs, {human_bytes(used.bytes)}")


@app.command()
def rm(what: WhatArgument, storage: StorageOption = None, config: ConfigOption = None) -> None:
    """Remove a tag, a blob with its tags, or what has come of an unfinished download. Exit code 1 without one.

    A blob that a doc or a collection keeps stays.
    """
    with blob_store(storage, config) as store:
        digest = store.tagged(what) or what
        for name in store.status(digest).tags:
            if what in (digest, name):
                store.untag(name)
        if store.status(digest).tags:
            typer.echo(f"untagged {what}")
            return
        if any(each.hash == digest for each in store.partials()):
            store.discard_partial(digest)
        elif not store.remove(digest):
            typer.echo(f"no blob {what} here", err=True)
            raise typer.Exit(1)
    typer.echo(f"removed {digest}")


@app.command(name="tag")
def tag_blob(
    name: Annotated[str, typer.Argument(help="The name; one that is in use moves.")],
    what: WhatArgument,
    storage: StorageOption = None,
    config: ConfigOption = None,
) -> None:
    """Give a blob a name, which keeps it."""
    with blob_store(storage, config) as store:
        store.tag(name, store.tagged(what) or what)


@app.command()
def share(
    what: Annotated[str, typer.Argument(metavar="BLOB", help="A hash, a tag, or a path.")],
    storage: StorageOption = None,
    role: Annotated[str | None, typer.Option("--role", help="Only for peers with this role.")] = None,
    is_public: Annotated[bool, typer.Option("--public", help="For every peer that is admitted.")] = False,
    seconds: Annotated[float | None, typer.Option("--for", min=1, metavar="SECONDS", help="How long.")] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="Of a server that uses the same storage; don't serve here.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a ticket and serve the blob until Ctrl-C. Whoever has the ticket can read it, until `blob unshare`.

    A file or folder that is not in the store yet is added first.
    """
    with blob_store(storage, config) as store:
        if store.tagged(what) is None and Path(what).exists():
            ref = _add(store, Path(what))
            store.tag(ref.hash, ref)
            what = ref.hash

    async def share_at(server: "AsterServer", addresses: Sequence[str]) -> dict[str, str]:
        ticket = await server.blobs.share(what, role=role, public=is_public, expires_in=seconds, addresses=addresses)
        return {"ticket": ticket}

    offer(storage, config, address, share_at, as_json=as_json)


@app.command()
def unshare(what: WhatArgument, storage: StorageOption = None, config: ConfigOption = None) -> None:
    """Take back every share of a blob or tag. Exit code 1 when there was none."""
    from aster.storage.blobs.chunks import parse_hash
    from aster.storage.blobs.sharing import Sharing, blob_target, tag_target

    with blob_store(storage, config) as store:
        target = tag_target(what) if store.tagged(what) else blob_target(parse_hash(what))
        count = Sharing(store).unshare(target)
    typer.echo(f"took back {count} shares")
    if not count:
        raise typer.Exit(1)


@app.command()
def verify(storage: StorageOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Read everything and name what is damaged. Exit code 1 when something is."""
    from aster.cli.terminal import print_json

    damaged, done = [], 0
    with blob_store(storage, config) as store, bytes_shown("verifying") as shown:
        total = store.usage().blobs
        for ref in store.refs():
            damaged += [damage for damage in [store.check(ref)] if damage]
            done += 1
            shown(done, total)
    if as_json:
        print_json(damaged)
    for damage in () if as_json else damaged:
        typer.echo(f"{damage.hash}  {damage.problem}")
    if damaged:
        if not as_json:
            typer.echo("'aster blob repair --from ADDRESS' fetches what is damaged from a peer that has it", err=True)
        raise typer.Exit(1)
    if not as_json:
        typer.echo(f"{done} blobs are sound")


@app.command()
def repair(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[BLOB]", help="A ticket, a hash, or a tag; without it, all damaged ones."),
    ] = None,
    storage: StorageOption = None,
    peers: FromOption = None,
    credential: CredentialOption = None,
    identity: IdentityOption = None,
    peer: PeerOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the damaged parts of blobs from peers that have them; tags stay. Exit code 1 when some can't be mended."""
    from aster.cli.running import run_async
    from aster.cli.terminal import print_json
    from aster.storage.errors import DownloadFailed

    with blob_store(storage, config) as store:
        ticket, digest = _wanted(store, what) if what is not None else (None, None)
        found = [store.check(digest)] if digest is not None else store.verify()
        damaged = [damage for damage in found if damage is not None]
    mended: list[Damage] = []
    failures: list[DownloadFailed] = []

    async def work() -> None:
        addresses = [*(ticket.addresses if ticket else ()), *(peers or [])]
        async with fetching(reaching(storage, config, credential, identity, peer), addresses) as client:
            for damage in damaged:
                try:
                    with bytes_shown("repairing") as shown:
                        await client.blobs.repair(ticket or damage.hash, peers=peers or (), progress=shown)
                    mended.append(damage)
                except DownloadFailed as error:
                    failures.append(error)

    if damaged:
        run_async(work())
    if as_json:
        print_json({"mended": mended, "failed": [failure.message for failure in failures]})
    else:
        for damage in mended:
            typer.echo(f"mended {damage.hash}  {damage.problem}")
        for failure in failures:
            typer.echo(failure.message, err=True)
        if not damaged:
            typer.echo("nothing is damaged")
    if failures:
        raise typer.Exit(1)


@app.command()
def gc(
    storage: StorageOption = None,
    config: ConfigOption = None,
    grace: Annotated[float, typer.Option("--grace", min=0, metavar="SECONDS", help="Younger blobs stay.")] = 3600.0,
    as_json: JsonOption = False,
) -> None:
    """Remove blobs that no tag, doc or kept collection keeps."""
    from aster.cli.terminal import print_json

    with blob_store(storage, config) as store:
        done = store.collect_garbage(grace_seconds=grace)
    if as_json:
        print_json(done)
    else:
        typer.echo(f"removed {done.blobs} blobs, {human_bytes(done.bytes)}")


def _wanted(store: "BlobStore", what: str) -> "tuple[BlobTicket | None, str]":
    """The ticket, if it is one, and the hash that a ticket, a hash or a tag stands for."""
    from aster.storage.tickets import parse_blob_ticket

    ticket = parse_blob_ticket(what) if what.lower().startswith("asterblob") else None
    return ticket, ticket.hash if ticket else store.tagged(what) or what


def _add(store: "BlobStore", path: Path) -> "BlobRef":
    return _add_folder(store, path) if path.is_dir() else _add_file(store, path)


def _add_file(store: "BlobStore", path: Path) -> "BlobRef":
    with store.writer() as writer:
        if str(path) == "-":
            return _copy(sys.stdin.buffer.read, writer, 0)
        try:
            with path.open("rb") as file:
                return _copy(file.read, writer, path.stat().st_size)
        except FileNotFoundError:
            raise ConfigError(f"there is no file {path}") from None
        except OSError as error:
            raise ConfigError(f"{path} can't be read: {error.strerror or error}") from None


def _copy(read: "Callable[[int], bytes]", writer: "BlobWriter", size: int) -> "BlobRef":
    with bytes_shown("adding") as shown:
        while piece := read(READ_BYTES):
            writer.write(piece)
            shown(writer.size, max(size, writer.size))
        return writer.finish()


def _add_folder(store: "BlobStore", folder: Path) -> "BlobRef":
    from aster.storage.blobs.collections import member_of

    return store.add_collection(
        member_of(file.relative_to(folder).as_posix(), _add_file(store, file)) for file in _files(folder)
    )


def _files(folder: Path) -> Iterator[Path]:
    """Symbolic links are left out: what they point at may lie outside of the folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def _write(store: "BlobStore", ref: "BlobRef", out: Path) -> None:
    if ref.is_collection and str(out) != "-":
        for member in store.members(ref):
            target = out / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            store.export_file(member.hash, target)
    elif str(out) == "-":
        with store.open(ref) as reader:
            for piece in reader.pieces():
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    else:
        store.export_file(ref, out)
