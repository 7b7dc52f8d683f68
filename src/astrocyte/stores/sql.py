"""Memories as rows of a SQL database: a memory, its search rows and its audit record live or die in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from aster.foundation.audit import AuditLog, utc_now
from aster.foundation.sql import Connection, Database
from astrocyte.memories import FoundPassage, Memory
from astrocyte.moments import microseconds
from astrocyte.stores.banks import BankTable, bank_for_writing, refuse_held
from astrocyte.stores.curation import Curation
from astrocyte.stores.promises import broken_promises
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
    read_tags,
    remove_rows,
    selected_rows,
    touch,
)
from astrocyte.stores.store import UNFINISHED, Changes, Position, PreparedMemory, SearchRow, Selection, Space
from astrocyte.stores.tasks import TaskQueue
from astrocyte.stores.transfer import Transfer

T = TypeVar("T")

CHANGES = 20_000
"""Passages told at once, so that a large bank is never held in memory a second time."""

_MEMORY = f"SELECT {COLUMNS} FROM memories m JOIN memory_banks b ON b.id = m.bank WHERE b.name = ?"  # noqa: S608
_PASSAGE = (
    f"SELECT {COLUMNS}, p.id, p.ordinal, p.start, p.stop,"  # noqa: S608 - our own words
    " (SELECT count(*) FROM memory_passages WHERE memory = m.id) FROM memory_passages p"
    " JOIN memories m ON m.id = p.memory JOIN memory_banks b ON b.id = p.bank WHERE b.name = ?"
)
_SEARCH = (
    "SELECT p.id, m.id, m.session_id, m.speaker, m.tags, m.occurred_at, coalesce(m.updated_at, m.retained_at),"
    " p.terms, p.vector, m.layer FROM memory_passages p JOIN memories m ON m.id = p.memory"
    " WHERE p.bank = ? AND p.id > ? ORDER BY p.id LIMIT ?"
)

_SEARCH_REMOTE = _SEARCH.replace("p.vector", "CASE WHEN p.vector IS NOT NULL THEN CAST('' AS BLOB) END")


class SqlStore(BankTable, Curation, TaskQueue, Transfer):
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
            insert_memories(connection, bank, fresh, now)
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
                "SELECT id, version, model, dimension FROM memory_banks WHERE name = ?", (bank_id,)
            ).fetchone()
            if found is None or (since is not None and since.version == found[1]):
                return None
            is_remote = self._is_remote(connection, found[0])
            return _changes(connection, found, since or Position(found[0], 0), is_remote=is_remote)

        return self._database.read_now(lambda connection: at_one_moment(connection, query))

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
    number, version, model, dimension = bank
    added = [
        SearchRow(row[0], row[1], row[2], row[3], read_tags(row[4]), row[5], row[6], row[7], row[8], row[9])
        for row in connection.execute(_SEARCH_REMOTE if is_remote else _SEARCH, (number, since.row, CHANGES))
    ]
    if len(added) == CHANGES:
        added, version = _whole_memories(added), UNFINISHED
    dropped = connection.execute(
        "SELECT id, memory FROM memory_tombstones WHERE bank = ? AND id > ? ORDER BY id", (number, since.tombstone)
    ).fetchall()
    position = Position(
        number,
        version,
        added[-1].row if added else since.row,
        dropped[-1][0] if dropped else since.tombstone,
    )
    space = None if model is None else Space(model, dimension)
    total = 0
    if since.row == 0:
        total = connection.execute("SELECT count(*) FROM memory_passages WHERE bank = ?", (number,)).fetchone()[0]
    return Changes(position, space, added, [row for _, row in dropped], total, is_remote)


def _whole_memories(added: list[SearchRow]) -> list[SearchRow]:
    """Without the last memory, whose passages may go on; with it when there is no other."""
    last = added[-1].memory
    whole = [row for row in added if row.memory != last]
    return whole or added
