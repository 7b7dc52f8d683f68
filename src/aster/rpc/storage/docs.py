"""`Docs` and `Doc`: a node's documents without blocking the loop, and their synchronization with peers."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from msgspec import Struct

from aster.foundation.errors import AsterError, StorageBusy
from aster.foundation.logs import get_logger
from aster.rpc.dialing import DialedPeer
from aster.rpc.status import FailedPreconditionError, NotFoundError, RpcError, UnavailableError
from aster.rpc.storage.blobs import Blobs
from aster.rpc.storage.doc_service import MESSAGE_BYTES, MISSING_AT_ONCE, AskDoc, DocService, Exchange, ValuePiece
from aster.rpc.storage.following import Following
from aster.rpc.storage.sources import Source
from aster.rpc.stub import Caller
from aster.storage.docs.reconciling import Entries
from aster.storage.docs.replica import Change, DocReplica
from aster.storage.docs.store import DocInfo, DocStore
from aster.storage.errors import DownloadFailed
from aster.storage.tickets import DocTicket, parse_doc_ticket
from aster.trust.keys import SigningKey

logger = get_logger("aster.storage")

T = TypeVar("T")
SECONDS_PER_MESSAGE = 60.0
RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 30.0


class Synced(Struct, frozen=True):
    """What an exchange took: round trips, large values that came and went, and entries that were refused here."""

    rounds: int
    values_fetched: int
    values_sent: int
    refused: int


class Doc:
    """One document: keys and values, written by several authors, the same wherever it was synchronized."""

    def __init__(self, docs: "Docs", replica: DocReplica) -> None:
        self._docs = docs
        self._replica = replica
        self.id = replica.id

    async def set(self, key: str, value: bytes, *, author: SigningKey | None = None) -> None:
        """Set a key; durable here when it returns. `DocReadOnly` without the right to write."""
        await asyncio.to_thread(self._replica.set, key, value, author)

    async def delete(self, key: str, *, author: SigningKey | None = None) -> bool:
        """Delete a key, everywhere this document comes; False when there was none."""
        return await asyncio.to_thread(self._replica.delete, key, author)

    async def get(self, key: str) -> bytes | None:
        """The value of a key, None without one; `BlobNotFound` while a large value has not come."""
        return await asyncio.to_thread(self._replica.get, key)

    async def entries(self, prefix: str = "") -> Sequence[Change]:
        """The keys that begin with ``prefix``, in order, with who wrote them."""
        return await asyncio.to_thread(lambda: list(self._replica.entries(prefix)))

    async def subscribe(self, prefix: str = "") -> AsyncIterator[Change]:
        """Every change from now on, of whatever origin; of a key that changes faster than it is read, the last."""
        async with Following(self._docs.store(), self._replica, prefix) as pages:
            async for page in pages:
                for change in page:
                    yield change

    async def share(self, *, write: bool = False, addresses: Sequence[str] = ()) -> str:
        """A ticket that lets others read the document, or write it too. From now on peers with its id are answered."""
        where = tuple(addresses) or tuple(filter(None, [self._docs.address()]))
        return str(await asyncio.to_thread(functools.partial(self._replica.ticket, where, write=write)))

    async def unshare(self) -> None:
        """Answer no peer any more. What they have, they keep."""
        await asyncio.to_thread(
            functools.partial(self._docs.store().set_shared, self._replica.namespace, is_shared=False)
        )

    async def sync(self, *, peers: Sequence[str] = ()) -> Synced:
        """Exchange with each of ``peers`` (addresses), by default the server of this client, until both have the same.

        Entries first, then large values, both ways. Costs a few round trips, and bytes in proportion to what differs.
        """
        async with self._docs.callers(peers) as callers:
            found = [await self._sync_with(name, caller) for name, caller in callers]
        return Synced(
            sum(each.rounds for each in found),
            sum(each.values_fetched for each in found),
            sum(each.values_sent for each in found),
            sum(each.refused for each in found),
        )

    async def follow(self, *, peer: str | None = None) -> None:
        """Stay the same as a peer, by default the server of this client, until cancelled; a lost peer is tried again.

        Raises at once what trying again can't change, such as `NotFoundError` for a document that is not shared there.
        """
        pause = RETRY_SECONDS
        while True:
            try:
                async with self._docs.callers([peer] if peer else []) as ((name, caller),):
                    await self._follow(name, caller)
            except (NotFoundError, FailedPreconditionError):
                raise
            except RpcError as error:
                logger.warning("a document's peer was lost", doc=self.id, reason=error.message)
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_RETRY_SECONDS)

    async def _follow(self, name: str, caller: Caller) -> None:
        service = await caller.client(DocService)
        async with (
            Following(self._docs.store(), self._replica) as ours,
            contextlib.aclosing(service.watch(AskDoc(self._replica.namespace))) as theirs,
        ):
            await anext(theirs)  # from here on nothing is missed on either side
            await self._sync_with(name, caller)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._take(theirs, name, caller))
                    group.create_task(self._give(ours, service))
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from None

    async def _take(self, theirs: AsyncIterator[Any], name: str, caller: Caller) -> None:
        async for changed in theirs:
            await asyncio.to_thread(self._replica.merge, changed.entries)
            await self._fetch_values(name, caller)
        raise UnavailableError("the peer ended its changes")

    async def _give(self, ours: Following, service: DocService) -> None:
        async for page in ours:
            found = [self._replica.entry(change.key.encode()) for change in page if change.is_local]
            entries = tuple(entry for entry in found if entry is not None)
            if entries:
                await service.exchange(
                    Exchange(self._replica.namespace, (Entries(entries),)), timeout=SECONDS_PER_MESSAGE
                )
                await self._send_values(service)

    async def _sync_with(self, name: str, caller: Caller) -> Synced:
        replica, rounds, refused = self._replica, 0, self._replica.refused
        service = await caller.client(DocService)
        message = await asyncio.to_thread(replica.opening)
        while message:
            answered = await service.exchange(Exchange(replica.namespace, message), timeout=SECONDS_PER_MESSAGE)
            rounds += 1
            message = await asyncio.to_thread(replica.answer, answered.message, MESSAGE_BYTES)
        fetched = await self._fetch_values(name, caller)
        return Synced(rounds, fetched, await self._send_values(service), replica.refused - refused)

    async def _fetch_values(self, name: str, caller: Caller) -> int:
        """Large values that the peer has; one that it has not got either comes another time, from another peer."""
        fetched, is_worth_it = 0, True
        while is_worth_it:
            page = await asyncio.to_thread(self._replica.missing, MISSING_AT_ONCE)
            came = [
                await self._fetch_value(digest, Source(name, caller, self._replica.namespace)) for digest, _ in page
            ]
            fetched += sum(came)
            is_worth_it = any(came) and len(page) == MISSING_AT_ONCE
        return fetched

    async def _fetch_value(self, digest: bytes, source: Source) -> bool:
        try:
            await self._docs.blobs.fetch(digest, [source], is_collection=False)
        except (DownloadFailed, StorageBusy) as error:  # nobody has it, or another process fetches it
            logger.info("a value is still missing", doc=self.id, reason=error.message)
            return False
        return True

    async def _send_values(self, service: DocService) -> int:
        """Large values that the peer lacks and this node has."""
        sent, is_worth_it = 0, True
        while is_worth_it:
            answered = await service.missing(AskDoc(self._replica.namespace), timeout=SECONDS_PER_MESSAGE)
            went = [await self._send_value(service, digest) for digest in answered.hashes]
            sent += sum(went)
            is_worth_it = any(went) and len(answered.hashes) == MISSING_AT_ONCE
        return sent

    async def _send_value(self, service: DocService, digest: bytes) -> bool:
        has = self._docs.store().blobs.has
        if not self._replica.has_value(digest) or not await asyncio.to_thread(has, digest.hex()):
            return False
        try:
            await service.upload(self._pieces(digest))
        except NotFoundError:
            return False  # another peer was faster
        return True

    async def _pieces(self, digest: bytes) -> AsyncIterator[ValuePiece]:
        reader = await asyncio.to_thread(self._docs.store().blobs.open, digest.hex())
        try:
            for number in range(reader.chunks):
                data = await asyncio.to_thread(reader.chunk, number)
                yield ValuePiece(self._replica.namespace, digest, data)
        finally:
            reader.close()


class Docs:
    """The documents of one node, beside its blobs."""

    def __init__(self, store: Callable[[], DocStore], blobs: Blobs, address: Callable[[], str | None]) -> None:
        self.store = store
        self.address = address
        self.blobs = blobs

    async def create(self, name: str | None = None) -> Doc:
        """A new document, with a name for use here."""
        return Doc(self, await asyncio.to_thread(self.store().create, name))

    async def open(self, reference: str) -> Doc:
        """A document by its id or its name here; `DocNotFound` without one."""
        return Doc(self, await asyncio.to_thread(self.store().open, reference))

    async def join(self, ticket: str | DocTicket, *, name: str | None = None, sync: bool = True) -> Doc:
        """The document of a ticket; with ``sync`` filled from the first of its addresses that answers.

        Joined again, and by tickets of either kind, it stays one document.
        """
        parsed = parse_doc_ticket(ticket) if isinstance(ticket, str) else ticket
        doc = Doc(self, await asyncio.to_thread(self.store().join, parsed, name))
        failures: list[AsterError] = []
        for address in parsed.addresses if sync else ():
            try:
                await doc.sync(peers=[address])
                break
            except RpcError as error:
                failures.append(error)
        if failures and len(failures) == len(parsed.addresses):
            raise failures[0]
        return doc

    async def infos(self) -> Sequence[DocInfo]:
        """Every document here."""
        return await asyncio.to_thread(self.store().docs)

    async def remove(self, reference: str) -> None:
        """Forget a document here; other nodes keep theirs."""
        await asyncio.to_thread(self.store().remove, reference)

    async def collect_garbage(self, *, older_than: float | None = None) -> int:
        """Forget deletions older than so many seconds, by default the setting ``storage_tombstone_seconds``.

        A replica that was away for longer than that brings back what it did not hear was deleted.
        """
        return await asyncio.to_thread(self.store().collect_garbage, older_than=older_than)

    async def author(self) -> SigningKey:
        """The key that signs what is written here."""
        return await asyncio.to_thread(self.store().author)

    async def create_author(self) -> SigningKey:
        """One more author."""
        return await asyncio.to_thread(self.store().create_author)

    @asynccontextmanager
    async def callers(self, addresses: Sequence[str]) -> AsyncIterator[list[tuple[str, Caller]]]:
        """Connections to peers by address, or to the server of this client."""
        dialed: list[DialedPeer] = []
        try:
            found = self.blobs.callers(addresses, dialed)
            if not found:
                raise FailedPreconditionError("there is no peer to synchronize with", hint="name one by its address")
            yield found
        finally:
            for peer in dialed:
                await peer.close()
