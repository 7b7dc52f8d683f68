"""The rows of audit chains as the database has them; none is believed before `audit_verify` has looked at it."""

from collections.abc import Iterator

from aster.foundation.audit_cut import cut_of
from aster.foundation.sql import Connection

GENESIS = bytes(32)
"""What stands for the hash before a chain's first record."""

PART = 1000
"""Records read at once."""

Row = tuple[int, bytes, bytes]
"""Sequence, body, hash."""


def head_of(connection: Connection, chain: str) -> tuple[int, bytes] | None:
    """Sequence and hash of the last record; None for a chain that has none."""
    row: tuple[int, bytes] | None = connection.execute(
        "SELECT sequence, CAST(hash AS BLOB) FROM audit_chains WHERE name = ?", (chain,)
    ).fetchone()
    return row


def rows_of(connection: Connection, chain: str, *, after: int = 0, limit: int | None = None) -> Iterator[Row]:
    """Rows by sequence, read in parts: a chain may be longer than memory."""
    while limit is None or limit > 0:
        size = PART if limit is None else min(limit, PART)
        # SQLite keeps any type in any column: cast, so that a value of another type is a wrong one and no exception.
        part = connection.execute(
            "SELECT r.sequence, CAST(r.body AS BLOB), CAST(r.hash AS BLOB)"
            " FROM audit_records r JOIN audit_chains c ON c.id = r.chain"
            " WHERE c.name = ? AND r.sequence > ? ORDER BY r.sequence LIMIT ?",
            (chain, after, size),
        ).fetchall()
        yield from part
        if len(part) < size:
            return
        after = part[-1][0]
        limit = None if limit is None else limit - size


def hash_at(connection: Connection, chain: str, sequence: int) -> bytes | None:
    """The hash of one record, None when it is missing; before the first it is the genesis."""
    if sequence == 0:
        return GENESIS
    row = next(rows_of(connection, chain, after=sequence - 1, limit=1), None)
    if row is not None and row[0] == sequence:
        return row[2]
    cut = cut_of(connection, chain)
    return cut.hash if cut.sequence == sequence else None
