"""``aster.Docs``: exchanges, changes as they happen, and large values, for documents that were shared.

Who knows a shared document's id may read it; what one may write is decided by signatures, entry by entry, so there is
nothing else to ask of a caller. A document that is not here or not shared is NOT_FOUND.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from msgspec import Meta, Struct

from aster.foundation.errors import StorageFull
from aster.rpc.context import CallContext
from aster.rpc.decorators import client_stream, rpc, server_stream, service
from aster.rpc.status import DataLossError, InvalidArgumentError, NotFoundError, ResourceExhaustedError
from aster.rpc.storage.blob_service import Hash
from aster.rpc.storage.following import Following
from aster.storage.blobs.writing import BlobWriter
from aster.storage.docs.entries import Entry
from aster.storage.docs.reconciling import Message
from aster.storage.docs.replica import DocReplica
from aster.storage.docs.store import DocStore
from aster.storage.errors import ChunkRefused, QuotaExceeded

MESSAGE_BYTES = 1 << 20
"""Entries in one answer, about."""

MISSING_AT_ONCE = 1000
UPLOADS_AT_ONCE = 8


class Exchange(Struct, frozen=True):
    """One message of an exchange about one document."""

    doc: Hash
    message: Message


class Exchanged(Struct, frozen=True):
    """What there is to say to it; nothing at the end."""

    message: Message


class AskDoc(Struct, frozen=True):
    """Asks about one document."""

    doc: Hash


class Changed(Struct, frozen=True):
    """Entries that were set or deleted, the last of each key."""

    entries: tuple[Entry, ...]


class MissingValues(Struct, frozen=True):
    """Hashes of large values that are not here yet, some of them."""

    hashes: tuple[Hash, ...]


class ValuePiece(Struct, frozen=True):
    """The first names the document and the value; all carry bytes of it, in order."""

    doc: Hash
    hash: Hash
    data: Annotated[bytes, Meta(max_length=1 << 20)]


class ValueTaken(Struct, frozen=True):
    """The value is here, whole and durable."""


@service("aster.Docs", public=True)
class DocService:
    """Synchronizes shared documents."""

    def __init__(self, docs: Callable[[], DocStore]) -> None:
        self._docs = docs
        self._uploading = asyncio.Semaphore(UPLOADS_AT_ONCE)

    @rpc(idempotent=True)
    async def exchange(self, request: Exchange, context: CallContext) -> Exchanged:
        """One step of set reconciliation."""
        replica = self._shared(request.doc)
        try:
            return Exchanged(await asyncio.to_thread(replica.answer, request.message, MESSAGE_BYTES))
        except (QuotaExceeded, StorageFull) as error:
            raise ResourceExhaustedError(error.message) from None

    @server_stream
    async def watch(self, request: AskDoc, context: CallContext) -> AsyncIterator[Changed]:
        """First an empty answer, once changes are being watched; then what changes from there on."""
        replica = self._shared(request.doc)
        async with Following(self._docs(), replica) as changes:
            yield Changed(())
            async for page in changes:
                found = [replica.entry(change.key.encode()) for change in page]
                yield Changed(tuple(entry for entry in found if entry is not None))

    @rpc(idempotent=True)
    async def missing(self, request: AskDoc, context: CallContext) -> MissingValues:
        """Large values that the document names and this node lacks."""
        replica = self._shared(request.doc)
        return MissingValues(tuple(digest for digest, _ in replica.missing(MISSING_AT_ONCE)))

    @client_stream
    async def upload(self, pieces: AsyncIterator[ValuePiece], context: CallContext) -> ValueTaken:
        """Take a large value, if a signed entry of the document asks for it and it is not here."""
        async with self._uploading:
            writer: BlobWriter | None = None
            wanted, limit = b"", 0
            try:
                async for piece in pieces:
                    if writer is None:
                        wanted, limit = piece.hash, self._wanted_size(piece)
                        writer = self._docs().blobs.writer()
                    if writer.size + len(piece.data) > limit:
                        raise InvalidArgumentError(f"more bytes than the {limit} of the value")
                    await asyncio.to_thread(writer.write, piece.data)
                if writer is None:
                    raise InvalidArgumentError("no value was named")
                await asyncio.to_thread(writer.finish, wanted)
            except ChunkRefused as error:
                raise DataLossError(error.message) from None
            except (QuotaExceeded, StorageFull) as error:
                raise ResourceExhaustedError(error.message) from None
            finally:
                if writer is not None:
                    writer.abandon()
        return ValueTaken()

    def _wanted_size(self, piece: ValuePiece) -> int:
        for digest, size in self._shared(piece.doc).missing(MISSING_AT_ONCE):
            if digest == piece.hash:
                return size
        raise NotFoundError(f"no value {piece.hash.hex()} is missing here")

    def _shared(self, namespace: bytes) -> DocReplica:
        replica = self._docs().shared(namespace)
        if replica is None:
            raise NotFoundError(f"no document {namespace.hex()} here")
        return replica
