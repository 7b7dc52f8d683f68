"""Changing what is kept: one memory anew, old ones put away or removed, a person's erased."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Connection, Database
from astrocyte.errors import MemoryNotFound
from astrocyte.moments import microseconds
from astrocyte.stores.banks import bank_for_writing, existing_bank, refuse_held
from astrocyte.stores.persons import Belonging, Person
from astrocyte.stores.rows import (
    AUDIT_CHAIN,
    AUDITED_IDS,
    insert_memory,
    leave_index,
    parts,
    read_tags,
    remove_rows,
    touch,
)
from astrocyte.stores.store import Expired, PreparedMemory, Space


class Curation:
    """The part of a store that changes memories after they were retained."""

    audit: AuditLog
    _database: Database
    _now: Callable[[], datetime]

    async def replace(
        self, bank_id: str, prepared: PreparedMemory, space: Space | None, event: Mapping[str, Any]
    ) -> None:
        """Put a memory in the place of the one with its id, and drop what was derived from that.

        Raises `MemoryNotFound`, `LegalHoldActive`, `ModelMismatch`.
        """
        now = microseconds(self._now())

        def work(connection: Connection) -> None:
            bank, rows = _rows(connection, bank_id, [prepared.memory_id])
            if not rows:
                raise MemoryNotFound(f"there is no memory '{prepared.memory_id[:40]}' in bank '{bank_id}'")
            refuse_held(connection, bank, bank_id)
            bank_for_writing(connection, bank_id, space, now)
            remove_rows(connection, bank, rows, now, kind="replaced")
            insert_memory(connection, bank, prepared, now)
            self.audit.append(connection, AUDIT_CHAIN, {**event, "memoryIds": [prepared.memory_id]})

        await self._database.write(work)

    async def archive(self, bank_id: str, memory_ids: Sequence[str], event: Mapping[str, Any]) -> list[str]:
        """Take memories out of every search and keep their rows; returns the ids of those that were not yet."""
        now = microseconds(self._now())

        def work(connection: Connection) -> list[str]:
            bank, rows = _rows(connection, bank_id, memory_ids, "archived_at IS NULL")
            refuse_held(connection, bank, bank_id)
            for row, memory_id in rows:
                connection.execute("DELETE FROM memory_passages WHERE memory = ?", (row,))
                connection.execute("UPDATE memories SET archived_at = ? WHERE id = ?", (now, row))
                leave_index(connection, bank, row, memory_id, now, "archived")
            if rows:
                touch(connection, bank)
            done = [memory_id for _, memory_id in rows]
            named = {"memories": len(done), "memoryIds": done[:AUDITED_IDS]}
            self.audit.append(connection, AUDIT_CHAIN, {**event, **named})
            return done

        return await self._database.write(work)

    def older_than(self, bank_id: str, moment: datetime) -> list[Expired]:
        """Facts that were retained (or last changed) before ``moment``, oldest first."""
        rows = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT m.memory_id, m.tags, coalesce(m.updated_at, m.retained_at), m.archived_at FROM memories m"
                " JOIN memory_banks b ON b.id = m.bank WHERE b.name = ? AND m.layer = 'fact'"
                " AND coalesce(m.updated_at, m.retained_at) < ? ORDER BY 3, m.id",
                (bank_id, microseconds(moment)),
            ).fetchall()
        )
        return [Expired(row[0], read_tags(row[1]), row[2], row[3] is not None) for row in rows]

    def belonging_to(self, bank_id: str, person: Person) -> list[Belonging]:
        """Every memory in a bank that is a person's, and why."""

        def query(connection: Connection) -> list[Belonging]:
            bank = connection.execute(
                "SELECT id FROM memory_banks WHERE name = ? AND deleted_at IS NULL", (bank_id,)
            ).fetchone()
            if bank is None:
                return []
            rows = connection.execute(
                "SELECT memory_id, speaker, tags, metadata, content, retained_by FROM memories WHERE bank = ?", bank
            )
            found = []
            for memory_id, speaker, tags, metadata, content, by in rows:
                reason = person.reason(bank_id, speaker, read_tags(tags), f"{content}\n{metadata}", by)
                if reason is not None:
                    found.append(Belonging(memory_id, reason))
            return found

        return self._database.read_now(query)


def _rows(
    connection: Connection, bank_id: str, memory_ids: Sequence[str], condition: str = "1 = 1"
) -> tuple[int, list[tuple[int, str]]]:
    bank = existing_bank(connection, bank_id)
    found: list[tuple[int, str]] = []
    for part in parts(list(dict.fromkeys(memory_ids))):
        marks = ",".join("?" * len(part))
        query = f"SELECT id, memory_id FROM memories WHERE bank = ? AND {condition} AND memory_id IN ({marks})"  # noqa: S608 - our own words
        found += connection.execute(query, (bank, *part)).fetchall()
    return bank, found
