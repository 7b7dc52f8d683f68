"""The rows of memories: read, written, selected and removed, all inside a caller's transaction."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from aster.foundation.sql import Connection
from astrocyte.memories import Memory, MemoryRecord
from astrocyte.moments import microseconds, moment_of
from astrocyte.stores.store import PreparedMemory, Selection

T = TypeVar("T")

AUDIT_CHAIN = "memory"
AUDITED_IDS = 1000
"""Ids that one audit record lists; the tombstones have all of them."""

PARAMETERS = 500
"""Values bound in one statement, well below every database's limit."""

COLUMNS = (
    "m.id, m.memory_id, m.content, m.metadata, m.tags, m.occurred_at, m.retained_at, m.session_id, m.speaker,"
    " m.source, m.content_type, m.updated_at, m.archived_at, m.retained_by, m.layer"
)
WIDTH = 15
"""How many columns `COLUMNS` are."""

_EMPTY_SEGMENT = (
    "UPDATE memory_segments SET content = NULL, vectors = NULL WHERE bank = ?1 AND last_memory >= ?2"
    " AND content IS NOT NULL AND first_memory ="
    " (SELECT max(first_memory) FROM memory_segments WHERE bank = ?1 AND first_memory <= ?2)"
)

_encode = msgspec.json.Encoder().encode
_metadata = msgspec.json.Decoder(dict[str, Any]).decode
read_tags = msgspec.json.Decoder(list[str]).decode


def memory_of_row(bank_id: str, row: Sequence[Any]) -> Memory:
    """The memory in the first `WIDTH` values of a row of `COLUMNS`."""
    record = MemoryRecord(
        memory_id=row[1],
        bank_id=bank_id,
        content=row[2],
        metadata=_metadata(row[3]),
        tags=read_tags(row[4]),
        occurred_at=None if row[5] is None else moment_of(row[5]),
        retained_at=moment_of(row[6]),
        session_id=row[7],
        speaker=row[8],
        source=row[9],
        content_type=row[10],
        updated_at=None if row[11] is None else moment_of(row[11]),
        archived_at=None if row[12] is None else moment_of(row[12]),
        retained_by=row[13],
        layer=row[14],
    )
    return Memory(row[0], record)


def at_one_moment(connection: Connection, query: Callable[[Connection], T]) -> T:
    """What ``query`` returns when nothing changes between its statements."""
    connection.execute("BEGIN")
    try:
        return query(connection)
    finally:
        connection.execute("ROLLBACK")


def rows_by_id(connection: Connection, bank: int, memory_ids: Sequence[str]) -> dict[str, int]:
    """The rows of those memories that exist."""
    found: dict[str, int] = {}
    for part in parts(list(dict.fromkeys(memory_ids))):
        query = f"SELECT memory_id, id FROM memories WHERE bank = ? AND memory_id IN ({_marks(len(part))})"  # noqa: S608
        found.update(connection.execute(query, (bank, *part)).fetchall())
    return found


def equal_memories(connection: Connection, bank: int, memories: Sequence[PreparedMemory]) -> list[str | None]:
    """For each memory the id of one that is the same, stored or before it in the list; None for what is new."""
    ids = {row[0] for row in _among(connection, bank, "memory_id", [one.memory_id for one in memories])}
    prints: dict[bytes, str] = {}
    given = [one.fingerprint for one in memories if one.fingerprint is not None]
    for memory_id, fingerprint in _among(connection, bank, "archived_at IS NULL AND fingerprint", given):
        prints.setdefault(bytes(fingerprint), memory_id)
    equals: list[str | None] = []
    for one in memories:
        same = one.memory_id if one.memory_id in ids else prints.get(one.fingerprint or b"")
        equals.append(same)
        if same is None:
            ids.add(one.memory_id)
            if one.fingerprint is not None and one.archived_at is None:
                prints.setdefault(one.fingerprint, one.memory_id)
    return equals


def _among(connection: Connection, bank: int, column: str, values: Sequence[Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for part in parts(values):
        query = f"SELECT memory_id, fingerprint FROM memories WHERE bank = ? AND {column} IN ({_marks(len(part))})"  # noqa: S608
        found += connection.execute(f"{query} ORDER BY id", (bank, *part)).fetchall()
    return found


def insert_memory(connection: Connection, bank: int, prepared: PreparedMemory, now: int) -> int:
    """Write a memory and its passages; returns the number of its row."""
    return insert_memories(connection, bank, [prepared], now)[0]


def insert_memories(connection: Connection, bank: int, memories: Sequence[PreparedMemory], now: int) -> list[int]:
    """Write memories and their passages, in order; returns the numbers of their rows. Few statements for many."""
    numbers: dict[str, int] = {}
    for part in parts(memories, PARAMETERS // len(_INSERTED)):
        rows = ", ".join([f"({_marks(len(_INSERTED))})"] * len(part))
        inserted = connection.execute(
            f"INSERT INTO memories ({', '.join(_INSERTED)}) VALUES {rows} RETURNING memory_id, id",  # noqa: S608
            [value for one in part for value in _values(bank, one, now)],
        )
        numbers.update(inserted.fetchall())
    connection.executemany(
        "INSERT INTO memory_passages (bank, memory, ordinal, start, stop, terms, vector, words)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (bank, numbers[one.memory_id], ordinal, said.start, said.stop, said.terms, said.vector, said.words)
            for one in memories
            if one.archived_at is None
            for ordinal, said in enumerate(one.passages)
        ],
    )
    return [numbers[one.memory_id] for one in memories]


_INSERTED = (
    "bank",
    "memory_id",
    "content",
    "metadata",
    "tags",
    "session_id",
    "speaker",
    "source",
    "occurred_at",
    "content_type",
    "fingerprint",
    "retained_at",
    "updated_at",
    "archived_at",
    "retained_by",
    "layer",
)


def _values(bank: int, prepared: PreparedMemory, now: int) -> tuple[Any, ...]:
    """The values of `_INSERTED`."""
    memory = prepared.memory
    return (
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
        None if prepared.updated_at is None else microseconds(prepared.updated_at),
        None if prepared.archived_at is None else microseconds(prepared.archived_at),
        prepared.retained_by,
        prepared.layer,
    )


def _marks(count: int) -> str:
    return ",".join("?" * count)


def selected_rows(connection: Connection, bank: int, selection: Selection) -> list[tuple[int, str]]:
    """``(row, memory id)`` of what a selection names."""
    conditions: list[str] = ["bank = ?"]
    values: list[Any] = [bank]
    if not selection.everything and selection.before is not None:
        conditions.append("coalesce(occurred_at, retained_at) < ?")
        values.append(microseconds(selection.before))
    if not selection.everything and selection.since is not None:
        conditions.append("coalesce(occurred_at, retained_at) >= ?")
        values.append(microseconds(selection.since))
    query = f"SELECT id, memory_id, tags FROM memories WHERE {' AND '.join(conditions)}"  # noqa: S608 - our own words
    if selection.everything or selection.memory_ids is None:
        rows = connection.execute(query, values).fetchall()
    else:
        rows = []
        for part in parts(list(dict.fromkeys(selection.memory_ids))):
            marks = ",".join("?" * len(part))
            rows += connection.execute(f"{query} AND memory_id IN ({marks})", (*values, *part)).fetchall()
    tags = None if selection.everything or selection.tags is None else frozenset(selection.tags)
    return [(row, memory_id) for row, memory_id, kept in rows if tags is None or not tags.isdisjoint(read_tags(kept))]


def remove_rows(
    connection: Connection,
    bank: int,
    rows: Sequence[tuple[int, str]],
    now: int,
    *,
    kind: str = "forgotten",
    rebuild: bool = True,
) -> list[tuple[int, str]]:
    """Remove memories, all that was derived from them, and leave tombstones; returns what was removed besides.

    ``kind`` says why: forgotten, or replaced by a newer row of the same memory. ``rebuild`` asks for what was derived
    to be made again from what is left.
    """
    derived = _derived_from(connection, [row for row, _ in rows])
    if rebuild and derived:
        ask_for(connection, bank, _about(connection, [row for row, _ in derived]), due_at=now)
    for number, memory_id in rows:
        _remove(connection, bank, number, memory_id, now, kind)
    for number, memory_id in derived:
        _remove(connection, bank, number, memory_id, now, "forgotten")
    if rows:
        touch(connection, bank)
    return derived


def leave_index(connection: Connection, bank: int, row: int, memory_id: str, now: int, kind: str) -> None:
    """Tell every index of a bank that a row is no longer searched, and leave nothing of it in the bank's segments."""
    connection.execute(_EMPTY_SEGMENT, (bank, row))
    connection.execute(
        "INSERT INTO memory_tombstones (bank, memory, memory_id, forgotten_at, kind) VALUES (?, ?, ?, ?, ?)",
        (bank, row, memory_id, now, kind),
    )


def _remove(connection: Connection, bank: int, row: int, memory_id: str, now: int, kind: str) -> None:
    connection.execute("DELETE FROM memories WHERE id = ?", (row,))
    connection.execute("DELETE FROM memory_sources WHERE source = ?", (row,))
    leave_index(connection, bank, row, memory_id, now, kind)


def _derived_from(connection: Connection, rows: Sequence[int]) -> list[tuple[int, str]]:
    """What was derived from rows, and from that in turn; without the rows themselves."""
    found: dict[int, str] = {}
    going = set(rows)
    newest = list(rows)
    while newest:
        fresh: dict[int, str] = {}
        for part in parts(newest):
            marks = ",".join("?" * len(part))
            query = (
                "SELECT m.id, m.memory_id FROM memory_sources s JOIN memories m ON m.id = s.derived"  # noqa: S608
                f" WHERE s.source IN ({marks})"
            )
            fresh.update((row, memory_id) for row, memory_id in connection.execute(query, part) if row not in going)
        found.update(fresh)
        going |= fresh.keys()
        newest = list(fresh)
    return list(found.items())


def ask_for(connection: Connection, bank: int, about: Iterable[tuple[str, str]], *, due_at: int) -> None:
    """Write background tasks ``(kind, subject)``. One that waits keeps its time; one that is under way runs once more.

    A task under way, or put off after a failure, is due later than a new one, which is how it is known.
    """
    for kind, subject in about:
        connection.execute(
            "INSERT INTO memory_tasks (bank, kind, subject, due_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (bank, kind, subject) DO UPDATE SET due_at = excluded.due_at, attempts = 0, failure = NULL"
            " WHERE memory_tasks.due_at > excluded.due_at",
            (bank, kind, subject, due_at),
        )


def derived_about(connection: Connection, bank: int, layer: str, subject: str) -> list[tuple[int, str]]:
    """The rows of what was derived about a subject."""
    rows = connection.execute(
        "SELECT id, memory_id, metadata FROM memories WHERE bank = ? AND layer = ?", (bank, layer)
    ).fetchall()
    return [(row, memory_id) for row, memory_id, metadata in rows if _metadata(metadata).get("subject") == subject]


def _about(connection: Connection, rows: Sequence[int]) -> set[tuple[str, str]]:
    """The tasks that made derived rows."""
    found: set[tuple[str, str]] = set()
    for part in parts(rows):
        marks = ",".join("?" * len(part))
        query = f"SELECT layer, metadata FROM memories WHERE id IN ({marks})"  # noqa: S608 - our own words
        found |= {
            (layer, str(_metadata(metadata).get("subject", ""))) for layer, metadata in connection.execute(query, part)
        }
    return found


def touch(connection: Connection, bank: int) -> None:
    """Tell every index of a bank that there is something new to follow."""
    connection.execute("UPDATE memory_banks SET version = version + 1 WHERE id = ?", (bank,))


def parts(values: Sequence[T], size: int = PARAMETERS) -> Iterable[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
