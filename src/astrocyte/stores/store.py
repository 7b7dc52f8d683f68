"""What the engine asks of a store. SQLite answers today; another database answers the same questions the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from astrocyte.memories import BankInfo, FoundPassage, Memory, NewMemory


@dataclass(frozen=True, slots=True)
class PreparedPassage:
    """``content[start:stop]`` with what searching needs: packed terms, and a packed float16 vector or None."""

    start: int
    stop: int
    terms: bytes
    vector: bytes | None


@dataclass(frozen=True, slots=True)
class PreparedMemory:
    """A checked memory with its id and its passages, at least one.

    ``fingerprint`` is what an equal memory has too; None when this one is to be kept whatever else there is.
    ``retained_at`` is None for what is new, and a time for what was retained before, elsewhere.
    """

    memory_id: str
    memory: NewMemory
    passages: Sequence[PreparedPassage]
    fingerprint: bytes | None
    retained_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """The embedding space of vectors: a model's id and its number of dimensions."""

    model: str
    dimension: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What to forget: everything in the bank, or the memories that meet every condition that is given."""

    everything: bool = False
    memory_ids: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class SearchRow:
    """What a search index takes from one passage; ``memory`` is its memory's row, times are microseconds since 1970."""

    row: int
    memory: int
    session_id: str | None
    speaker: str | None
    tags: list[str]
    occurred_at: int | None
    retained_at: int
    terms: bytes
    vector: bytes | None


UNFINISHED = -1
"""The version of a position with more to come: ask again from there."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far an index has followed its bank: its number and version, the last passage and tombstone it saw."""

    bank: int
    version: int
    row: int = 0
    tombstone: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened in a bank after a position: passages to add, memories (rows) to drop, the position after it.

    ``total`` is how many passages the bank has, told with the first changes of all.
    """

    position: Position
    space: Space | None
    added: Sequence[SearchRow]
    dropped: Sequence[int]
    total: int = 0


class Store(Protocol):
    """Writes are transactions and return when durable; reads block and belong in a worker thread."""

    async def add(
        self, bank_id: str, memories: Sequence[PreparedMemory], space: Space | None, event: Mapping[str, Any]
    ) -> list[str | None]:
        """Store all or none, with ``event`` in the audit log; raises `ModelMismatch` for another space's vectors.

        One answer a memory: None when it was stored, the id of the equal one that was there already when it was not.
        """

    async def forget(self, bank_id: str, selection: Selection, event: Mapping[str, Any]) -> list[str]:
        """Remove the selected memories and all that was derived from them; returns their ids."""

    async def record(self, event: Mapping[str, Any]) -> None:
        """Write ``event`` to the audit log by itself."""

    def changes(self, bank_id: str, since: Position | None) -> Changes | None:
        """What ``since`` has not seen, from one moment; None when the bank does not exist or nothing has changed."""

    def fetch(self, bank_id: str, rows: Sequence[int]) -> dict[int, FoundPassage]:
        """Those of the passages that still exist in this bank."""

    def find(self, bank_id: str, memory_id: str) -> Memory | None:
        """One memory by its id."""

    def page(self, bank_id: str, after: int, limit: int) -> list[Memory]:
        """Memories whose row number is above ``after``, oldest first."""

    def bank(self, bank_id: str) -> BankInfo | None:
        """What a bank holds; None when it does not exist."""

    def bank_names(self, after: str, limit: int) -> list[str]:
        """The names of banks that come after ``after``, in order."""

    def check(self) -> None:
        """Raise a `StorageError` when the store can't be read."""
