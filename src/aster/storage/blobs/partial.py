"""A blob that arrives in chunks, in any order, from anywhere; what has arrived survives a restart.

First the chunk list is taken and held to the hash, then every chunk to the list, before a byte is written. Which chunks
are there is noted beside them, without waiting for the disk: what a crash made of them is found by hashing them again
when the download is taken up.
"""

import threading
from collections.abc import Iterable

from aster.storage.blobs.chunks import (
    CHUNK_BYTES,
    HASH_BYTES,
    RootHasher,
    chunk_count,
    chunk_hash,
    chunk_length,
)
from aster.storage.blobs.model import BlobRef, Entry
from aster.storage.blobs.reading import LIST_PIECE
from aster.storage.blobs.shelf import Draft
from aster.storage.blobs.writing import Commit, is_zeros
from aster.storage.errors import ChunkRefused

SIZE_BYTES = 8
HERE = b"\x01"


class PartialBlob:
    """Owns the draft of one hash until it is finished, left or discarded. Methods block."""

    def __init__(self, digest: bytes, draft: Draft, commit: Commit) -> None:
        self.digest = digest
        self._draft = draft
        self._commit = commit
        self._lock = threading.Lock()
        self._is_left = False
        self.size: int | None = self._known_size()
        self.present = self._check_present() if self.size is not None else 0

    @property
    def chunks(self) -> int:
        """How many chunks the blob has; 0 while its list is not known."""
        return 0 if self.size is None else chunk_count(self.size)

    @property
    def bytes_present(self) -> int:
        """Bytes that are here and verified."""
        return 0 if self.size is None else min(self.size, self.present * CHUNK_BYTES)

    @property
    def is_whole(self) -> bool:
        return self.size is not None and self.present == self.chunks

    def take_list(self, size: int, pieces: Iterable[bytes]) -> None:
        """The size and the chunk list that a peer tells; `ChunkRefused` when they don't fit the hash."""
        taking = ListTaking(self, size)
        for piece in pieces:
            taking.add(piece)
        taking.finish()

    def accept_list(self, size: int) -> None:
        """The list that lies in the draft fits the hash."""
        self._draft.hashes.resize(chunk_count(size) * HASH_BYTES)
        self._draft.have.resize(0)
        self._note_size(size)
        self._draft.have.resize(SIZE_BYTES + chunk_count(size))
        self._draft.data.resize(size)
        self.present = 0

    def write_list(self, offset: int, piece: bytes) -> None:
        """A part of a list that is being taken."""
        self._draft.hashes.write_at(offset, piece)

    def absent(self) -> bytearray:
        """A byte a chunk, 1 where it is not here: 40 KiB for a blob of 10 GiB."""
        return bytearray(here != HERE[0] for here in self._have())

    def missing(self) -> list[int]:
        """Indexes of the chunks that are not here."""
        return [index for index, is_absent in enumerate(self.absent()) if is_absent]

    def put(self, index: int, data: bytes) -> None:
        """Take a chunk; `ChunkRefused` when it is not what the hash says, and nothing is written."""
        if self.size is None or not 0 <= index < self.chunks:
            raise ChunkRefused(f"there is no chunk {index}")
        wanted = self._draft.hashes.read_at(index * HASH_BYTES, HASH_BYTES)
        fits = len(data) == chunk_length(self.size, index) or (self.chunks == 1 and len(data) <= CHUNK_BYTES)
        if not fits or chunk_hash(data) != wanted:
            raise ChunkRefused(
                f"chunk {index} of {self.digest.hex()} is not what its hash says", hash=self.digest.hex(), chunk=index
            )
        with self._lock:
            if self._is_left:
                raise ChunkRefused("the download was left")
            if self.chunks == 1 and len(data) != self.size:  # what a peer said; of one chunk, the hash binds only bytes
                self._draft.data.resize(len(data))
                self._note_size(len(data))
            if not (is_zeros(data) and is_zeros(self._draft.data.read_at(index * CHUNK_BYTES, len(data)))):
                self._draft.data.write_at(index * CHUNK_BYTES, data)  # else it is a hole, and stays one
            if self._draft.have.read_at(SIZE_BYTES + index, 1) != HERE:
                self._draft.have.write_at(SIZE_BYTES + index, HERE)
                self.present += 1

    def finish(self) -> BlobRef:
        """Make it a blob of the store."""
        if self.size is None or not self.is_whole:
            raise ChunkRefused(f"{self.digest.hex()} is not whole yet")
        self._draft.data.sync()
        self._draft.hashes.sync()
        with self._lock:
            ref = self._commit(Entry(self.digest, self.size, is_collection=False, content=None), self._draft)
            self._is_left = True
            return ref

    def leave(self) -> None:
        """Keep what is here for another time. Safe to call twice, and while other threads put chunks."""
        with self._lock:
            if not self._is_left:
                self._is_left = True
                self._draft.leave()

    def discard(self) -> None:
        """Remove what is here."""
        with self._lock:
            self._is_left = True
            self._draft.discard()

    def _note_size(self, size: int) -> None:
        self._draft.have.write_at(0, size.to_bytes(SIZE_BYTES, "little"))
        self.size = size

    def _have(self) -> bytes:
        return self._draft.have.read_at(SIZE_BYTES, self.chunks)

    def _known_size(self) -> int | None:
        """The size noted beside the draft, if the list that is here belongs to the hash."""
        head = self._draft.have.read_at(0, SIZE_BYTES)
        if len(head) < SIZE_BYTES:
            return None
        size = int.from_bytes(head, "little")
        wanted = chunk_count(size) * HASH_BYTES
        if self._draft.hashes.size() != wanted or self._draft.have.size() != SIZE_BYTES + chunk_count(size):
            return None
        hasher = RootHasher()
        for offset in range(0, wanted, LIST_PIECE):
            hasher.add(self._draft.hashes.read_at(offset, LIST_PIECE))
        return size if hasher.root(size) == self.digest else None

    def _check_present(self) -> int:
        present, size = 0, self.size or 0
        for index, here in enumerate(self._have()):
            if here != HERE[0]:
                continue
            data = self._draft.data.read_at(index * CHUNK_BYTES, chunk_length(size, index))
            if chunk_hash(data) == self._draft.hashes.read_at(index * HASH_BYTES, HASH_BYTES):
                present += 1
            else:
                self._draft.have.write_at(SIZE_BYTES + index, b"\x00")
        self._draft.data.resize(size)
        return present


class ListTaking:
    """A chunk list on its way into a draft, piece by piece, held to the hash at its end."""

    def __init__(self, partial: PartialBlob, size: int) -> None:
        self._partial = partial
        self._size = size
        self._wanted = chunk_count(size) * HASH_BYTES
        self._hasher = RootHasher()
        self._offset = 0

    def add(self, piece: bytes) -> None:
        """The next hashes; `ChunkRefused` for more than there can be."""
        if not piece or len(piece) % HASH_BYTES or self._offset + len(piece) > self._wanted:
            raise ChunkRefused(f"a part of the chunk list has {len(piece)} bytes, which can't be")
        self._partial.write_list(self._offset, piece)
        self._hasher.add(piece)
        self._offset += len(piece)

    def finish(self) -> None:
        """Was that the list of the hash?"""
        if self._offset != self._wanted or self._hasher.root(self._size) != self._partial.digest:
            raise ChunkRefused(f"the chunk list does not fit the hash {self._partial.digest.hex()}")
        self._partial.accept_list(self._size)
