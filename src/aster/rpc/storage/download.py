"""Fetching a blob from one or several peers at once.

Every peer has a few requests under way; they share one queue of chunks. A peer that sends a wrong byte is named and not
asked again, one that is lost or slow is left, and its chunks go back to the queue. What has arrived stays when all else
fails, and the next attempt goes on from there.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aster.foundation.errors import AsterError
from aster.foundation.logs import get_logger
from aster.rpc.status import RpcError
from aster.rpc.storage.blob_service import (
    CHUNKS_AT_ONCE,
    HASHES_AT_ONCE,
    AskBlob,
    AskChunks,
    AskHashes,
    BlobDescribed,
    BlobService,
    ChunkHashes,
    Chunks,
)
from aster.rpc.stub import Caller
from aster.storage.blobs.chunks import CHUNK_BYTES, chunk_count
from aster.storage.blobs.model import BlobRef
from aster.storage.blobs.partial import ListTaking, PartialBlob
from aster.storage.blobs.store import BlobStore
from aster.storage.errors import ChunkRefused, DownloadFailed

logger = get_logger("aster.storage")

REQUESTS_AT_ONCE = 4
SECONDS_PER_REQUEST = 30.0

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the blob's size, at the start and after each arrival."""

Run = tuple[int, int]
"""The first chunk and how many."""


@dataclass(slots=True)
class Source:
    """A peer that may have the blob; ``name`` is what errors call it."""

    name: str
    caller: Caller
    secret: bytes = b""
    failure: str | None = None

    async def describe(self, digest: bytes) -> BlobDescribed:
        return await (await self._stub()).describe(AskBlob(digest, self.secret), timeout=SECONDS_PER_REQUEST)

    async def hashes(self, digest: bytes, first: int, count: int) -> bytes:
        asked = AskHashes(digest, self.secret, first, count)
        answer: ChunkHashes = await (await self._stub()).hashes(asked, timeout=SECONDS_PER_REQUEST)
        return answer.hashes

    async def chunks(self, digest: bytes, run: Run) -> bytes:
        asked = AskChunks(digest, self.secret, *run)
        answer: Chunks = await (await self._stub()).read(asked, timeout=SECONDS_PER_REQUEST)
        return answer.data

    async def _stub(self) -> BlobService:
        return await self.caller.client(BlobService)


@dataclass(slots=True)
class Download:
    """One blob on its way into a store."""

    store: BlobStore
    digest: bytes
    sources: Sequence[Source]
    progress: Progress | None = None
    _queue: deque[Run] = field(default_factory=deque)

    async def run(self, *, is_collection: bool | None = None) -> BlobRef:
        """The blob, once it is whole and durable here; `DownloadFailed` names every peer and what was wrong with it.

        ``is_collection`` is what a ticket says; without it the peer that gives the chunk list is asked.
        """
        async with self._opened() as partial:
            if partial.size is None:
                said = await self._learn(partial)
                is_collection = said if is_collection is None else is_collection
            else:
                is_collection = await self._is_collection() if is_collection is None else is_collection
            self._tell(partial)
            self._queue.extend(_runs(partial.missing()))
            await self._fetch_all(partial)
            if not partial.is_whole:
                raise self._failed()
            ref = await asyncio.to_thread(partial.finish)
        if is_collection:
            ref = await asyncio.to_thread(self.store.mark_collection, ref)
        return ref

    async def _learn(self, partial: PartialBlob) -> bool:
        """Take the size and the chunk list from the first peer whose list fits the hash."""
        for source in self.sources:
            try:
                described = await source.describe(self.digest)
                await asyncio.to_thread(self.store.check_room, described.size)
                await self._take_list(source, partial, described.size)
            except (RpcError, ChunkRefused) as error:
                self._give_up_on(source, error)
            else:
                return described.is_collection
        raise self._failed()

    async def _is_collection(self) -> bool:
        for source in self.sources:
            try:
                return (await source.describe(self.digest)).is_collection
            except RpcError as error:
                self._give_up_on(source, error)
        raise self._failed()

    async def _take_list(self, source: Source, partial: PartialBlob, size: int) -> None:
        """32 bytes for each 256 KiB: 1.25 MiB of a blob of 10 GiB, a piece at a time."""
        count, taking = chunk_count(size), ListTaking(partial, size)
        for first in range(0, count, HASHES_AT_ONCE):
            piece = await source.hashes(self.digest, first, min(HASHES_AT_ONCE, count - first))
            await asyncio.to_thread(taking.add, piece)
        await asyncio.to_thread(taking.finish)

    async def _fetch_all(self, partial: PartialBlob) -> None:
        """Until everything is here or every peer was given up on; a peer that gives up leaves its chunks to others."""
        while self._queue:
            usable = [source for source in self.sources if source.failure is None]
            if not usable:
                return
            async with asyncio.TaskGroup() as group:
                for source in usable:
                    for _ in range(REQUESTS_AT_ONCE):
                        group.create_task(self._fetch_from(source, partial))

    async def _fetch_from(self, source: Source, partial: PartialBlob) -> None:
        while self._queue and source.failure is None:
            run = self._queue.popleft()
            try:
                data = await source.chunks(self.digest, run)
                await asyncio.to_thread(_put_all, partial, run, data)
            except (RpcError, ChunkRefused) as error:
                self._queue.append(run)
                self._give_up_on(source, error)
            self._tell(partial)

    def _tell(self, partial: PartialBlob) -> None:
        if self.progress is not None:
            self.progress(partial.bytes_present, partial.size or 0)

    def _give_up_on(self, source: Source, error: AsterError) -> None:
        if source.failure is None:
            source.failure = error.message
            logger.warning("a peer was given up on", peer=source.name, blob=self.digest.hex(), reason=error.message)

    def _failed(self) -> DownloadFailed:
        reasons = "; ".join(f"{source.name}: {source.failure}" for source in self.sources if source.failure)
        return DownloadFailed(
            f"{self.digest.hex()} can't be had: {reasons or 'there is no peer to ask'}",
            hint="what has arrived is kept; ask again, or name more peers",
            peers=[source.name for source in self.sources if source.failure],
        )

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[PartialBlob]:
        partial = await asyncio.to_thread(self.store.partial, self.digest.hex())
        try:
            yield partial
        finally:
            await asyncio.shield(asyncio.to_thread(partial.leave))


def _put_all(partial: PartialBlob, run: Run, data: bytes) -> None:
    first, count = run
    for number in range(count):
        partial.put(first + number, data[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES])
    if len(data) > count * CHUNK_BYTES:
        raise ChunkRefused(f"more bytes than the chunks {first} to {first + count} have")


def _runs(missing: Sequence[int]) -> Iterator[Run]:
    """Neighbouring chunks that are asked for together."""
    start = 0
    while start < len(missing):
        count = 1
        while (
            count < CHUNKS_AT_ONCE and start + count < len(missing) and missing[start + count] == missing[start] + count
        ):
            count += 1
        yield missing[start], count
        start += count
