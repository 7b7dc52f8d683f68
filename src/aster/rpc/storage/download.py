"""Fetching a blob from one or several peers at once.

Every peer has a few requests under way; they share what is still to be asked for. A peer that sends a wrong byte is
named and not asked again, one that is lost or slow is left, and its chunks go to others. One that is fetching the blob
itself gives what it has. What has arrived stays when all else fails, and the next attempt goes on from there.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aster.foundation.errors import AsterError, StorageError
from aster.foundation.logs import get_logger
from aster.rpc.storage.blob_service import HASHES_AT_ONCE, BlobDescribed
from aster.rpc.storage.sources import Run, Source, Work
from aster.storage.blobs.chunks import CHUNK_BYTES, chunk_count
from aster.storage.blobs.model import BlobRef
from aster.storage.blobs.partial import ListTaking, PartialBlob
from aster.storage.blobs.store import BlobStore
from aster.storage.errors import ChunkMissing, ChunkRefused, DownloadFailed

logger = get_logger("aster.storage")

REQUESTS_AT_ONCE = 4

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the blob's size, at the start and after each arrival."""


@dataclass(slots=True)
class Download:
    """One blob on its way into a store; with ``repairs`` only what is damaged of one that is there."""

    store: BlobStore
    digest: bytes
    sources: Sequence[Source]
    progress: Progress | None = None
    repairs: bool = False

    async def run(self, *, is_collection: bool | None = None) -> BlobRef:
        """The blob, once it is whole and durable here; `DownloadFailed` names every peer and what was wrong with it.

        ``is_collection`` is what a ticket says; without it the peer that gives the chunk list is asked.
        """
        async with self._opened() as partial:
            if partial.size is None:
                said = await self._learn(partial)
                is_collection = said if is_collection is None else is_collection
            elif is_collection is None:
                is_collection = await self._ask_whether_collection()
            self._tell(partial)
            if not partial.is_whole:
                await self._fetch_all(partial)
            if not partial.is_whole:
                raise self._failed()
            ref = await asyncio.to_thread(partial.finish)
        if is_collection:
            ref = await asyncio.to_thread(self.store.mark_collection, ref)
        return ref

    async def _learn(self, partial: PartialBlob) -> bool:
        """Take the size and the chunk list from the first peer whose list fits the hash; is it a collection?"""
        async with contextlib.aclosing(self._answers()) as answers:
            async for source, described in answers:
                try:
                    await self._take_list(source, partial, described.size)
                except StorageError:
                    raise
                except AsterError as error:
                    self._give_up_on(source, error)
                else:
                    return described.is_collection
        raise self._failed()

    async def _ask_whether_collection(self) -> bool:
        async with contextlib.aclosing(self._answers()) as answers:
            async for _, described in answers:
                return described.is_collection
        raise self._failed()

    async def _answers(self) -> AsyncGenerator[tuple[Source, BlobDescribed], None]:
        """What peers say of the blob, as they answer: one that is dead or slow holds nobody up."""
        asked = {asyncio.ensure_future(source.describe(self.digest)): source for source in self.sources}
        waiting = set(asked)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    try:
                        described = task.result()
                    except AsterError as error:
                        self._give_up_on(asked[task], error)
                    else:
                        yield asked[task], described
        finally:
            await _ended(asked)

    async def _take_list(self, source: Source, partial: PartialBlob, size: int) -> None:
        """32 bytes for each 256 KiB: 1.25 MiB of a blob of 10 GiB, a piece at a time."""
        await asyncio.to_thread(self.store.check_room, size)
        count, taking = chunk_count(size), ListTaking(partial, size)
        for first in range(0, count, HASHES_AT_ONCE):
            piece = await source.hashes(self.digest, first, min(HASHES_AT_ONCE, count - first))
            await asyncio.to_thread(taking.add, piece)
        await asyncio.to_thread(taking.finish)

    async def _fetch_all(self, partial: PartialBlob) -> None:
        """Until everything is here or no peer has more; a peer that is given up on leaves its chunks to the others."""
        work = Work(await asyncio.to_thread(partial.absent), self.sources)
        usable = [source for source in self.sources if source.failure is None]
        asked = {asyncio.ensure_future(self._fetch_with(source, work, partial)) for source in usable}
        waiting = asked
        try:
            while work.left and waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await _ended(asked)

    async def _fetch_with(self, source: Source, work: Work, partial: PartialBlob) -> None:
        """A peer is given work once it has answered."""
        try:
            if not source.is_known:
                await source.describe(self.digest)
        except AsterError as error:
            self._give_up_on(source, error)
            return
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(REQUESTS_AT_ONCE):
                    group.create_task(self._fetch_from(source, work, partial))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _fetch_from(self, source: Source, work: Work, partial: PartialBlob) -> None:
        try:
            while work.left and source.failure is None:
                run = work.take(source)
                if run is not None:
                    await self._fetch(source, run, work, partial)
                elif work.is_under_way:
                    await work.moved()
                elif not (source.here and await source.has_more(self.digest)):
                    return
        except StorageError:
            raise
        except AsterError as error:
            self._give_up_on(source, error)

    async def _fetch(self, source: Source, run: Run, work: Work, partial: PartialBlob) -> None:
        told = source.here
        try:
            data = await source.chunks(self.digest, run)
            await asyncio.to_thread(_put_all, partial, run, data)
        except ChunkMissing:
            work.give_back(run)
            if source.here == told and not await source.has_more(self.digest):
                raise  # it said that it has the chunk, and says so still
        except BaseException:
            work.give_back(run)
            raise
        else:
            work.done(run)
            self._tell(partial)

    def _tell(self, partial: PartialBlob) -> None:
        if self.progress is not None:
            self.progress(partial.bytes_present, partial.size or 0)

    def _give_up_on(self, source: Source, error: AsterError) -> None:
        if source.failure is None:
            source.failure = error.message
            logger.warning("a peer was given up on", peer=source.name, blob=self.digest.hex(), reason=error.message)

    def _failed(self) -> DownloadFailed:
        reasons = [f"{each.name}: {each.failure or 'it has only a part'}" for each in self.sources]
        return DownloadFailed(
            f"{self.digest.hex()} can't be had: {'; '.join(reasons) or 'there is no peer to ask'}",
            hint="what has arrived is kept; ask again, or name more peers",
            peers=[source.name for source in self.sources],
        )

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[PartialBlob]:
        begin = self.store.repair if self.repairs else self.store.partial
        partial = await asyncio.to_thread(begin, self.digest.hex())
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


async def _ended(tasks: Collection["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
