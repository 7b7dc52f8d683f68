"""Passages read one by one, as a search index needs them."""

from typing import Any

from aster.foundation.sql import Connection
from astrocyte.stores.columns import SearchRow
from astrocyte.stores.rows import read_tags

_SEARCH = (
    "SELECT p.id, m.id, m.session_id, m.speaker, m.tags, m.occurred_at, coalesce(m.updated_at, m.retained_at),"
    " p.terms, p.vector, m.layer FROM memory_passages p JOIN memories m ON m.id = p.memory"
    " WHERE p.bank = ? AND p.id > ? AND p.id < ? ORDER BY p.id LIMIT ?"
)
_SEARCH_WITHOUT = _SEARCH.replace("p.vector", "CASE WHEN p.vector IS NOT NULL THEN CAST('' AS BLOB) END")

NO_END = 2**62
NO_LIMIT = 2**31 - 1


def passages_between(
    connection: Connection,
    bank: int,
    after: int,
    before: int | None = None,
    *,
    limit: int = NO_LIMIT,
    with_vectors: bool = True,
) -> list[SearchRow]:
    """A bank's passages between two, without those; without their vectors one that has some has an empty one."""
    values: tuple[Any, ...] = (bank, after, NO_END if before is None else before, limit)
    return [
        SearchRow(row[0], row[1], row[2], row[3], read_tags(row[4]), row[5], row[6], row[7], row[8], row[9])
        for row in connection.execute(_SEARCH if with_vectors else _SEARCH_WITHOUT, values)
    ]


def whole_memories(rows: list[SearchRow]) -> list[SearchRow]:
    """Without the last memory, whose passages may go on; with it when there is no other."""
    last = rows[-1].memory
    whole = [row for row in rows if row.memory != last]
    return whole or rows
