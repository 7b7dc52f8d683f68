"""Writing a blob: chunk by chunk into a draft, which becomes a blob once it is whole and durable."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from aster.storage.blobs.chunks import CHUNK_BYTES, HASH_BYTES, RootHasher, chunk_hash
from aster.storage.blobs.model import BlobRef, Entry
from aster.storage.blobs.shelf import Draft
from aster.storage.errors import ChunkRefused, QuotaExceeded

ZEROS = bytes(CHUNK_BYTES)

Commit = Callable[[Entry, Draft | None], BlobRef]


class BlobWriter:
    """Takes bytes in pieces of any size; ``finish`` gives the blob, leaving without it leaves nothing behind.

    Chunks of zeros are left out of the file, so a sparse file stays one.
    """

    def __init__(self, draft: Callable[[], Draft], commit: Commit, inline_bytes: int, max_bytes: int) -> None:
        self._make_draft = draft
        self._draft: Draft | None = None
        self._commit = commit
        self._inline_bytes = min(inline_bytes, CHUNK_BYTES)
        self._max_bytes = max_bytes
        self._tail = bytearray()
        self._hasher = RootHasher()
        self._chunks = 0
        self._is_finished = False

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._chunks * CHUNK_BYTES + len(self._tail)

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; `QuotaExceeded` and `StorageFull` end the addition."""
        view = memoryview(piece).cast("B")
        if self.size + len(view) > self._max_bytes:
            raise QuotaExceeded(
                f"there is room for a blob of {self._max_bytes} bytes, and this one is larger",
                hint="untag what is not needed and collect garbage, or raise max_total_bytes or max_blob_bytes",
            )
        if self._tail:
            taken = view[: CHUNK_BYTES - len(self._tail)]
            self._tail += taken
            view = view[len(taken) :]
            if len(self._tail) == CHUNK_BYTES and view:
                self._put(bytes(self._tail))
                self._tail.clear()
        while len(view) > CHUNK_BYTES:  # the last chunk, full or not, is written at the end
            self._put(bytes(view[:CHUNK_BYTES]))  # comparing views is a hundred times slower than a copy
            view = view[CHUNK_BYTES:]
        self._tail += view

    def finish(self, expected: bytes | None = None) -> BlobRef:
        """Make everything durable and give the blob; the same content added twice is one blob.

        `ChunkRefused` when the hash is not the ``expected`` one; then nothing is added.
        """
        size = self.size
        if not self._chunks and size <= self._inline_bytes:
            content = bytes(self._tail)
            digest = _checked(chunk_hash(content), expected)
            self._is_finished = True
            return self._commit(Entry(digest, size, is_collection=False, content=content), None)
        self._put(bytes(self._tail))
        draft, digest = self._opened(), _checked(self._hasher.root(size), expected)
        draft.data.resize(size)
        draft.data.sync()
        draft.hashes.sync()
        ref = self._commit(Entry(digest, size, is_collection=False, content=None), draft)
        self._is_finished = True
        return ref

    def abandon(self) -> None:
        """Remove what was written."""
        if self._draft is not None and not self._is_finished:
            self._draft.discard()
            self._draft = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def _put(self, chunk: bytes) -> None:
        draft, digest = self._opened(), chunk_hash(chunk)
        if not is_zeros(chunk):
            draft.data.write_at(self._chunks * CHUNK_BYTES, chunk)
        draft.hashes.write_at(self._chunks * HASH_BYTES, digest)
        self._hasher.add(digest)
        self._chunks += 1

    def _opened(self) -> Draft:
        if self._draft is None:
            self._draft = self._make_draft()
        return self._draft


def is_zeros(chunk: bytes) -> bool:
    """Are there only zeros in a chunk, or less than one?"""
    return ZEROS.startswith(chunk)


def _checked(digest: bytes, expected: bytes | None) -> bytes:
    if expected is not None and digest != expected:
        raise ChunkRefused(f"the bytes are not those of {expected.hex()}")
    return digest
