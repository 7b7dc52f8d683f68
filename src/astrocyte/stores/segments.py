"""A bank's older passages, packed, so that a search index of a hundred thousand is read in tenths of a second.

Segments are derived from rows and written in the same transactions: what is forgotten has left its segment when the
forget is durable. Reading them is an economy, never a matter of what is true: a passage that no segment holds is read
as a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from aster.foundation.sql import Connection
from astrocyte.stores.columns import Columns, SearchRow, columns_of
from astrocyte.stores.search_rows import passages_between, whole_memories

FORMAT = 2
"""Raised whenever what is packed changes: segments of another format are read as rows and packed again."""

PASSAGES = 1024
"""In a segment: packed by one write, read as rows again after a forget."""

LOOKED_FOR_EVERY = 256
"""Memories stored, of all banks, between two looks at whether there is something to pack."""

PACKED_AT_ONCE = 4
"""Segments that one write packs at most: bounds what it takes longer."""

READ_AT_ONCE = 32

_ARRAYS: Mapping[str, str] = MappingProxyType(
    {
        "rows": "<i8",
        "memories": "<i8",
        "occurred_at": "<i8",
        "retained_at": "<i8",
        "layers": "i1",
        "lengths": "<f4",
        "speakers": "<i4",
        "sessions": "<i4",
        "tags": "<i4",
        "tag_places": "<i4",
        "terms": "<u4",
        "term_places": "<i4",
        "counts": "u1",
        "has_vector": "?",
    }
)
"""The columns that are arrays, and the type of each."""

_NAMES = ("speaker_names", "session_names", "tag_names")


def pack_columns(columns: Columns) -> tuple[bytes, bytes]:
    """Everything but the vectors, and the vectors."""
    import numpy as np

    kept: dict[str, Any] = {name: list(getattr(columns, name)) for name in _NAMES}
    kept["dimension"] = columns.vectors.shape[1]
    kept |= {name: np.asarray(getattr(columns, name), kind).tobytes() for name, kind in _ARRAYS.items()}
    return msgspec.msgpack.encode(kept), b"".join(
        (columns.scales.astype("<f4").tobytes(), columns.signs.astype("<u8").tobytes(), columns.vectors.tobytes())
    )


def unpack_columns(content: bytes, vectors: bytes | None) -> Columns:
    """What `pack_columns` was given; without ``vectors`` they are empty."""
    import numpy as np

    parts: dict[str, Any] = msgspec.msgpack.decode(content)
    parts |= {name: np.frombuffer(parts[name], kind) for name, kind in _ARRAYS.items()}
    dimension, count = parts.pop("dimension"), int(parts["has_vector"].sum()) if vectors else 0
    held = memoryview(vectors or b"")
    scales, signs = held[: 4 * count], held[4 * count : len(held) - count * dimension]
    return Columns(
        **parts,
        vectors=np.frombuffer(held[len(held) - count * dimension :], np.int8).reshape(count, dimension),
        scales=np.frombuffer(scales, "<f4"),
        signs=np.frombuffer(signs, "<u8").reshape(count, len(signs) // 8 // max(1, count)),
    )


def pack_when_due(connection: Connection, bank: int, stored: Sequence[int]) -> None:
    """Pack a bank's passages that no segment holds, when there are enough, after ``stored`` memories (rows) came."""
    if not stored or stored[0] // LOOKED_FOR_EVERY == (stored[-1] + 1) // LOOKED_FOR_EVERY:
        return
    pack_waiting(connection, bank)


def pack_waiting(connection: Connection, bank: int) -> bool:
    """Pack some of what no segment holds; whether there may be more."""
    (dimension,) = connection.execute("SELECT dimension FROM memory_banks WHERE id = ?", (bank,)).fetchone()
    packed = 0
    while packed < PACKED_AT_ONCE and (rows := _unpacked(connection, bank)):
        _write(connection, bank, rows, dimension)
        packed += 1
    emptied = connection.execute(
        "SELECT first_memory, first_passage, last_passage FROM memory_segments"
        " WHERE bank = ? AND (content IS NULL OR format <> ?) ORDER BY first_memory LIMIT ?",
        (bank, FORMAT, PACKED_AT_ONCE),
    ).fetchall()
    for first_memory, first, last in emptied:
        connection.execute("DELETE FROM memory_segments WHERE bank = ? AND first_memory = ?", (bank, first_memory))
        _write(connection, bank, passages_between(connection, bank, first - 1, last + 1), dimension)
    return PACKED_AT_ONCE in (packed, len(emptied))


@dataclass(frozen=True, slots=True)
class Ahead:
    """What comes next in a bank: whole segments up to passage ``last``, or none and rows before passage ``stop``."""

    segments: Sequence[Columns]
    last: int
    stop: int | None


def read_ahead(connection: Connection, bank: int, after: int, *, with_vectors: bool) -> Ahead:
    """The segments that follow passage ``after`` without a gap."""
    following = connection.execute(
        "SELECT first_memory, first_passage, last_passage FROM memory_segments WHERE bank = ? AND first_passage > ?"
        " AND content IS NOT NULL AND format = ? ORDER BY first_memory LIMIT ?",
        (bank, after, FORMAT, READ_AT_ONCE),
    ).fetchall()
    chosen: list[int] = []
    last, stop = after, None
    for first_memory, first_passage, last_passage in following:
        if _is_between(connection, bank, last, first_passage):
            stop = first_passage
            break
        chosen.append(first_memory)
        last = last_passage
    if not chosen:
        return Ahead([], after, stop)
    vectors = "vectors" if with_vectors else "NULL"
    rows = connection.execute(
        f"SELECT content, {vectors} FROM memory_segments WHERE bank = ? AND first_memory BETWEEN ? AND ?"  # noqa: S608
        " AND content IS NOT NULL AND format = ? ORDER BY first_memory",
        (bank, chosen[0], chosen[-1], FORMAT),
    )
    return Ahead([unpack_columns(content, held) for content, held in rows], last, None)


def _is_between(connection: Connection, bank: int, after: int, before: int) -> bool:
    query = "SELECT 1 FROM memory_passages WHERE bank = ? AND id > ? AND id < ? LIMIT 1"
    return connection.execute(query, (bank, after, before)).fetchone() is not None


def _unpacked(connection: Connection, bank: int) -> list[SearchRow]:
    """The next passages to pack, whole memories; none as long as they are few."""
    (last,) = connection.execute(
        "SELECT coalesce(max(last_passage), 0) FROM memory_segments WHERE bank = ?", (bank,)
    ).fetchone()
    beyond = connection.execute(
        "SELECT id FROM memory_passages WHERE bank = ? AND id > ? ORDER BY id LIMIT 1 OFFSET ?", (bank, last, PASSAGES)
    ).fetchone()
    return [] if beyond is None else whole_memories(passages_between(connection, bank, last, beyond[0] + 1))


def _write(connection: Connection, bank: int, rows: Sequence[SearchRow], dimension: int | None) -> None:
    if not rows:
        return
    content, vectors = pack_columns(columns_of(rows, dimension))
    connection.execute(
        "INSERT INTO memory_segments (bank, first_memory, last_memory, first_passage, last_passage, passages, format,"
        " content, vectors) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (bank, rows[0].memory, rows[-1].memory, rows[0].row, rows[-1].row, len(rows), FORMAT, content, vectors),
    )
