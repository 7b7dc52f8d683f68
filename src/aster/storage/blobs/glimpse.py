"""Reading what has arrived of a blob that is still on its way, beside whoever writes it."""

from aster.storage.blobs.chunks import CHUNK_BYTES, HASH_BYTES, RootHasher, chunk_count, chunk_hash, chunk_length
from aster.storage.blobs.model import BlobRef
from aster.storage.blobs.partial import HERE, SIZE_BYTES
from aster.storage.blobs.reading import LIST_PIECE, ReadsChunks
from aster.storage.blobs.shelf import DraftContents
from aster.storage.errors import BlobNotFound, ChunkMissing, RangeInvalid


class Glimpse(ReadsChunks):
    """An unfinished download, open for reading. Needs no lock: a chunk is told only if it is what its hash says."""

    def __init__(self, digest: bytes, contents: DraftContents) -> None:
        self._digest = digest
        self._data, self._hashes, self._have = contents
        head = self._have.read_at(0, SIZE_BYTES)
        if len(head) < SIZE_BYTES:
            self.close()
            raise BlobNotFound(f"nothing of blob {digest.hex()} is here yet")
        self.ref = BlobRef(digest.hex(), int.from_bytes(head, "little"))

    @property
    def size(self) -> int:
        return self.ref.size

    @property
    def chunks(self) -> int:
        return chunk_count(self.size)

    @property
    def is_whole(self) -> bool:
        return False

    @property
    def bytes_present(self) -> int:
        """Bytes of the chunks that have come."""
        return sum(chunk_length(self.size, index) for index, here in enumerate(self._noted()) if here == HERE[0])

    def check_list(self) -> None:
        """`BlobNotFound` unless the chunk list that is here is that of the hash."""
        hasher = RootHasher()
        for offset in range(0, self.chunks * HASH_BYTES, LIST_PIECE):
            hasher.add(self._hashes.read_at(offset, LIST_PIECE))
        if hasher.root(self.size) != self._digest:
            raise BlobNotFound(f"nothing of blob {self.ref.hash} is here yet")

    def here(self) -> bytes:
        """A bit a chunk, the first the highest of its byte: has it come?"""
        noted = self._noted()
        return bytes(
            sum(128 >> place for place, here in enumerate(noted[at : at + 8]) if here == HERE[0])
            for at in range(0, len(noted), 8)
        )

    def hashes(self, first: int, count: int) -> bytes:
        return self._hashes.read_at(first * HASH_BYTES, min(count, self.chunks - first) * HASH_BYTES)

    def chunk(self, index: int) -> bytes:
        if not 0 <= index < self.chunks:
            raise RangeInvalid(f"chunk {index} of a blob of {self.chunks}")
        data = self._data.read_at(index * CHUNK_BYTES, chunk_length(self.size, index))
        if self._have.read_at(SIZE_BYTES + index, 1) != HERE or chunk_hash(data) != self.hashes(index, 1):
            raise ChunkMissing(f"chunk {index} of {self.ref.hash} has not come here yet")
        return data

    def close(self) -> None:
        for content in (self._data, self._hashes, self._have):
            content.close()

    def _noted(self) -> bytes:
        return self._have.read_at(SIZE_BYTES, self.chunks)
