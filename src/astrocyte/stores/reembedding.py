"""A bank's vectors made anew while it is in use: fresh ones wait beside the old until none is missing, then all change.

Until that one transaction every reader finds what it always found; whoever is killed goes on where it stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Connection, Database
from astrocyte.moments import microseconds
from astrocyte.stores.banks import existing_bank
from astrocyte.stores.rows import AUDIT_CHAIN, COLUMNS, WIDTH, at_one_moment, memory_of_row
from astrocyte.stores.segments import pack_waiting
from astrocyte.stores.store import BankVectors, FreshVector, SavedPassage, Space

_LACKING = "(p.vector IS NULL OR (p.words IS NULL AND ? = 1))"
_FRESH = "EXISTS (SELECT 1 FROM memory_fresh_vectors f WHERE f.passage = p.id)"


class Reembedding:
    """The part of a store that gives passages other vectors."""

    audit: AuditLog
    _database: Database
    _now: Callable[[], datetime]

    def vectors(self, bank_id: str, space: Space, *, with_words: bool) -> BankVectors | None:
        """Counted anew; time grows with the bank."""

        def query(connection: Connection) -> BankVectors | None:
            bank = connection.execute(
                "SELECT id, model FROM memory_banks WHERE name = ? AND deleted_at IS NULL", (bank_id,)
            ).fetchone()
            if bank is None:
                return None
            (passages,) = connection.execute(
                "SELECT count(*) FROM memory_passages WHERE bank = ?", (bank[0],)
            ).fetchone()
            return BankVectors(bank[1], passages, _missing(connection, bank[0], space, with_words=with_words))

        return self._database.read_now(lambda connection: at_one_moment(connection, query))

    def unembedded(self, bank_id: str, space: Space, limit: int, *, with_words: bool) -> list[SavedPassage]:
        """The next passages that have neither vectors of the space nor fresh ones, in order."""

        def query(connection: Connection) -> list[SavedPassage]:
            bank = existing_bank(connection, bank_id)
            is_target = _is_target(connection, bank, space)
            # Fresh ones are made in order and ids only grow: behind the last one nothing is fresh, before it all is.
            (last,) = connection.execute(
                "SELECT coalesce(max(passage), 0) FROM memory_fresh_vectors WHERE bank = ?", (bank,)
            ).fetchone()
            condition, values = _lacking(connection, bank, space, with_words=with_words)
            rows = connection.execute(
                f"SELECT {COLUMNS}, p.id, p.start, p.stop FROM memory_passages p JOIN memories m ON m.id = p.memory"  # noqa: S608 - our own words
                f" WHERE p.bank = ? AND p.id > ? AND {condition} ORDER BY p.id LIMIT ?",
                (bank, last if is_target else 0, *values, limit),
            ).fetchall()
            return [
                SavedPassage(row[WIDTH], row[WIDTH + 1], row[WIDTH + 2], memory_of_row(bank_id, row).record)
                for row in rows
            ]

        return self._database.read_now(lambda connection: at_one_moment(connection, query))

    async def keep_fresh(self, bank_id: str, space: Space, fresh: Sequence[FreshVector]) -> None:
        """Keep vectors for later. Those of another space that wait are dropped; a passage that is gone gets none."""
        now = microseconds(self._now())

        def work(connection: Connection) -> None:
            bank = existing_bank(connection, bank_id)
            if not _is_target(connection, bank, space):
                _drop(connection, bank)
                connection.execute(
                    "INSERT INTO memory_reembeddings (bank, model, dimension, started_at) VALUES (?, ?, ?, ?)",
                    (bank, space.model, space.dimension, now),
                )
            connection.executemany(
                "INSERT INTO memory_fresh_vectors (passage, bank, vector, words)"
                " SELECT id, bank, CAST(? AS BLOB), CAST(? AS BLOB) FROM memory_passages WHERE id = ? AND bank = ?"
                " ON CONFLICT DO NOTHING",
                [(one.vector, one.words, one.passage, bank) for one in fresh],
            )

        await self._database.write(work)

    async def switch_vectors(
        self, bank_id: str, space: Space, event: Mapping[str, Any], *, with_words: bool
    ) -> int | None:
        """Put the fresh vectors in their places, all or none; how many, None while some are missing."""

        def work(connection: Connection) -> int | None:
            bank = existing_bank(connection, bank_id)
            if _missing(connection, bank, space, with_words=with_words):
                return None
            is_same = _kept_space(connection, bank) == space
            is_changed = not is_same or _lacks_some(connection, bank)
            vector = "coalesce(memory_passages.vector, f.vector)" if is_same else "f.vector"
            moved = connection.execute(
                f"UPDATE memory_passages SET vector = {vector}, words = f.words FROM memory_fresh_vectors f"  # noqa: S608 - our own words
                " WHERE f.passage = memory_passages.id AND f.bank = ?",
                (bank,),
            ).rowcount
            if is_changed:
                connection.execute("DELETE FROM memory_segments WHERE bank = ?", (bank,))
                self._drop_neighbours(connection, bank)
            _drop(connection, bank)
            if moved or is_changed:
                connection.execute(
                    "UPDATE memory_banks SET model = ?, dimension = ?, epoch = epoch + 1, version = version + 1"
                    " WHERE id = ?",
                    (space.model, space.dimension, bank),
                )
                self.audit.append(connection, AUDIT_CHAIN, {**event, "model": space.model, "passages": moved})
            return moved

        return await self._database.write(work)

    async def pack(self, bank_id: str) -> bool:
        """Pack some of the passages that search indexes read one by one; whether there are more."""

        def work(connection: Connection) -> bool:
            bank = connection.execute(
                "SELECT id FROM memory_banks WHERE name = ? AND deleted_at IS NULL", (bank_id,)
            ).fetchone()
            return bank is not None and pack_waiting(connection, bank[0])

        return await self._database.write(work)

    def incomplete_banks(self, space: Space, *, with_words: bool) -> dict[str, int]:
        """Banks of a space in which passages lack vectors, and how many; time grows with the store."""
        rows = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT b.name, count(*) FROM memory_passages p JOIN memory_banks b ON b.id = p.bank"  # noqa: S608 - ours
                f" WHERE (b.model IS NULL OR (b.model = ? AND b.dimension = ?)) AND {_LACKING}"
                " GROUP BY b.name ORDER BY b.name",
                (space.model, space.dimension, int(with_words)),
            ).fetchall()
        )
        return dict(rows)

    def _drop_neighbours(self, connection: Connection, bank: int) -> None:
        """Forget what this store derives from a bank's vectors for its own search."""


def _is_target(connection: Connection, bank: int, space: Space) -> bool:
    """Whether the fresh vectors that wait, if any, are of this space."""
    found = connection.execute("SELECT model, dimension FROM memory_reembeddings WHERE bank = ?", (bank,)).fetchone()
    return found is not None and Space(*found) == space


def _kept_space(connection: Connection, bank: int) -> Space:
    return Space(*connection.execute("SELECT model, dimension FROM memory_banks WHERE id = ?", (bank,)).fetchone())


def _lacking(connection: Connection, bank: int, space: Space, *, with_words: bool) -> tuple[str, list[Any]]:
    """A condition on passages: that they need a vector; all do when the bank's are of another space."""
    return (_LACKING, [int(with_words)]) if _kept_space(connection, bank) == space else ("1 = 1", [])


def _missing(connection: Connection, bank: int, space: Space, *, with_words: bool) -> int:
    condition, values = _lacking(connection, bank, space, with_words=with_words)
    fresh = f" AND NOT {_FRESH}" if _is_target(connection, bank, space) else ""
    query = f"SELECT count(*) FROM memory_passages p WHERE p.bank = ? AND {condition}{fresh}"  # noqa: S608 - our own words
    return int(connection.execute(query, (bank, *values)).fetchone()[0])


def _lacks_some(connection: Connection, bank: int) -> bool:
    """Whether indexes know passages without a vector, so that more than word vectors is new to them."""
    lacking = "SELECT 1 FROM memory_passages WHERE bank = ? AND vector IS NULL LIMIT 1"
    return connection.execute(lacking, (bank,)).fetchone() is not None


def _drop(connection: Connection, bank: int) -> None:
    connection.execute("DELETE FROM memory_fresh_vectors WHERE bank = ?", (bank,))
    connection.execute("DELETE FROM memory_reembeddings WHERE bank = ?", (bank,))
