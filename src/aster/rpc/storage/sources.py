"""Whom a blob is fetched from, and which of its chunks are still to be asked for."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aster.rpc.status import UnavailableError
from aster.rpc.storage.blob_service import (
    CHUNKS_AT_ONCE,
    AskBlob,
    AskChunks,
    AskHashes,
    BlobDescribed,
    BlobService,
    ChunkHashes,
    Chunks,
)
from aster.rpc.stub import Caller
from aster.storage.blobs.chunks import chunk_count
from aster.storage.errors import ChunkMissing

SECONDS_PER_REQUEST = 30.0

Run = tuple[int, int]
"""The first chunk and how many."""


@dataclass(slots=True)
class Source:
    """A peer that may have the blob; ``name`` is what errors call it.

    ``is_known`` once it has answered; ``here`` says which chunks it has (empty: all).
    """

    name: str
    caller: Caller
    secret: bytes = b""
    failure: str | None = None
    is_known: bool = False
    here: bytes = b""
    cursor: int = 0

    def has(self, index: int) -> bool:
        """Has it that chunk, as far as it has told?"""
        return not self.here or bool(self.here[index >> 3] & 128 >> (index & 7))

    async def describe(self, digest: bytes) -> BlobDescribed:
        """Ask for the size, and for what is there."""
        described: BlobDescribed = await (await self._stub()).describe(
            AskBlob(digest, self.secret), timeout=SECONDS_PER_REQUEST
        )
        if described.here and len(described.here) * 8 < chunk_count(described.size):
            raise UnavailableError("it does not say of every chunk whether it is there")
        self.is_known, self.here = True, described.here
        return described

    async def has_more(self, digest: bytes) -> bool:
        """Ask again what is there; more than before?"""
        before = self.here
        await self.describe(digest)
        self.cursor = 0
        return self.here != before

    async def hashes(self, digest: bytes, first: int, count: int) -> bytes:
        asked = AskHashes(digest, self.secret, first, count)
        answer: ChunkHashes = await (await self._stub()).hashes(asked, timeout=SECONDS_PER_REQUEST)
        return answer.hashes

    async def chunks(self, digest: bytes, run: Run) -> bytes:
        """The bytes of neighbouring chunks; `ChunkMissing` when one has not come there yet."""
        asked = AskChunks(digest, self.secret, *run)
        try:
            answer: Chunks = await (await self._stub()).read(asked, timeout=SECONDS_PER_REQUEST)
        except UnavailableError as error:
            if error.details.get("reason") == ChunkMissing.code:
                raise ChunkMissing(error.message) from None
            raise
        return answer.data

    async def _stub(self) -> BlobService:
        return await self.caller.client(BlobService)


class Work:
    """The chunks that are still to be asked for; each is given to one source at a time. A byte a chunk of memory."""

    def __init__(self, absent: bytearray, sources: Sequence[Source]) -> None:
        self._absent = absent
        self._sources = sources
        self._under_way = 0
        self._moved = asyncio.Event()
        self.left = sum(absent)

    @property
    def is_under_way(self) -> bool:
        """Is anybody being asked just now?"""
        return self._under_way > 0

    async def moved(self) -> None:
        """Wait until chunks have come, or are there to be asked for again."""
        await self._moved.wait()

    def take(self, source: Source) -> Run | None:
        """Neighbouring chunks that this source has; None when there are none."""
        at = source.cursor
        while (at := self._absent.find(1, at)) >= 0:
            count = 0
            while count < CHUNKS_AT_ONCE and self._is_for(source, at + count):
                self._absent[at + count] = 0
                count += 1
            if count:
                source.cursor = at + count
                self._under_way += 1
                return at, count
            at += 1
        source.cursor = len(self._absent)
        return None

    def done(self, run: Run) -> None:
        """They have come."""
        self.left -= run[1]
        self._settle()

    def give_back(self, run: Run) -> None:
        """They have not: somebody else may."""
        first, count = run
        self._absent[first : first + count] = b"\x01" * count
        for source in self._sources:
            source.cursor = min(source.cursor, first)
        self._settle()

    def _settle(self) -> None:
        self._under_way -= 1
        self._moved.set()
        self._moved = asyncio.Event()

    def _is_for(self, source: Source, index: int) -> bool:
        return index < len(self._absent) and self._absent[index] == 1 and source.has(index)
