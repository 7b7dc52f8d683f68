"""The hash of a blob, and the list of its chunks' hashes that lets each chunk be verified on its own.

A blob of one chunk (up to 256 KiB) has the BLAKE3 hash of its bytes. A larger one has the hash of its chunk list::

    BLAKE3(derive key "aster blob chunk list v1", chunk hash 0 + chunk hash 1 + … + size as 8 bytes, little-endian)

The list is bound to the blob's hash by construction: who knows the hash can check a list from anywhere, and with the
list any chunk, before it is stored or answered. The two ways are told apart by BLAKE3's own key-derivation mode, so no
content can pass for a list.
"""

import math

from blake3 import blake3

from aster.storage.errors import NameInvalid

CHUNK_BYTES = 256 * 1024
HASH_BYTES = 32
LIST_CONTEXT = "aster blob chunk list v1"


def chunk_count(size: int) -> int:
    """How many chunks a blob of ``size`` bytes has; an empty one has one, of no bytes."""
    return max(1, math.ceil(size / CHUNK_BYTES))


def chunk_length(size: int, index: int) -> int:
    """Bytes of chunk ``index`` of a blob of ``size`` bytes."""
    return min(CHUNK_BYTES, size - index * CHUNK_BYTES)


def chunk_hash(data: bytes | memoryview) -> bytes:
    """The 32-byte hash of one chunk."""
    return blake3(data).digest()


class RootHasher:
    """Chunk hashes one after the other, to the blob's hash."""

    def __init__(self) -> None:
        self._list = blake3(derive_key_context=LIST_CONTEXT)
        self._first = b""
        self._count = 0

    def add(self, hashes: bytes) -> None:
        """One chunk's hash, or many joined."""
        if not self._count:
            self._first = hashes[:HASH_BYTES]
        self._count += len(hashes) // HASH_BYTES
        self._list.update(hashes)

    def root(self, size: int) -> bytes:
        """The hash of the blob of ``size`` bytes that had these chunks."""
        if self._count == 1 and size <= CHUNK_BYTES:
            return self._first
        self._list.update(size.to_bytes(8, "little"))
        return self._list.digest()


def hash_of(data: bytes) -> bytes:
    """The hash of a blob that is in memory."""
    hasher = RootHasher()
    for index in range(chunk_count(len(data))):
        hasher.add(chunk_hash(data[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]))
    return hasher.root(len(data))


def parse_hash(text: str) -> bytes:
    """64 hex characters as 32 bytes; `NameInvalid` for anything else."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != HASH_BYTES or len(text) != 2 * HASH_BYTES:
        raise NameInvalid(f"'{text[:80]}' is no blob hash", hint="64 hex characters")
    return digest
