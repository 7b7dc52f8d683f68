"""Chains that were cut at their beginning, because nobody may keep records for ever.

What is left is verified from the hash of the last record that was removed. A later record of the chain, itself under
the hashes, tells how far was cut: nobody can shorten a chain without saying so in it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from aster.foundation.sql import Connection

FIELD = "cut"
"""Of the event that tells a cut."""


class Cut(NamedTuple):
    """The last removed record, and the sequence number of the one that tells it; nothing was removed before 1."""

    sequence: int = 0
    hash: bytes = bytes(32)
    told_by: int = 0

    @property
    def field(self) -> dict[str, Any]:
        return {"through": self.sequence, "hash": self.hash.hex()}

    def is_told_in(self, event: Mapping[str, Any]) -> bool:
        return event.get(FIELD) == self.field


def cut_of(connection: Connection, chain: str) -> Cut:
    row = connection.execute(
        "SELECT u.sequence, CAST(u.hash AS BLOB), u.told_by FROM audit_cuts u JOIN audit_chains c ON c.id = u.chain"
        " WHERE c.name = ?",
        (chain,),
    ).fetchone()
    return Cut(row[0], bytes(row[1]), row[2]) if row else Cut()


def make_cut(connection: Connection, chain: str, cut: Cut) -> None:
    """Remove the records that ``cut`` ends with, inside the caller's transaction."""
    (number,) = connection.execute("SELECT id FROM audit_chains WHERE name = ?", (chain,)).fetchone()
    connection.execute("DELETE FROM audit_records WHERE chain = ? AND sequence <= ?", (number, cut.sequence))
    connection.execute(
        "INSERT INTO audit_cuts (chain, sequence, hash, told_by) VALUES (?, ?, ?, ?) ON CONFLICT (chain) DO UPDATE SET"
        " sequence = excluded.sequence, hash = excluded.hash, told_by = excluded.told_by",
        (number, *cut),
    )
