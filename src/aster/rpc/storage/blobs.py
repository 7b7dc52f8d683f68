"""`Blobs`: a node's blob store without blocking the loop, shared with peers and filled from them."""

import asyncio
import functools
import os
import time
from abc import abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from aster.foundation.errors import ConfigError
from aster.rpc.dialing import DialedPeer, Dialer
from aster.rpc.status import FailedPreconditionError
from aster.rpc.storage.download import Download, Progress
from aster.rpc.storage.joining import Downloads
from aster.rpc.storage.sources import Source
from aster.rpc.stub import Caller
from aster.storage.blobs.chunks import parse_hash
from aster.storage.blobs.collections import Member, member_of
from aster.storage.blobs.model import BlobRef, BlobState, BlobStatus, Collected, Damage, Tag, Usage
from aster.storage.blobs.reading import BlobReader
from aster.storage.blobs.sharing import Share, Sharing, blob_target, tag_target
from aster.storage.blobs.store import GRACE_SECONDS, BlobStore
from aster.storage.errors import BlobNotFound
from aster.storage.tickets import BlobTicket, parse_blob_ticket

T = TypeVar("T")
Reference = BlobRef | str
"""A `BlobRef`, or a hash of 64 hex characters."""


class Server(Caller):
    """The server that a client has its connection to."""

    @property
    @abstractmethod
    def server_id(self) -> str:
        """Its key, 64 hex characters."""


class OpenBlob:
    """A blob that is open: no garbage collection takes it. ``async with await blobs.open(ref) as blob: ...``."""

    def __init__(self, reader: BlobReader) -> None:
        self._reader = reader
        self.ref = reader.ref
        self.size = reader.size

    async def read(self, start: int = 0, end: int | None = None) -> bytes:
        """Bytes ``start`` up to ``end``, verified."""
        return await asyncio.to_thread(self._reader.read, start, end)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(self._reader.chunks if self.size else 0):
            yield await asyncio.to_thread(self._reader.chunk, number)

    async def close(self) -> None:
        """Let go of it. Safe to call twice."""
        await asyncio.to_thread(self._reader.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Blobs:
    """Content by its hash: added, read and tagged here; shared with peers by tickets, roles, or with all of them."""

    def __init__(
        self,
        store: Callable[[], BlobStore],
        sharing: Callable[[], Sharing],
        dialer: Callable[[], Dialer | None],
        server: "Server | None",
        address: Callable[[], str | None],
    ) -> None:
        self._store = store
        self._sharing = sharing
        self._dialer = dialer
        self._server = server
        self._address = address
        self._downloads = Downloads()

    async def add_bytes(self, data: bytes, *, tag: str | None = None) -> BlobRef:
        """Add bytes; returns once they are durable. Without a tag, a garbage collection may take them an hour later."""
        return await self._run(BlobStore.add_bytes, data, tag=tag)

    async def add_file(self, path: str | os.PathLike[str], *, tag: str | None = None) -> BlobRef:
        """Add a copy of a file of any size."""
        return await self._run(BlobStore.add_file, path, tag=tag)

    async def add_stream(self, pieces: AsyncIterable[bytes], *, tag: str | None = None) -> BlobRef:
        """Add what a stream gives; nothing is left of it when the stream fails."""
        writer = await self._run(BlobStore.writer, tag=tag)
        try:
            async for piece in pieces:
                await asyncio.to_thread(writer.write, piece)
            return await asyncio.to_thread(writer.finish)
        finally:
            await asyncio.to_thread(writer.abandon)

    async def add_collection(self, members: Mapping[str, BlobRef], *, tag: str | None = None) -> BlobRef:
        """Add a collection: names, which may have parts as paths have, for blobs that are here."""
        named = [member_of(name, ref) for name, ref in members.items()]
        return await self._run(BlobStore.add_collection, named, tag=tag)

    async def members(self, reference: Reference) -> Sequence[Member]:
        """What a collection names."""
        return await self._run(BlobStore.members, reference)

    async def read_bytes(self, reference: Reference, start: int = 0, end: int | None = None) -> bytes:
        """Bytes ``start`` up to ``end``, verified; the whole blob by default."""
        return await self._run(BlobStore.read_bytes, reference, start, end)

    async def open(self, reference: Reference) -> OpenBlob:
        """Open a blob to read it in parts."""
        return OpenBlob(await self._run(BlobStore.open, reference))

    async def export_file(self, reference: Reference, path: str | os.PathLike[str]) -> Path:
        """Write a blob to a file, which appears whole or not at all."""
        return await self._run(BlobStore.export_file, reference, path)

    async def has(self, reference: Reference) -> bool:
        """Is the whole blob here?"""
        return await self._run(BlobStore.has, reference)

    async def status(self, reference: Reference) -> BlobStatus:
        """How much of a blob is here."""
        return await self._run(BlobStore.status, reference)

    async def refs(self) -> Sequence[BlobRef]:
        """Every blob that is whole, by hash."""
        return await self._run(lambda store: list(store.refs()))

    async def partials(self) -> Sequence[BlobStatus]:
        """Downloads that are under way or were left. No garbage collection takes them: go on, or discard them."""
        return await self._run(lambda store: list(store.partials()))

    async def discard_partial(self, reference: Reference) -> None:
        """Remove what an unfinished download has left; `StorageBusy` while it runs."""
        await self._run(BlobStore.discard_partial, reference)

    async def tag(self, name: str, reference: Reference) -> None:
        """Name a blob, and keep it; a name that is in use moves."""
        await self._run(BlobStore.tag, name, reference)

    async def untag(self, name: str) -> bool:
        """Take a name away; False when there was none."""
        return await self._run(BlobStore.untag, name)

    async def tags(self, prefix: str = "") -> Sequence[Tag]:
        """Every name that begins with ``prefix``."""
        return await self._run(BlobStore.tags, prefix)

    async def usage(self) -> Usage:
        """What is stored."""
        return await self._run(BlobStore.usage)

    async def collect_garbage(self, *, grace_seconds: float = GRACE_SECONDS) -> Collected:
        """Remove what no tag, doc, kept collection or reader keeps and is older than ``grace_seconds``."""
        return await self._run(BlobStore.collect_garbage, grace_seconds=grace_seconds)

    async def verify(self) -> Sequence[Damage]:
        """Read everything and name what is damaged."""
        return await self._run(lambda store: list(store.verify()))

    async def share(
        self,
        target: Reference,
        *,
        role: str | None = None,
        public: bool = False,
        expires_in: float | None = None,
        addresses: Sequence[str] = (),
    ) -> str:
        """Let peers read a blob (and, if it is a collection, its members): the ticket to give them.

        Whoever has the ticket may read it; with ``role`` instead every peer with that role, with ``public`` every peer
        that is admitted. ``expires_in`` is in seconds. ``target`` may be a tag: then what it names *now* is in the
        ticket, and what it will name is shared as well. Of a blob that is on its way, peers get what has come.
        """
        if public and role is not None:
            raise ConfigError("a blob is shared with a role or with everybody, not both")
        where = tuple(addresses) or tuple(filter(None, [self._address()]))
        if not where:
            raise FailedPreconditionError(
                "this node has no address that peers could fetch from", hint="share on a server that is started"
            )
        expires_at = None if expires_in is None else time.time() + expires_in

        def work(store: BlobStore) -> BlobTicket:
            named = store.tagged(target) if isinstance(target, str) else None
            ref = _here(store, named or target)
            digest = parse_hash(ref.hash)
            place = blob_target(digest) if named is None else tag_target(str(target))
            secret = self._sharing().share(place, role=role, public=public, expires_at=expires_at)
            return BlobTicket(digest, ref.size, ref.is_collection, secret, where)

        return str(await self._run(work))

    async def unshare(self, target: Reference) -> int:
        """Take back every share of a blob or tag, tickets included; how many there were."""

        def work(store: BlobStore) -> int:
            named = store.tagged(target) if isinstance(target, str) else None
            if named is not None:
                return self._sharing().unshare(tag_target(str(target)))
            return self._sharing().unshare(blob_target(parse_hash(target if isinstance(target, str) else target.hash)))

        return await self._run(work)

    async def shares(self) -> Sequence[Share]:
        """What is shared now."""
        return await self._run(lambda store: self._sharing().shares())

    async def download(
        self,
        what: str | BlobTicket | BlobRef,
        *,
        peers: Sequence[str] = (),
        tag: str | None = None,
        progress: Progress | None = None,
    ) -> BlobRef:
        """Fetch a blob, or a collection with its members, by ticket or hash, from all peers that are known at once.

        Those are the ticket's, ``peers`` (addresses), and without any the server of this client. Bytes are verified as
        they come; `DownloadFailed` names the peers and what was wrong. Asked again, it goes on where it was.
        """
        ticket = _parsed(what)
        digest, addresses, secret = _wanted(ticket, peers)
        is_collection = ticket.is_collection if isinstance(ticket, BlobTicket) else None
        async with self._sources(addresses, secret) as sources:
            ref = await self.fetch(digest, sources(), progress, is_collection=is_collection)
            if ref.is_collection:
                for member in await self.members(ref):
                    await self.fetch(parse_hash(member.hash), sources(), progress, is_collection=False)
        if tag is not None:
            await self.tag(tag, ref)
        return ref

    async def repair(
        self, what: str | BlobTicket | BlobRef, *, peers: Sequence[str] = (), progress: Progress | None = None
    ) -> Damage | None:
        """Fetch what is damaged of a blob that is here, and only that: what was mended, None for a sound one.

        ``what`` and ``peers`` are those of `download`. Tags and shares stay.
        """
        ticket = _parsed(what)
        digest, addresses, secret = _wanted(ticket, peers)
        store = self._store()
        damage = await asyncio.to_thread(store.check, digest.hex())
        if damage is None:
            return None
        ref = await asyncio.to_thread(store.ref, digest.hex())
        async with self._sources(addresses, secret) as sources:
            download = Download(store, digest, sources(), progress, repairs=True)
            await self._downloads.run(download, is_collection=ref.is_collection)
        return damage

    async def fetch(
        self, digest: bytes, sources: Sequence[Source], progress: Progress | None = None, *, is_collection: bool | None
    ) -> BlobRef:
        """One blob from peers that are known, unless it is here."""
        store = self._store()
        if await asyncio.to_thread(store.has, digest.hex()):
            return await asyncio.to_thread(store.ref, digest.hex())
        return await self._downloads.run(Download(store, digest, sources, progress), is_collection=is_collection)

    @asynccontextmanager
    async def _sources(self, addresses: Sequence[str], secret: bytes) -> AsyncIterator[Callable[[], list[Source]]]:
        """Makes sources of these peers, for one download each; connections end with the context."""
        dialed: list[DialedPeer] = []
        try:
            callers = self.callers(addresses, dialed)
            yield lambda: [Source(name, caller, secret) for name, caller in callers]
        finally:
            for peer in dialed:
                await peer.close()

    def callers(self, addresses: Sequence[str], dialed: list[DialedPeer]) -> list[tuple[str, Caller]]:
        """Peers by name: those at these addresses, else this client's server. Who asks closes what is in ``dialed``."""
        found: list[tuple[str, Caller]] = []
        server = self._server
        for address in addresses:
            dialer = self._dialer()
            if dialer is None:
                raise FailedPreconditionError("this node is not started", hint="use 'async with' or await connect()")
            peer = DialedPeer(dialer, address)
            if server is not None and peer.endpoint_id == server.server_id:
                found.append((peer.endpoint_id, server))
            else:
                dialed.append(peer)
                found.append((peer.endpoint_id, peer))
        if not addresses and server is not None:
            found.append((server.server_id, server))
        return found

    async def _run(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
        return await asyncio.to_thread(functools.partial(work, self._store(), *arguments, **options))


def _parsed(what: str | BlobTicket | BlobRef) -> str | BlobTicket | BlobRef:
    return parse_blob_ticket(what) if isinstance(what, str) and what.lower().startswith("asterblob") else what


def _wanted(what: str | BlobTicket | BlobRef, peers: Sequence[str]) -> tuple[bytes, tuple[str, ...], bytes]:
    """The hash, where to ask, and the secret to show."""
    given, secret = (what.addresses, what.secret) if isinstance(what, BlobTicket) else ((), b"")
    digest = parse_hash(what if isinstance(what, str) else what.hash)
    return digest, tuple(dict.fromkeys((*given, *peers))), secret


def _here(store: BlobStore, target: Reference) -> BlobRef:
    try:
        return store.ref(target)
    except BlobNotFound:
        status = store.status(target)
        if status.state is not BlobState.PARTIAL:
            raise
        return BlobRef(status.hash, status.size)
