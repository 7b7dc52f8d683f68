"""What the engine asks of a store. SQLite and PostgreSQL answer the same questions the same way."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from aster.foundation.audit import AuditLog
from astrocyte.banks import BankInfo, BankSettings, BankState, BankStatistics, ImportResult, LegalHold
from astrocyte.errors import ModelMismatch
from astrocyte.memories import FoundPassage, KeptMemory, Memory, MemoryRecord, NewMemory
from astrocyte.stores.columns import Columns
from astrocyte.stores.persons import Belonging, Person

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PreparedPassage:
    """``content[start:stop]`` with what searching needs: packed terms, a packed float16 vector, packed words.

    The last two are None where the model gives none.
    """

    start: int
    stop: int
    terms: bytes
    vector: bytes | None
    words: bytes | None = None


@dataclass(frozen=True, slots=True)
class PreparedMemory:
    """A checked memory with its id and its passages, at least one.

    ``fingerprint`` is what an equal memory has too; None when this one is to be kept whatever else there is.
    ``retained_at`` is None for what is new, and a time for what was retained before; so are ``updated_at`` and
    ``archived_at``, of which the latter keeps it out of every search. ``sources`` are the ids it was derived from.
    """

    memory_id: str
    memory: NewMemory
    passages: Sequence[PreparedPassage]
    fingerprint: bytes | None
    retained_at: datetime | None = None
    updated_at: datetime | None = None
    archived_at: datetime | None = None
    retained_by: str | None = None
    layer: str = "fact"
    sources: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Space:
    """The embedding space of vectors: a model's id and its number of dimensions."""

    model: str
    dimension: int


def check_space(bank_id: str, kept: Space, used: Space) -> None:
    """Raise `ModelMismatch` unless both are the same space."""
    if kept != used:
        raise ModelMismatch(
            f"bank '{bank_id}' holds vectors of '{kept.model}' ({kept.dimension} dimensions), the model in use is "
            f"'{used.model}' ({used.dimension})",
            hint=f"`astrocyte reembed {bank_id}` makes them anew; until then set embedding.provider to the bank's"
            " model, or to 'none' to go by keywords",
            bank_id=bank_id,
        )


@dataclass(frozen=True, slots=True)
class BankVectors:
    """The model that made a bank's vectors, how many passages it has, how many of them still lack some of another."""

    model: str | None
    passages: int
    missing: int


@dataclass(frozen=True, slots=True)
class SavedPassage:
    """A passage (its row) as it is kept: ``content[start:stop]`` of a memory."""

    row: int
    start: int
    stop: int
    record: MemoryRecord


@dataclass(frozen=True, slots=True)
class FreshVector:
    """What a model makes of a passage (its row), packed as in `PreparedPassage`."""

    passage: int
    vector: bytes
    words: bytes | None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The passages that a filter admits: bit n is that of passage ``first`` + n, the lowest of a byte first."""

    first: int
    last: int
    bits: bytes


@dataclass(frozen=True, slots=True)
class Selection:
    """What to forget: everything in the bank, or the memories that meet every condition that is given."""

    everything: bool = False
    memory_ids: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    before: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Expired:
    """A memory that is old enough for a sweep; ``since`` is microseconds since 1970."""

    memory_id: str
    tags: Sequence[str]
    since: int
    is_archived: bool


@dataclass(frozen=True, slots=True)
class Task:
    """Background work: make what is of ``kind`` about ``subject``. ``due_at`` is microseconds since 1970."""

    task_id: int
    bank_id: str
    kind: str
    subject: str
    attempts: int
    due_at: int
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class QueueState:
    """Background work of all banks: how many tasks, how many failed the last time, when the oldest was due."""

    waiting: int
    failing: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class Derived:
    """A memory that was made from others; ``sources`` are their rows."""

    memory: PreparedMemory
    sources: Sequence[int]


UNFINISHED = -1
"""The version of a position with more to come: ask again from there."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far an index has followed its bank: its number and version, the last passage and tombstone it saw.

    Another ``epoch`` than the bank's means that the vectors it has are no longer those that are kept.
    """

    bank: int
    version: int
    row: int = 0
    tombstone: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened in a bank after a position: passages to add, memories (rows) to drop, the position after it.

    When the position's epoch is another than it was asked for, these are all changes since the bank began.
    ``total`` is how many passages the bank has, told with the first changes of all. When the bank ``is_remote``, the
    store searches its vectors itself, and they are left out.
    """

    position: Position
    space: Space | None
    added: Sequence[Columns]
    dropped: Sequence[int]
    total: int = 0
    is_remote: bool = False


class Store(Protocol):
    """Writes are transactions and return when durable; reads block and belong in a worker thread.

    ``audit`` is the log that every write leaves its record in.
    """

    audit: AuditLog

    async def add(
        self,
        bank_id: str,
        memories: Sequence[PreparedMemory],
        space: Space | None,
        event: Mapping[str, Any],
        *,
        tasks: Sequence[tuple[str, str]] = (),
        due: datetime | None = None,
    ) -> list[str | None]:
        """Store all or none, with ``event`` in the audit log; raises `ModelMismatch` for another space's vectors.

        ``tasks`` (kind, subject) are asked for in the same transaction, for ``due``, when anything was stored.

        One answer a memory: None when it was stored, the id of the equal one that was there already when it was not.
        """

    async def forget(self, bank_id: str, selection: Selection, event: Mapping[str, Any]) -> list[str]:
        """Remove the selected memories and all that was derived from them; returns their ids."""

    def selected(self, bank_id: str, selection: Selection) -> list[str]:
        """The ids of what a forget would remove."""

    async def record(self, event: Mapping[str, Any]) -> None:
        """Write ``event`` to the audit log by itself."""

    def changes(self, bank_id: str, since: Position | None) -> Changes | None:
        """What ``since`` has not seen, from one moment; None when the bank does not exist or nothing has changed."""

    def fetch(self, bank_id: str, rows: Sequence[int]) -> dict[int, FoundPassage]:
        """Those of the passages that still exist in this bank."""

    def words(self, bank: int, rows: Sequence[int]) -> dict[int, bytes]:
        """The packed words of those passages of a bank (its number) that have some."""

    def find(self, bank_id: str, memory_id: str) -> Memory | None:
        """One memory by its id."""

    def page(self, bank_id: str, after: int, limit: int) -> list[Memory]:
        """Memories whose row number is above ``after``, oldest first."""

    async def replace(
        self, bank_id: str, prepared: PreparedMemory, space: Space | None, event: Mapping[str, Any]
    ) -> None:
        """Put a memory in the place of the one with its id, and drop what was derived from that.

        Raises `MemoryNotFound`, `LegalHoldActive`, `ModelMismatch`.
        """

    async def archive(self, bank_id: str, memory_ids: Sequence[str], event: Mapping[str, Any]) -> list[str]:
        """Take memories out of every search and keep their rows; returns the ids of those that were not yet."""

    def older_than(self, bank_id: str, moment: datetime) -> list[Expired]:
        """Facts that were retained (or last changed) before ``moment``, oldest first."""

    def belonging_to(self, bank_id: str, person: Person) -> list[Belonging]:
        """Every memory in a bank that is a person's, and why."""

    async def save_bank(
        self, bank_id: str, settings: BankSettings, event: Mapping[str, Any], *, is_new: bool
    ) -> BankInfo:
        """Make a bank, or replace its settings; raises `BankExists` or `BankNotFound`."""

    async def delete_bank(self, bank_id: str, event: Mapping[str, Any]) -> list[str]:
        """Forget everything in a bank, its settings and its model; returns the ids. Raises `BankNotFound`."""

    def bank(self, bank_id: str) -> BankInfo | None:
        """What a bank holds; None when it does not exist."""

    def bank_settings(self, bank_id: str) -> BankSettings:
        """A bank's own settings; nothing but defaults for one that does not exist."""

    def bank_names(self, after: str, limit: int) -> list[str]:
        """The names of banks that come after ``after``, in order."""

    def statistics(self, bank_id: str) -> BankStatistics | None:
        """What a bank holds, counted anew; None when it does not exist."""

    async def place_hold(self, hold: LegalHold, event: Mapping[str, Any]) -> None:
        """Raises `InvalidInput` for an id that the bank has a hold of already. A bank is made if there is none."""

    async def lift_hold(self, bank_id: str, hold_id: str, event: Mapping[str, Any]) -> bool:
        """Whether there was such a hold."""

    def holds(self, bank_id: str) -> list[LegalHold]:
        """The holds on a bank, oldest first."""

    async def claim_task(self) -> Task | None:
        """The task that is due for longest, taken for ten minutes; None when nothing is due."""

    def next_task_at(self) -> int | None:
        """When the next task is due, in microseconds since 1970."""

    def queue_state(self) -> QueueState:
        """The tasks of all banks, counted."""

    def tasks(self, bank_id: str) -> list[Task]:
        """A bank's tasks, waiting or under way."""

    async def add_tasks(self, bank_id: str, about: Sequence[tuple[str, str]], due: datetime) -> None:
        """Ask for work; what is asked for already is left as it is."""

    async def postpone_task(self, task: Task, until: datetime, failure: str) -> None:
        """Try again later; ``failure`` says what kept it."""

    async def save_derived(
        self, task: Task, layer: str, pieces: Sequence[Derived], space: Space | None, event: Mapping[str, Any]
    ) -> list[str]:
        """Put pieces in the place of what was derived about the same before, and finish the task; returns their ids.

        A piece of which a source is gone or changed by now is left out. Raises `LegalHoldActive`, `ModelMismatch`.
        """

    def facts(self, bank_id: str, *, speaker: str | None, tag: str | None, limit: int) -> list[Memory]:
        """The newest facts that are searched, oldest first; by a speaker ("" is nobody), or with a tag."""

    def sources(self, bank_id: str, memory_id: str) -> list[Memory]:
        """What a derived memory was made from."""

    def read_whole(self, bank_id: str, use: Callable[[BankState, Iterator[KeptMemory]], T]) -> T:
        """Call ``use`` with all of a bank, memories in order, while nothing of it changes; returns what it returns."""

    async def take_in(
        self,
        bank_id: str,
        state: BankState,
        batches: Callable[[], Iterable[Sequence[PreparedMemory]]],
        space: Space | None,
        event: Mapping[str, Any],
        *,
        bring_back_forgotten: bool = False,
    ) -> ImportResult:
        """Add what belongs to a bank elsewhere, in one transaction; what is there already, by id, stays as it is.

        What was forgotten here is left out, with what was derived from it, unless ``bring_back_forgotten``.
        Sources come before what was derived from them. Settings are taken by a bank that has none of its own. Raises
        `ModelMismatch`.
        """

    def vectors(self, bank_id: str, space: Space, *, with_words: bool) -> BankVectors | None:
        """What of a bank is in a space, with what waits to be; None when there is no bank. Time grows with it."""

    def unembedded(self, bank_id: str, space: Space, limit: int, *, with_words: bool) -> list[SavedPassage]:
        """The next passages that have neither vectors of the space nor fresh ones, in order."""

    async def keep_fresh(self, bank_id: str, space: Space, fresh: Sequence[FreshVector]) -> None:
        """Keep vectors for later. Those of another space that wait are dropped; a passage that is gone gets none."""

    async def switch_vectors(
        self, bank_id: str, space: Space, event: Mapping[str, Any], *, with_words: bool
    ) -> int | None:
        """Put the fresh vectors in their places, all or none; how many, None while some are missing."""

    async def pack(self, bank_id: str) -> bool:
        """Prepare some more of a bank for search indexes to be read quickly; whether there is more to do."""

    def incomplete_banks(self, space: Space, *, with_words: bool) -> dict[str, int]:
        """Banks of a space in which passages lack vectors, and how many; time grows with the store."""

    async def scrub(self) -> bool:
        """Leave no byte of what was removed in the store's files; False where that is the server's own business.

        Takes as long as copying the whole store. Raises `StorageBusy` when another process keeps an old state open;
        what is removed stays removed.
        """

    async def back_up(self, path: Path) -> Path:
        """A consistent copy as a file that must not exist yet, while the store is in use; returns its whole path."""

    def problems(self) -> list[str]:
        """What is wrong inside the store; empty when all is well. Time grows with its size."""

    def check(self) -> None:
        """Raise a `StorageError` when the store can't be read."""
