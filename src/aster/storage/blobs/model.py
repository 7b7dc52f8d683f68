"""What the store says of a blob."""

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct


class BlobRef(Struct, frozen=True):
    """A blob: its hash (64 hex characters) and its size in bytes."""

    hash: str
    size: int
    is_collection: bool = False


class BlobState(StrEnum):
    """How much of a blob is here."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    MISSING = "missing"


class BlobStatus(Struct, frozen=True):
    """How much of a blob is here, in bytes; a partial one's ``size`` is what a peer said and the hash confirmed.

    Of a partial blob ``bytes_present`` are those that were noted as they came; the download that goes on with it reads
    them again, and fetches anew what a crash has spoilt.
    """

    hash: str
    state: BlobState
    size: int = 0
    bytes_present: int = 0
    tags: tuple[str, ...] = ()


class Tag(Struct, frozen=True):
    """A name that keeps a blob."""

    name: str
    hash: str
    size: int


class Damage(Struct, frozen=True):
    """What `verify` found wrong with one blob; ``chunks`` are the indexes of the damaged ones, where they are known."""

    hash: str
    problem: str
    chunks: tuple[int, ...] = ()


class Collected(Struct, frozen=True):
    """What a garbage collection removed."""

    blobs: int
    bytes: int
    drafts: int = 0


class Usage(Struct, frozen=True):
    """What the store holds."""

    blobs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the index; ``content`` is there for a small blob."""

    digest: bytes
    size: int
    is_collection: bool
    content: bytes | None
