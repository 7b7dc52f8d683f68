"""Work for the background: a durable queue beside the memories, and what was derived by it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Connection, Database
from astrocyte.memories import Memory
from astrocyte.moments import microseconds, moment_of
from astrocyte.stores.banks import bank_for_writing, refuse_held
from astrocyte.stores.rows import (
    AUDIT_CHAIN,
    COLUMNS,
    ask_for,
    derived_about,
    insert_memory,
    memory_of_row,
    read_tags,
    remove_rows,
    touch,
)
from astrocyte.stores.store import Derived, QueueState, Space, Task

LEASE = 600 * 1_000_000
"""Microseconds for which a claimed task is nobody else's."""


class TaskQueue:
    """The part of a store that is about derived knowledge."""

    audit: AuditLog
    _database: Database
    _now: Callable[[], datetime]

    async def claim_task(self) -> Task | None:
        """The task that is due for longest, taken for ten minutes; None when nothing is due."""
        now = microseconds(self._now())

        def work(connection: Connection) -> Task | None:
            row = connection.execute(
                "SELECT t.id, b.name, t.kind, t.subject, t.attempts FROM memory_tasks t"
                " JOIN memory_banks b ON b.id = t.bank WHERE t.due_at <= ? ORDER BY t.due_at, t.id LIMIT 1",
                (now,),
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "UPDATE memory_tasks SET due_at = ?, attempts = attempts + 1 WHERE id = ?", (now + LEASE, row[0])
            )
            return Task(row[0], row[1], row[2], row[3], row[4] + 1, now + LEASE)

        return await self._database.write(work)

    def queue_state(self) -> QueueState:
        """The tasks of all banks, counted."""
        waiting, failing, oldest = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT count(*), count(failure), min(due_at) FROM memory_tasks"
            ).fetchone()
        )
        return QueueState(waiting, failing, None if oldest is None else moment_of(oldest))

    def next_task_at(self) -> int | None:
        """When the next task is due, in microseconds since 1970."""
        row = self._database.read_now(
            lambda connection: connection.execute("SELECT min(due_at) FROM memory_tasks").fetchone()
        )
        return None if row is None or row[0] is None else int(row[0])

    def tasks(self, bank_id: str) -> list[Task]:
        """A bank's tasks, waiting or under way."""
        rows = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT t.id, t.kind, t.subject, t.attempts, t.due_at, t.failure FROM memory_tasks t"
                " JOIN memory_banks b ON b.id = t.bank WHERE b.name = ? ORDER BY t.due_at, t.id",
                (bank_id,),
            ).fetchall()
        )
        return [Task(row[0], bank_id, row[1], row[2], row[3], row[4], row[5]) for row in rows]

    async def add_tasks(self, bank_id: str, about: Sequence[tuple[str, str]], due: datetime) -> None:
        """Ask for work; what is asked for already is left as it is."""

        def work(connection: Connection) -> None:
            bank = bank_for_writing(connection, bank_id, None, microseconds(self._now()))
            ask_for(connection, bank, about, due_at=microseconds(due))

        await self._database.write(work)

    async def postpone_task(self, task: Task, until: datetime, failure: str) -> None:
        """Try again later; ``failure`` says what kept it."""
        await self._database.write(
            lambda connection: _done(
                connection,
                "UPDATE memory_tasks SET due_at = ?, failure = ? WHERE id = ? AND due_at = ?",
                (microseconds(until), failure, task.task_id, task.due_at),
            )
        )

    async def save_derived(
        self, task: Task, layer: str, pieces: Sequence[Derived], space: Space | None, event: Mapping[str, Any]
    ) -> list[str]:
        """Put pieces in the place of what was derived about the same before, and finish the task; returns their ids.

        A piece of which a source is gone or changed by now is left out. Raises `LegalHoldActive`, `ModelMismatch`.
        """
        now = microseconds(self._now())

        def work(connection: Connection) -> list[str]:
            bank = bank_for_writing(connection, task.bank_id, space, now)
            before = derived_about(connection, bank, layer, task.subject)
            if before:
                refuse_held(connection, bank, task.bank_id)
            remove_rows(connection, bank, before, now, kind="replaced")
            kept = [piece for piece in pieces if all(_exists(connection, bank, row) for row in piece.sources)]
            for piece in kept:
                row = insert_memory(connection, bank, piece.memory, now)
                connection.executemany(
                    "INSERT INTO memory_sources (derived, source) VALUES (?, ?)", [(row, one) for one in piece.sources]
                )
            touch(connection, bank)
            connection.execute("DELETE FROM memory_tasks WHERE id = ? AND due_at = ?", (task.task_id, task.due_at))
            ids = [piece.memory.memory_id for piece in kept]
            self.audit.append(connection, AUDIT_CHAIN, {**event, "memoryIds": ids})
            return ids

        return await self._database.write(work)

    def facts(self, bank_id: str, *, speaker: str | None, tag: str | None, limit: int) -> list[Memory]:
        """The newest facts that are searched, oldest first; by a speaker ("" is nobody), or with a tag."""
        condition, values = ("m.speaker IS NULL", []) if speaker == "" else ("m.speaker = ?", [speaker])
        if speaker is None:
            condition, values = "m.tags <> '[]'", []
        query = (
            f"SELECT {COLUMNS} FROM memories m JOIN memory_banks b ON b.id = m.bank WHERE b.name = ?"  # noqa: S608
            f" AND m.layer = 'fact' AND m.archived_at IS NULL AND {condition} ORDER BY m.id DESC"
        )

        def read(connection: Connection) -> list[Memory]:
            found: list[Memory] = []
            for row in connection.execute(query, (bank_id, *values)):
                if tag is None or tag in read_tags(row[4]):
                    found.append(memory_of_row(bank_id, row))
                if len(found) == limit:
                    break
            return found[::-1]

        return self._database.read_now(read)

    def sources(self, bank_id: str, memory_id: str) -> list[Memory]:
        """What a derived memory was made from."""
        rows = self._database.read_now(
            lambda connection: connection.execute(
                f"SELECT {COLUMNS} FROM memory_sources s JOIN memories m ON m.id = s.source"  # noqa: S608 - our own words
                " JOIN memories d ON d.id = s.derived JOIN memory_banks b ON b.id = d.bank"
                " WHERE b.name = ? AND d.memory_id = ? ORDER BY m.id",
                (bank_id, memory_id),
            ).fetchall()
        )
        return [memory_of_row(bank_id, row) for row in rows]


def _exists(connection: Connection, bank: int, row: int) -> bool:
    found = connection.execute("SELECT 1 FROM memories WHERE id = ? AND bank = ?", (row, bank)).fetchone()
    return found is not None


def _done(connection: Connection, statement: str, values: Sequence[Any]) -> None:
    connection.execute(statement, values)
