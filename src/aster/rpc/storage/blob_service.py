"""``aster.Blobs``: peers read what was shared with them, a few chunks at a time.

A blob that is not shared with a caller is NOT_FOUND, like one that is not here. Everything else about a blob follows
from its hash, so nothing that this service tells needs to be trusted.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Annotated

from msgspec import Meta, Struct

from aster.rpc.context import CallContext
from aster.rpc.decorators import rpc, service
from aster.rpc.status import DataLossError, NotFoundError, OutOfRangeError, UnavailableError
from aster.storage.blobs.chunks import HASH_BYTES
from aster.storage.blobs.reading import ReadsChunks
from aster.storage.blobs.store import BlobStore
from aster.storage.errors import BlobDamaged, BlobNotFound, ChunkMissing

CHUNKS_AT_ONCE = 4
HASHES_AT_ONCE = 32_768
READS_AT_ONCE = 8
"""Reads under way for all callers together: what bounds the memory that they take."""

Hash = Annotated[bytes, Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
Secret = Annotated[bytes, Meta(max_length=64)]
Index = Annotated[int, Meta(ge=0)]


class AskBlob(Struct, frozen=True):
    """Asks for one blob, showing a share's secret or (for the value of a document) the document's id."""

    hash: Hash
    secret: Secret = b""


class BlobDescribed(Struct, frozen=True):
    """Its size in bytes, and whether the one who offers it says that it is a collection.

    Of a blob that is on its way itself ``here`` has a bit a chunk, the first the highest of its byte: can it be had?
    Empty where all can.
    """

    size: Annotated[int, Meta(ge=0)]
    is_collection: bool
    here: bytes = b""


class AskHashes(Struct, frozen=True):
    """Asks for the hashes of chunks ``first`` to ``first + count``."""

    hash: Hash
    secret: Secret
    first: Index
    count: Annotated[int, Meta(ge=1, le=HASHES_AT_ONCE)]


class ChunkHashes(Struct, frozen=True):
    """32 bytes a chunk, joined."""

    hashes: bytes


class AskChunks(Struct, frozen=True):
    """Asks for chunks ``first`` to ``first + count``."""

    hash: Hash
    secret: Secret
    first: Index
    count: Annotated[int, Meta(ge=1, le=CHUNKS_AT_ONCE)]


class Chunks(Struct, frozen=True):
    """The bytes of the chunks, joined."""

    data: bytes


MayRead = Callable[[bytes, CallContext, bytes], bool]
"""Is the blob open to this caller, who shows this secret?"""


@service("aster.Blobs", public=True)
class BlobService:
    """Gives chunks of blobs to those with whom they were shared."""

    def __init__(self, store: Callable[[], BlobStore], may_read: MayRead) -> None:
        self._store = store
        self._may_read = may_read
        self._reading = asyncio.Semaphore(READS_AT_ONCE)

    @rpc(idempotent=True)
    async def describe(self, request: AskBlob, context: CallContext) -> BlobDescribed:
        """How large a blob is; NOT_FOUND when it is not here for this caller."""
        with self._open(request.hash, request.secret, context) as reader:
            return BlobDescribed(reader.size, reader.ref.is_collection, reader.here())

    @rpc(idempotent=True)
    async def hashes(self, request: AskHashes, context: CallContext) -> ChunkHashes:
        """A part of the chunk list."""
        with self._open(request.hash, request.secret, context) as reader:
            _check_range(request.first, request.count, reader)
            return ChunkHashes(reader.hashes(request.first, request.count))

    @rpc(idempotent=True)
    async def read(self, request: AskChunks, context: CallContext) -> Chunks:
        """Some chunks, as they were added; DATA_LOSS for one that is damaged here, UNAVAILABLE for one yet to come."""
        with self._open(request.hash, request.secret, context) as reader:
            _check_range(request.first, request.count, reader)
            numbers = range(request.first, min(request.first + request.count, reader.chunks))
            async with self._reading:
                try:
                    return Chunks(await _in_thread(lambda: b"".join(reader.chunk(number) for number in numbers)))
                except BlobDamaged as error:
                    raise DataLossError(error.message) from None
                except ChunkMissing as error:
                    raise UnavailableError(error.message, details={"reason": error.code}) from None

    def _open(self, digest: bytes, secret: bytes, context: CallContext) -> ReadsChunks:
        """The blob, or what has come of it."""
        if self._may_read(digest, context, secret):
            store = self._store()
            with contextlib.suppress(BlobNotFound):
                try:
                    return store.open(digest.hex())
                except BlobNotFound:
                    return store.glimpse(digest.hex())
                except BlobDamaged as error:
                    raise DataLossError(error.message) from None
        raise NotFoundError(f"no blob {digest.hex()} here")


def _check_range(first: int, count: int, reader: ReadsChunks) -> None:
    if first >= reader.chunks:
        raise OutOfRangeError(f"chunk {first} of a blob of {reader.chunks}")


async def _in_thread(work: Callable[[], bytes]) -> bytes:
    """The work goes on to its end when its caller is cancelled, so that what it reads from is not closed under it."""
    running: Awaitable[bytes] = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([asyncio.ensure_future(running)])
        raise
