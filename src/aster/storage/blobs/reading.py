"""Reading a stored blob: every chunk is checked against its hash before a byte of it is answered."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from aster.storage.blobs.chunks import (
    CHUNK_BYTES,
    HASH_BYTES,
    RootHasher,
    chunk_count,
    chunk_hash,
    chunk_length,
)
from aster.storage.blobs.model import BlobRef, Entry
from aster.storage.blobs.shelf import Content
from aster.storage.errors import BlobDamaged, RangeInvalid

LIST_PIECE = 8192 * HASH_BYTES


class ReadsChunks(ABC):
    """A blob that is open for reading chunk by chunk, the whole of it or what has come. Methods block."""

    ref: BlobRef

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes."""

    @property
    @abstractmethod
    def chunks(self) -> int:
        """How many chunks it has."""

    @property
    def is_whole(self) -> bool:
        """Is every chunk here?"""
        return True

    def here(self) -> bytes:
        """Which chunks are here, a bit each; empty where all are."""
        return b""

    @abstractmethod
    def hashes(self, first: int, count: int) -> bytes:
        """The hashes of up to ``count`` chunks from ``first`` on, joined."""

    @abstractmethod
    def chunk(self, index: int) -> bytes:
        """One chunk, verified."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the blob. Safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BlobReader(ReadsChunks):
    """An open blob. While it is open, no garbage collection of this process takes the blob.

    Methods block; each thread may call them. Closes with `close`, or as a context manager.
    """

    def __init__(
        self, entry: Entry, data: Content, hashes: Content | None, on_close: Callable[[], None] | None = None
    ) -> None:
        self.ref = BlobRef(entry.digest.hex(), entry.size, entry.is_collection)
        self._digest = entry.digest
        self._data = data
        self._hashes = hashes
        self._on_close = on_close

    @property
    def size(self) -> int:
        return self.ref.size

    @property
    def chunks(self) -> int:
        return chunk_count(self.size)

    def check_list(self) -> None:
        """Hold the chunk list to the blob's hash; `BlobDamaged` when it does not fit."""
        if self._hashes is None:
            return
        wanted, hasher, offset = self.chunks * HASH_BYTES, RootHasher(), 0
        if self._hashes.size() != wanted:
            raise self._damaged(f"its chunk list has {self._hashes.size()} bytes instead of {wanted}")
        while offset < wanted:
            piece = self._hashes.read_at(offset, LIST_PIECE)
            hasher.add(piece)
            offset += len(piece)
        if hasher.root(self.size) != self._digest:
            raise self._damaged("its chunk list does not fit its hash")

    def hashes(self, first: int, count: int) -> bytes:
        if self._hashes is None:
            return self._digest if first == 0 and count else b""
        return self._hashes.read_at(first * HASH_BYTES, count * HASH_BYTES)

    def chunk(self, index: int) -> bytes:
        """One chunk, verified; `BlobDamaged` when its bytes are not those that were added."""
        if not 0 <= index < self.chunks:
            raise RangeInvalid(f"chunk {index} of a blob of {self.chunks}")
        data = self._data.read_at(index * CHUNK_BYTES, chunk_length(self.size, index))
        if chunk_hash(data) != self.hashes(index, 1):
            raise self._damaged(f"chunk {index} is damaged", chunk=index)
        return data

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """Bytes ``start`` up to ``end`` (the blob's end by default), in memory; `RangeInvalid` for ones outside."""
        return b"".join(self.pieces(start, end))

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The same, a chunk at a time."""
        stop = self.size if end is None else end
        if not 0 <= start <= stop <= self.size:
            raise RangeInvalid(f"bytes {start} to {stop} of a blob of {self.size}")
        while start < stop:
            index, skip = divmod(start, CHUNK_BYTES)
            piece = self.chunk(index)[skip : skip + stop - start]
            yield piece
            start += len(piece)

    def close(self) -> None:
        on_close, self._on_close = self._on_close, None
        self._data.close()
        if self._hashes is not None:
            self._hashes.close()
        if on_close is not None:
            on_close()

    def _damaged(self, words: str, **details: int) -> BlobDamaged:
        return BlobDamaged(
            f"blob {self.ref.hash}: {words}",
            hint="'aster blob repair' (or blobs.repair) fetches what is damaged from a peer that has it",
            hash=self.ref.hash,
            **details,
        )
