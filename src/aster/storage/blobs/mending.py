"""Finding what is damaged in a blob, and saving what is not."""

from collections.abc import Iterator

from aster.storage.blobs.chunks import HASH_BYTES
from aster.storage.blobs.model import Damage
from aster.storage.blobs.partial import PartialBlob
from aster.storage.blobs.reading import LIST_PIECE, BlobReader
from aster.storage.errors import BlobDamaged

HASHES = LIST_PIECE // HASH_BYTES


def damage_of(reader: BlobReader) -> Damage | None:
    """What is wrong with a blob whose list is good, chunk by chunk."""
    damaged = tuple(_damaged_chunks(reader))
    problem = f"{len(damaged)} of {reader.chunks} chunks are damaged"
    return Damage(reader.ref.hash, problem, damaged) if damaged else None


def salvage(reader: BlobReader, partial: PartialBlob) -> None:
    """Put every sound chunk into the download; one of an interrupted repair keeps what it has."""
    if partial.size is None:
        partial.take_list(reader.size, (reader.hashes(at, HASHES) for at in range(0, reader.chunks, HASHES)))
    for number in partial.missing():
        try:
            partial.put(number, reader.chunk(number))
        except BlobDamaged:
            continue


def _damaged_chunks(reader: BlobReader) -> Iterator[int]:
    for number in range(reader.chunks):
        try:
            reader.chunk(number)
        except BlobDamaged:
            yield number
