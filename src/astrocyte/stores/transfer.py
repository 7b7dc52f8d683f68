"""A bank as a whole: read as it is at one moment, taken in from elsewhere all or nothing."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Connection, Database
from astrocyte.banks import BankSettings, BankState, Due, Forgotten, ImportResult, LegalHold
from astrocyte.memories import KeptMemory
from astrocyte.moments import microseconds, moment_of
from astrocyte.stores.banks import bank_for_writing
from astrocyte.stores.rows import (
    AUDIT_CHAIN,
    AUDITED_IDS,
    COLUMNS,
    ask_for,
    at_one_moment,
    insert_memories,
    memory_of_row,
    parts,
    rows_by_id,
    touch,
)
from astrocyte.stores.segments import pack_when_due
from astrocyte.stores.store import PreparedMemory, Space

T = TypeVar("T")

NO_ROW = 0
"""The row of a tombstone whose memory was never in this store."""

_encode = msgspec.json.Encoder().encode
_settings = msgspec.json.Decoder(BankSettings).decode


class Transfer:
    """The part of a store that lets banks out and in."""

    audit: AuditLog
    _database: Database
    _now: Callable[[], datetime]

    def read_whole(self, bank_id: str, use: Callable[[BankState, Iterator[KeptMemory]], T]) -> T:
        """Call ``use`` with all of a bank, memories in order, while nothing of it changes; returns what it returns."""

        def query(connection: Connection) -> T:
            bank = connection.execute(
                "SELECT id, created_at, model, settings FROM memory_banks WHERE name = ? AND deleted_at IS NULL",
                (bank_id,),
            ).fetchone()
            if bank is None:
                return use(BankState(), iter(()))
            return use(_state(connection, bank_id, bank), _memories(connection, bank_id, bank[0]))

        return self._database.read_now(lambda connection: at_one_moment(connection, query))

    async def take_in(
        self,
        bank_id: str,
        state: BankState,
        batches: Callable[[], Iterable[Sequence[PreparedMemory]]],
        space: Space | None,
        event: Mapping[str, Any],
        *,
        bring_back_forgotten: bool = False,
    ) -> ImportResult:
        """Add what belongs to a bank elsewhere, in one transaction; what is there already, by id, stays as it is.

        What was forgotten here is left out, with what was derived from it, unless ``bring_back_forgotten``.
        Sources come before what was derived from them. Settings are taken by a bank that has none of its own. Raises
        `ModelMismatch`.
        """
        now = microseconds(self._now())

        def work(connection: Connection) -> ImportResult:
            is_new = not connection.execute(
                "SELECT 1 FROM memory_banks WHERE name = ? AND deleted_at IS NULL", (bank_id,)
            ).fetchone()
            bank = bank_for_writing(connection, bank_id, space, now)
            if is_new and state.created_at is not None:
                connection.execute(
                    "UPDATE memory_banks SET created_at = ? WHERE id = ?", (microseconds(state.created_at), bank)
                )
            connection.execute(
                "UPDATE memory_banks SET settings = ? WHERE id = ? AND settings = '{}'",
                (_encode(state.settings).decode(), bank),
            )
            stored: list[str] = []
            left_out: set[str] = set()
            gone = frozenset[str]() if bring_back_forgotten else _forgotten(connection, bank)
            imported = skipped = 0
            for batch in batches():
                known = rows_by_id(connection, bank, [one.memory_id for one in batch])
                fresh = list(_wanted(batch, known, gone, left_out))
                _insert(connection, bank, fresh, now)
                imported, skipped = imported + len(fresh), skipped + len(known)
                stored += [one.memory_id for one in fresh[: AUDITED_IDS - len(stored)]]
            _take_state(connection, bank, state)
            if imported or is_new:
                for one in state.due:
                    ask_for(connection, bank, [(one.kind, one.subject)], due_at=microseconds(one.due_at))
            touch(connection, bank)
            named = {"imported": imported, "skipped": skipped, "forgotten": len(left_out), "memoryIds": stored}
            self.audit.append(connection, AUDIT_CHAIN, {**event, **named})
            return ImportResult(imported=imported, skipped=skipped, forgotten=len(left_out))

        return await self._database.write(work)


def _state(connection: Connection, bank_id: str, bank: Sequence[Any]) -> BankState:
    number, created_at, model, settings = bank
    holds = connection.execute(
        "SELECT hold_id, reason, set_by, set_at FROM memory_holds WHERE bank = ? ORDER BY set_at, hold_id", (number,)
    ).fetchall()
    forgotten = connection.execute(
        "SELECT memory_id, forgotten_at FROM memory_tombstones WHERE bank = ? AND kind = 'forgotten' ORDER BY id",
        (number,),
    ).fetchall()
    due = connection.execute(
        "SELECT kind, subject, due_at FROM memory_tasks WHERE bank = ? ORDER BY kind, subject", (number,)
    ).fetchall()
    return BankState(
        created_at=moment_of(created_at),
        model=model,
        settings=_settings(settings),
        holds=[
            LegalHold(hold_id=row[0], bank_id=bank_id, reason=row[1], set_by=row[2], set_at=moment_of(row[3]))
            for row in holds
        ],
        forgotten=[Forgotten(memory_id=row[0], forgotten_at=moment_of(row[1])) for row in forgotten],
        due=[Due(kind=row[0], subject=row[1], due_at=moment_of(row[2])) for row in due],
    )


PAGE = 500


def _memories(connection: Connection, bank_id: str, bank: int) -> Iterator[KeptMemory]:
    after = 0
    query = f"SELECT {COLUMNS} FROM memories m WHERE m.bank = ? AND m.id > ? ORDER BY m.id LIMIT ?"  # noqa: S608 - ours
    while rows := connection.execute(query, (bank, after, PAGE)).fetchall():
        page = [memory_of_row(bank_id, row) for row in rows]
        sources = _sources(connection, [one.row for one in page if one.record.layer != "fact"])
        for one in page:
            yield KeptMemory(one.record, sources.get(one.row, []))
        after = page[-1].row


def _sources(connection: Connection, derived: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for part in parts(derived):
        marks = ",".join("?" * len(part))
        query = (
            "SELECT s.derived, m.memory_id FROM memory_sources s JOIN memories m ON m.id = s.source"  # noqa: S608 - ours
            f" WHERE s.derived IN ({marks}) ORDER BY s.derived, m.id"
        )
        for row, memory_id in connection.execute(query, part):
            found.setdefault(row, []).append(memory_id)
    return found


def _forgotten(connection: Connection, bank: int) -> frozenset[str]:
    rows = connection.execute(
        "SELECT memory_id FROM memory_tombstones WHERE bank = ? AND kind = 'forgotten'", (bank,)
    ).fetchall()
    return frozenset(row[0] for row in rows)


def _wanted(
    batch: Sequence[PreparedMemory], known: Container[str], gone: Container[str], left_out: set[str]
) -> Iterator[PreparedMemory]:
    """Those that are neither there already nor forgotten nor derived from what is ``left_out``, which grows."""
    for one in batch:
        if one.memory_id in known:
            continue
        if one.memory_id in gone or not left_out.isdisjoint(one.sources):
            left_out.add(one.memory_id)
        else:
            yield one


def _insert(connection: Connection, bank: int, fresh: Sequence[PreparedMemory], now: int) -> None:
    """Write memories with what they were derived from."""
    numbers = insert_memories(connection, bank, fresh, now)
    pack_when_due(connection, bank, numbers)
    derived = [(row, one.sources) for row, one in zip(numbers, fresh, strict=True) if one.sources]
    if derived:
        rows = rows_by_id(connection, bank, [memory_id for _, sources in derived for memory_id in sources])
        connection.executemany(
            "INSERT INTO memory_sources (derived, source) VALUES (?, ?)",
            [(row, rows[memory_id]) for row, sources in derived for memory_id in sources],
        )


def _take_state(connection: Connection, bank: int, state: BankState) -> None:
    known = set(
        connection.execute(
            "SELECT memory_id, forgotten_at FROM memory_tombstones WHERE bank = ? AND kind = 'forgotten'", (bank,)
        ).fetchall()
    )
    forgotten = [(one.memory_id, microseconds(one.forgotten_at)) for one in state.forgotten]
    connection.executemany(
        "INSERT INTO memory_tombstones (bank, memory, memory_id, forgotten_at, kind) VALUES (?, ?, ?, ?, 'forgotten')",
        [(bank, NO_ROW, *one) for one in forgotten if one not in known],
    )
    connection.executemany(
        "INSERT INTO memory_holds (bank, hold_id, reason, set_by, set_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (bank, hold_id) DO NOTHING",
        [(bank, one.hold_id, one.reason, one.set_by, microseconds(one.set_at)) for one in state.holds],
    )
