"""Memories in one SQLite file: a memory, its search row and its audit record live or die in one transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from aster.foundation.audit import AuditLog, utc_now
from aster.foundation.sql import Connection, Database
from astrocyte.errors import ModelMismatch
from astrocyte.memories import BankInfo, FoundPassage, Memory, MemoryRecord
from astrocyte.moments import microseconds, moment_of
from astrocyte.stores.store import UNFINISHED, Changes, Position, PreparedMemory, SearchRow, Selection, Space

T = TypeVar("T")

AUDIT_CHAIN = "memory"
AUDITED_IDS = 1000
"""Ids that one audit record lists; the tombstones have all of them."""

CHANGES = 20_000
"""Passages told at once, so that a large bank is never held in memory a second time."""

PARAMETERS = 500
"""Values bound in one statement, well below every SQLite's limit."""

_encode = msgspec.json.Encoder().encode
_tags = msgspec.json.Decoder(list[str]).decode
_metadata = msgspec.json.Decoder(dict[str, Any]).decode

_COLUMNS = (
    "m.id, m.memory_id, m.content, m.metadata, m.tags, m.occurred_at, m.retained_at, m.session_id, m.speaker,"
    " m.source, m.content_type"
)
_MEMORY = f"SELECT {_COLUMNS} FROM memories m JOIN memory_banks b ON b.id = m.bank WHERE b.name = ?"  # noqa: S608
_PASSAGE = (
    f"SELECT {_COLUMNS}, p.id, p.ordinal, p.start, p.stop,"  # noqa: S608 - our own words
    " (SELECT count(*) FROM memory_passages WHERE memory = m.id) FROM memory_passages p"
    " JOIN memories m ON m.id = p.memory JOIN memory_banks b ON b.id = p.bank WHERE b.name = ?"
)
_SEARCH = (
    "SELECT p.id, m.id, m.session_id, m.speaker, m.tags, m.occurred_at, m.retained_at, p.terms, p.vector"
    " FROM memory_passages p JOIN memories m ON m.id = p.memory WHERE p.bank = ? AND p.id > ? ORDER BY p.id LIMIT ?"
)


class SqliteStore:
    """The store of one database file. The caller owns the `Database` and closes it."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now
        self.audit = AuditLog(database, now=now)
        database.migrate("memory", "astrocyte.stores.migrations")

    async def add(
        self, bank_id: str, memories: Sequence[PreparedMemory], space: Space | None, event: Mapping[str, Any]
    ) -> list[str | None]:
        now = microseconds(self._now())

        def work(connection: Connection) -> list[str | None]:
            bank = _bank_for_writing(connection, bank_id, space, now)
            equals = []
            for prepared in memories:
                equal = _equal(connection, bank, prepared)
                equals.append(equal)
                if equal is None:
                    _insert(connection, bank, prepared, now)
            _touch(connection, bank)
            stored = [one.memory_id for one, equal in zip(memories, equals, strict=True) if equal is None]
            self.audit.append(connection, AUDIT_CHAIN, {**event, "memoryIds": stored})
            return equals

        return await self._database.write(work)

    async def forget(self, bank_id: str, selection: Selection, event: Mapping[str, Any]) -> list[str]:
        now = microseconds(self._now())

        def work(connection: Connection) -> list[str]:
            bank = connection.execute("SELECT id FROM memory_banks WHERE name = ?", (bank_id,)).fetchone()
            rows = _selected(connection, bank[0], selection) if bank else []
            for row, memory_id in rows:
                connection.execute("DELETE FROM memories WHERE id = ?", (row,))
                connection.execute(
                    "INSERT INTO memory_tombstones (bank, memory, memory_id, forgotten_at) VALUES (?, ?, ?, ?)",
                    (bank[0], row, memory_id, now),
                )
            if rows:
                _touch(connection, bank[0])
            gone = [memory_id for _, memory_id in rows]
            named = {"memories": len(gone), "memoryIds": gone[:AUDITED_IDS]}
            self.audit.append(connection, AUDIT_CHAIN, {**event, **named})
            return gone

        return await self._database.write(work)

    async def record(self, event: Mapping[str, Any]) -> None:
        await self.audit.record(AUDIT_CHAIN, event)

    def changes(self, bank_id: str, since: Position | None) -> Changes | None:
        def query(connection: Connection) -> Changes | None:
            found = connection.execute(
                "SELECT id, version, model, dimension FROM memory_banks WHERE name = ?", (bank_id,)
            ).fetchone()
            if found is None or (since is not None and since.version == found[1]):
                return None
            return _changes(connection, found, since or Position(found[0], 0))

        return self._database.read_now(lambda connection: _at_one_moment(connection, query))

    def fetch(self, bank_id: str, rows: Sequence[int]) -> dict[int, FoundPassage]:
        def query(connection: Connection) -> dict[int, FoundPassage]:
            found: dict[int, FoundPassage] = {}
            for part in _parts(rows):
                marks = ",".join("?" * len(part))
                for row in connection.execute(f"{_PASSAGE} AND p.id IN ({marks})", (bank_id, *part)):
                    number, ordinal, start, stop, of = row[11:]
                    found[number] = FoundPassage(_memory(bank_id, row).record, ordinal, of, row[2][start:stop])
            return found

        return self._database.read_now(query)

    def find(self, bank_id: str, memory_id: str) -> Memory | None:
        row = self._database.read_now(
            lambda connection: connection.execute(f"{_MEMORY} AND m.memory_id = ?", (bank_id, memory_id)).fetchone()
        )
        return None if row is None else _memory(bank_id, row)

    def page(self, bank_id: str, after: int, limit: int) -> list[Memory]:
        rows = self._database.read_now(
            lambda connection: connection.execute(
                f"{_MEMORY} AND m.id > ? ORDER BY m.id LIMIT ?", (bank_id, after, limit)
            ).fetchall()
        )
        return [_memory(bank_id, row) for row in rows]

    def bank(self, bank_id: str) -> BankInfo | None:
        row = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT (SELECT count(*) FROM memories WHERE bank = b.id), b.model, b.created_at"
                " FROM memory_banks b WHERE b.name = ?",
                (bank_id,),
            ).fetchone()
        )
        if row is None:
            return None
        return BankInfo(bank_id=bank_id, memories=row[0], model=row[1], created_at=moment_of(row[2]))

    def bank_names(self, after: str, limit: int) -> list[str]:
        rows = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT name FROM memory_banks WHERE name > ? ORDER BY name LIMIT ?", (after, limit)
            ).fetchall()
        )
        return [row[0] for row in rows]

    def check(self) -> None:
        self._database.read_now(lambda connection: connection.execute("SELECT count(*) FROM memory_banks").fetchone())


def _at_one_moment(connection: Connection, query: Callable[[Connection], T]) -> T:
    connection.execute("BEGIN")
    try:
        return query(connection)
    finally:
        connection.execute("ROLLBACK")


def _bank_for_writing(connection: Connection, name: str, space: Space | None, now: int) -> int:
    select = "SELECT id, model, dimension FROM memory_banks WHERE name = ?"
    found = connection.execute(select, (name,)).fetchone()
    if found is None:
        connection.execute("INSERT INTO memory_banks (name, created_at) VALUES (?, ?)", (name, now))
        found = connection.execute(select, (name,)).fetchone()
    bank, model, dimension = found
    if space is not None:
        if model is None:
            connection.execute(
                "UPDATE memory_banks SET model = ?, dimension = ? WHERE id = ?", (space.model, space.dimension, bank)
            )
        else:
            check_space(name, Space(model, dimension), space)
    return int(bank)


def check_space(bank_id: str, kept: Space, used: Space) -> None:
    """Raise `ModelMismatch` unless both are the same space."""
    if kept != used:
        raise ModelMismatch(
            f"bank '{bank_id}' holds vectors of '{kept.model}' ({kept.dimension} dimensions), the model in use is "
            f"'{used.model}' ({used.dimension})",
            hint="open it with embedding.provider set to the bank's model, or 'none' to go by keywords",
            bank_id=bank_id,
        )


def _equal(connection: Connection, bank: int, prepared: PreparedMemory) -> str | None:
    row = connection.execute(
        "SELECT memory_id FROM memories WHERE bank = ?1 AND memory_id = ?2"
        " UNION ALL SELECT memory_id FROM memories WHERE bank = ?1 AND fingerprint = ?3 LIMIT 1",
        (bank, prepared.memory_id, prepared.fingerprint),
    ).fetchone()
    return None if row is None else str(row[0])


def _insert(connection: Connection, bank: int, prepared: PreparedMemory, now: int) -> None:
    memory = prepared.memory
    row = connection.execute(
        "INSERT INTO memories (bank, memory_id, content, metadata, tags, session_id, speaker, source, occurred_at,"
        " content_type, fingerprint, retained_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            bank,
            prepared.memory_id,
            memory.content,
            _encode(memory.metadata).decode(),
            _encode(memory.tags).decode(),
            memory.session_id,
            memory.speaker,
            memory.source,
            None if memory.occurred_at is None else microseconds(memory.occurred_at),
            memory.content_type,
            prepared.fingerprint,
            now if prepared.retained_at is None else microseconds(prepared.retained_at),
        ),
    ).fetchone()[0]
    connection.executemany(
        "INSERT INTO memory_passages (bank, memory, ordinal, start, stop, terms, vector) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (bank, row, ordinal, passage.start, passage.stop, passage.terms, passage.vector)
            for ordinal, passage in enumerate(prepared.passages)
        ],
    )


def _touch(connection: Connection, bank: int) -> None:
    connection.execute("UPDATE memory_banks SET version = version + 1 WHERE id = ?", (bank,))


def _selected(connection: Connection, bank: int, selection: Selection) -> list[tuple[int, str]]:
    conditions: list[str] = ["bank = ?"]
    values: list[Any] = [bank]
    if not selection.everything and selection.before is not None:
        conditions.append("coalesce(occurred_at, retained_at) < ?")
        values.append(microseconds(selection.before))
    query = f"SELECT id, memory_id, tags FROM memories WHERE {' AND '.join(conditions)}"  # noqa: S608 - our own words
    if selection.everything or selection.memory_ids is None:
        rows = connection.execute(query, values).fetchall()
    else:
        rows = []
        for part in _parts(list(dict.fromkeys(selection.memory_ids))):
            marks = ",".join("?" * len(part))
            rows += connection.execute(f"{query} AND memory_id IN ({marks})", (*values, *part)).fetchall()
    tags = None if selection.everything or selection.tags is None else frozenset(selection.tags)
    return [(row, memory_id) for row, memory_id, kept in rows if tags is None or not tags.isdisjoint(_tags(kept))]


def _changes(connection: Connection, bank: Sequence[Any], since: Position) -> Changes:
    number, version, model, dimension = bank
    added = [
        SearchRow(row[0], row[1], row[2], row[3], _tags(row[4]), row[5], row[6], row[7], row[8])
        for row in connection.execute(_SEARCH, (number, since.row, CHANGES))
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
    return Changes(position, space, added, [row for _, row in dropped], total)


def _whole_memories(added: list[SearchRow]) -> list[SearchRow]:
    """Without the last memory, whose passages may go on; with it when there is no other."""
    last = added[-1].memory
    whole = [row for row in added if row.memory != last]
    return whole or added


def _memory(bank_id: str, row: Sequence[Any]) -> Memory:
    record = MemoryRecord(
        memory_id=row[1],
        bank_id=bank_id,
        content=row[2],
        metadata=_metadata(row[3]),
        tags=_tags(row[4]),
        occurred_at=None if row[5] is None else moment_of(row[5]),
        retained_at=moment_of(row[6]),
        session_id=row[7],
        speaker=row[8],
        source=row[9],
        content_type=row[10],
    )
    return Memory(row[0], record)


def _parts(values: Sequence[T]) -> Iterable[Sequence[T]]:
    for start in range(0, len(values), PARAMETERS):
        yield values[start : start + PARAMETERS]
