"""Memories as rows of a SQL database: a memory, its search rows and its audit record live or die in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from aster.foundation.audit import AuditLog, utc_now
from aster.foundation.sql import Connection, Database
from astrocyte.memories import FoundPassage, Memory
from astrocyte.moments import microseconds
from astrocyte.stores.banks import BankTable, bank_for_writing, refuse_held
from astrocyte.stores.columns import Columns, columns_of
from astrocyte.stores.curation import Curation
from astrocyte.stores.promises import broken_promises
from astrocyte.stores.reembedding import Reembedding
from astrocyte.stores.rows import (
    AUDIT_CHAIN,
    AUDITED_IDS,
    COLUMNS,
    WIDTH,
    ask_for,
    at_one_moment,
    equal_memories,
    insert_memories,
    memory_of_row,
    parts,
    remove_rows,
    selected_rows,
    touch,
)
from astrocyte.stores.search_rows import passages_between, whole_memories
from astrocyte.stores.segments import pack_when_due, read_ahead
from astrocyte.stores.store import UNFINISHED, Changes, Position, PreparedMemory, Selection, Space
from astrocyte.stores.tasks import TaskQueue
from astrocyte.stores.transfer import Transfer

T = TypeVar("T")

CHANGES = 5000
"""Rows told at once, so that a large bank is never held in memory a second time."""

_MEMORY = f"SELECT {COLUMNS} FROM memories m JOIN memory_banks b ON b.id = m.bank WHERE b.name = ?"  # noqa: S608
_PASSAGE = (
    f"SELECT {COLUMNS}, p.id, p.ordinal, p.start, p.stop,"  # noqa: S608 - our own words
    " (SELECT count(*) FROM memory_passages WHERE memory = m.id) FROM memory_passages p"
    " JOIN memories m ON m.id = p.memory JOIN memory_banks b ON b.id = p.bank WHERE b.name = ?"
)


class SqlStore(BankTable, Curation, Reembedding, TaskQueue, Transfer):
    """What the stores of all engines share: nearly everything. The caller owns the `Database` and closes it."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now
        self.audit = AuditLog(database, now=now)
        database.migrate("memory", "astrocyte.stores.migrations")

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
        now = microseconds(self._now())

        def work(connection: Connection) -> list[str | None]:
            bank = bank_for_writing(connection, bank_id, space, now)
            equals = equal_memories(connection, bank, memories)
            fresh = [one for one, equal in zip(memories, equals, strict=True) if equal is None]
            pack_when_due(connection, bank, insert_memories(connection, bank, fresh, now))
            touch(connection, bank)
            stored = [one.memory_id for one, equal in zip(memories, equals, strict=True) if equal is None]
            if stored and tasks:
                ask_for(connection, bank, tasks, due_at=now if due is None else microseconds(due))
            self.audit.append(connection, AUDIT_CHAIN, {**event, "memoryIds": stored})
            return equals

        return await self._database.write(work)

    async def forget(self, bank_id: str, selection: Selection, event: Mapping[str, Any]) -> list[str]:
        now = microseconds(self._now())

        def work(connection: Connection) -> list[str]:
            bank = connection.execute("SELECT id FROM memory_banks WHERE name = ?", (bank_id,)).fetchone()
            rows: list[tuple[int, str]] = []
            if bank:
                refuse_held(connection, bank[0], bank_id)
                rows = selected_rows(connection, bank[0], selection)
                remove_rows(connection, bank[0], rows, now, rebuild=not selection.everything)
                if selection.everything:
                    connection.execute("DELETE FROM memory_tasks WHERE bank = ?", (bank[0],))
            gone = [memory_id for _, memory_id in rows]
            named = {"memories": len(gone), "memoryIds": gone[:AUDITED_IDS]}
            self.audit.append(connection, AUDIT_CHAIN, {**event, **named})
            return gone

        return await self._database.write(work)

    def selected(self, bank_id: str, selection: Selection) -> list[str]:
        def query(connection: Connection) -> list[str]:
            bank = connection.execute("SELECT id FROM memory_banks WHERE name = ?", (bank_id,)).fetchone()
            return [memory_id for _, memory_id in selected_rows(connection, bank[0], selection)] if bank else []

        return self._database.read_now(query)

    async def record(self, event: Mapping[str, Any]) -> None:
        await self.audit.record(AUDIT_CHAIN, event)

    def changes(self, bank_id: str, since: Position | None) -> Changes | None:
        def query(connection: Connection) -> Changes | None:
            found = connection.execute(
                "SELECT id, version, model, dimension, epoch FROM memory_banks WHERE name = ?", (bank_id,)
            ).fetchone()
            if found is None or (since is not None and since.version == found[1]):
                return None
            is_remote = self._is_remote(connection, found[0])
            begun = Position(found[0], 0, epoch=found[4])
            known = since if since is not None and since.epoch == begun.epoch else begun
            return _changes(connection, found, known, is_remote=is_remote)

        if since is not None and self._version(bank_id) == since.version:  # nearly always: one statement
            return None
        return self._database.read_now(lambda connection: at_one_moment(connection, query))

    def _version(self, bank_id: str) -> int | None:
        found = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT version FROM memory_banks WHERE name = ?", (bank_id,)
            ).fetchone()
        )
        return None if found is None else int(found[0])

    def _is_remote(self, connection: Connection, bank: int) -> bool:
        """Whether this store searches a bank's vectors itself."""
        return False

    def fetch(self, bank_id: str, rows: Sequence[int]) -> dict[int, FoundPassage]:
        def query(connection: Connection) -> dict[int, FoundPassage]:
            found: dict[int, FoundPassage] = {}
            for part in parts(rows):
                marks = ",".join("?" * len(part))
                for row in connection.execute(f"{_PASSAGE} AND p.id IN ({marks})", (bank_id, *part)):
                    number, ordinal, start, stop, of = row[WIDTH:]
                    found[number] = FoundPassage(memory_of_row(bank_id, row).record, ordinal, of, row[2][start:stop])
            return found

        return self._database.read_now(query)

    def words(self, bank: int, rows: Sequence[int]) -> dict[int, bytes]:
        def query(connection: Connection) -> dict[int, bytes]:
            found: dict[int, bytes] = {}
            for part in parts(rows):
                marks = ",".join("?" * len(part))
                select = f"SELECT id, words FROM memory_passages WHERE id IN ({marks}) AND bank = ?"  # noqa: S608
                found.update(connection.execute(f"{select} AND words IS NOT NULL", (*part, bank)))
            return found

        return self._database.read_now(query)

    def find(self, bank_id: str, memory_id: str) -> Memory | None:
        row = self._database.read_now(
            lambda connection: connection.execute(f"{_MEMORY} AND m.memory_id = ?", (bank_id, memory_id)).fetchone()
        )
        return None if row is None else memory_of_row(bank_id, row)

    def page(self, bank_id: str, after: int, limit: int) -> list[Memory]:
        rows = self._database.read_now(
            lambda connection: connection.execute(
                f"{_MEMORY} AND m.id > ? ORDER BY m.id LIMIT ?", (bank_id, after, limit)
            ).fetchall()
        )
        return [memory_of_row(bank_id, row) for row in rows]

    def problems(self) -> list[str]:
        return [*self._database.check(), *self._database.read_now(broken_promises)]

    def check(self) -> None:
        self._database.read_now(lambda connection: connection.execute("SELECT count(*) FROM memory_banks").fetchone())


def _changes(connection: Connection, bank: Sequence[Any], since: Position, *, is_remote: bool) -> Changes:
    number, version, model, dimension, epoch = bank
    added, last, is_all = _added(connection, number, since.row, None if is_remote else dimension)
    dropped = connection.execute(
        "SELECT id, memory FROM memory_tombstones WHERE bank = ? AND id > ? ORDER BY id", (number, since.tombstone)
    ).fetchall()
    seen = dropped[-1][0] if dropped else since.tombstone
    position = Position(number, version if is_all else UNFINISHED, last, seen, epoch)
    space = None if model is None else Space(model, dimension)
    total = 0
    if since.row == 0:
        total = connection.execute("SELECT count(*) FROM memory_passages WHERE bank = ?", (number,)).fetchone()[0]
    return Changes(position, space, added, [row for _, row in dropped], total, is_remote)


def _added(connection: Connection, bank: int, after: int, dimension: int | None) -> tuple[Sequence[Columns], int, bool]:
    """Passages that come after one, the last of them, and whether there are no more."""
    has_vectors = dimension is not None
    ahead = read_ahead(connection, bank, after, with_vectors=has_vectors)
    if ahead.segments:
        return ahead.segments, ahead.last, False
    rows = passages_between(connection, bank, after, ahead.stop, limit=CHANGES, with_vectors=has_vectors)
    is_all = len(rows) < CHANGES and ahead.stop is None
    if len(rows) == CHANGES:
        rows = whole_memories(rows)
    return ([columns_of(rows, dimension)], rows[-1].row, is_all) if rows else ([], after, is_all)
