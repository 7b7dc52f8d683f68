"""The table of banks: made, configured, deleted, counted; holds on them."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Connection, Database
from astrocyte.banks import BankInfo, BankSettings, BankStatistics, LegalHold
from astrocyte.errors import BankExists, BankNotFound, InvalidInput, LegalHoldActive
from astrocyte.moments import microseconds, moment_of
from astrocyte.stores.rows import AUDIT_CHAIN, read_tags, remove_rows, selected_rows, touch
from astrocyte.stores.store import Selection, Space, check_space

TAGS_TOLD = 100

_encode = msgspec.json.Encoder().encode
_settings = msgspec.json.Decoder(BankSettings).decode


class BankTable:
    """The part of a store that is about banks as such."""

    audit: AuditLog
    _database: Database
    _now: Callable[[], datetime]

    async def save_bank(
        self, bank_id: str, settings: BankSettings, event: Mapping[str, Any], *, is_new: bool
    ) -> BankInfo:
        """Make a bank, or replace its settings; raises `BankExists` or `BankNotFound`."""
        now = microseconds(self._now())

        def work(connection: Connection) -> BankInfo:
            known = connection.execute(
                "SELECT id FROM memory_banks WHERE name = ? AND deleted_at IS NULL", (bank_id,)
            ).fetchone()
            if known and is_new:
                raise BankExists(f"there is a bank '{bank_id}' already", hint="configure_bank changes its settings")
            if not known and not is_new:
                raise BankNotFound(f"there is no bank '{bank_id}'", hint="create_bank makes it")
            bank = bank_for_writing(connection, bank_id, None, now)
            connection.execute("UPDATE memory_banks SET settings = ? WHERE id = ?", (_encode(settings).decode(), bank))
            self.audit.append(connection, AUDIT_CHAIN, event)
            info = _info(connection, bank_id)
            if info is None:
                raise BankNotFound(f"there is no bank '{bank_id}'")
            return info

        return await self._database.write(work)

    async def delete_bank(self, bank_id: str, event: Mapping[str, Any]) -> list[str]:
        """Forget everything in a bank, its settings and its model; returns the ids. Raises `BankNotFound`."""
        now = microseconds(self._now())

        def work(connection: Connection) -> list[str]:
            bank = existing_bank(connection, bank_id)
            refuse_held(connection, bank, bank_id)
            rows = selected_rows(connection, bank, Selection(everything=True))
            remove_rows(connection, bank, rows, now, rebuild=False)
            touch(connection, bank)
            connection.execute("DELETE FROM memory_tasks WHERE bank = ?", (bank,))
            connection.execute(
                "UPDATE memory_banks SET deleted_at = ?, settings = '{}', model = NULL, dimension = NULL WHERE id = ?",
                (now, bank),
            )
            self.audit.append(connection, AUDIT_CHAIN, {**event, "memories": len(rows)})
            return [memory_id for _, memory_id in rows]

        return await self._database.write(work)

    def bank(self, bank_id: str) -> BankInfo | None:
        return self._database.read_now(lambda connection: _info(connection, bank_id))

    def bank_settings(self, bank_id: str) -> BankSettings:
        """A bank's own settings; nothing but defaults for one that does not exist."""
        row = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT settings FROM memory_banks WHERE name = ?", (bank_id,)
            ).fetchone()
        )
        return BankSettings() if row is None else _settings(row[0])

    def bank_names(self, after: str, limit: int) -> list[str]:
        rows = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT name FROM memory_banks WHERE name > ? AND deleted_at IS NULL ORDER BY name LIMIT ?",
                (after, limit),
            ).fetchall()
        )
        return [row[0] for row in rows]

    def statistics(self, bank_id: str) -> BankStatistics | None:
        """Counted anew; time grows with the bank. None when it does not exist."""

        def query(connection: Connection) -> BankStatistics | None:
            row = connection.execute(
                "SELECT id FROM memory_banks WHERE name = ? AND deleted_at IS NULL", (bank_id,)
            ).fetchone()
            return None if row is None else _statistics(connection, bank_id, row[0])

        return self._database.read_now(query)

    async def place_hold(self, hold: LegalHold, event: Mapping[str, Any]) -> None:
        """Raises `InvalidInput` for an id that the bank has a hold of already. A bank is made if there is none."""

        def work(connection: Connection) -> None:
            moment = microseconds(hold.set_at)
            bank = bank_for_writing(connection, hold.bank_id, None, moment)
            if hold.hold_id in _hold_ids(connection, bank):
                raise InvalidInput(f"bank '{hold.bank_id}' has a hold '{hold.hold_id}' already")
            connection.execute(
                "INSERT INTO memory_holds (bank, hold_id, reason, set_by, set_at) VALUES (?, ?, ?, ?, ?)",
                (bank, hold.hold_id, hold.reason, hold.set_by, moment),
            )
            self.audit.append(connection, AUDIT_CHAIN, event)

        await self._database.write(work)

    async def lift_hold(self, bank_id: str, hold_id: str, event: Mapping[str, Any]) -> bool:
        """Whether there was such a hold."""

        def work(connection: Connection) -> bool:
            row = connection.execute("SELECT id FROM memory_banks WHERE name = ?", (bank_id,)).fetchone()
            is_there = row is not None and hold_id in _hold_ids(connection, row[0])
            if is_there:
                connection.execute("DELETE FROM memory_holds WHERE bank = ? AND hold_id = ?", (row[0], hold_id))
            self.audit.append(connection, AUDIT_CHAIN, {**event, "lifted": is_there})
            return is_there

        return await self._database.write(work)

    def holds(self, bank_id: str) -> list[LegalHold]:
        rows = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT h.hold_id, h.reason, h.set_by, h.set_at FROM memory_holds h"
                " JOIN memory_banks b ON b.id = h.bank WHERE b.name = ? ORDER BY h.set_at, h.hold_id",
                (bank_id,),
            ).fetchall()
        )
        return [
            LegalHold(hold_id=row[0], bank_id=bank_id, reason=row[1], set_by=row[2], set_at=moment_of(row[3]))
            for row in rows
        ]


def bank_for_writing(connection: Connection, name: str, space: Space | None, now: int) -> int:
    """The number of a bank, made or brought back if need be; raises `ModelMismatch` for another space's vectors."""
    select = "SELECT id, model, dimension, deleted_at FROM memory_banks WHERE name = ?"
    found = connection.execute(select, (name,)).fetchone()
    if found is None:
        connection.execute("INSERT INTO memory_banks (name, created_at) VALUES (?, ?)", (name, now))
        found = connection.execute(select, (name,)).fetchone()
    bank, model, dimension, deleted_at = found
    if deleted_at is not None:
        connection.execute("UPDATE memory_banks SET deleted_at = NULL, created_at = ? WHERE id = ?", (now, bank))
    if space is not None:
        if model is None:
            connection.execute(
                "UPDATE memory_banks SET model = ?, dimension = ? WHERE id = ?", (space.model, space.dimension, bank)
            )
        else:
            check_space(name, Space(model, dimension), space)
    return int(bank)


def existing_bank(connection: Connection, bank_id: str) -> int:
    row = connection.execute("SELECT id FROM memory_banks WHERE name = ? AND deleted_at IS NULL", (bank_id,)).fetchone()
    if row is None:
        raise BankNotFound(f"there is no bank '{bank_id}'")
    return int(row[0])


def refuse_held(connection: Connection, bank: int, bank_id: str) -> None:
    """Raise `LegalHoldActive` when the bank has a hold."""
    if held := _hold_ids(connection, bank):
        raise LegalHoldActive(bank_id, held)


def _hold_ids(connection: Connection, bank: int) -> list[str]:
    rows = connection.execute("SELECT hold_id FROM memory_holds WHERE bank = ? ORDER BY hold_id", (bank,))
    return [row[0] for row in rows.fetchall()]


def _info(connection: Connection, bank_id: str) -> BankInfo | None:
    row = connection.execute(
        "SELECT (SELECT count(*) FROM memories WHERE bank = b.id), b.model, b.created_at, b.settings"
        " FROM memory_banks b WHERE b.name = ? AND b.deleted_at IS NULL",
        (bank_id,),
    ).fetchone()
    if row is None:
        return None
    return BankInfo(
        bank_id=bank_id, memories=row[0], model=row[1], created_at=moment_of(row[2]), settings=_settings(row[3])
    )


def _statistics(connection: Connection, bank_id: str, bank: int) -> BankStatistics:
    counts = connection.execute(
        "SELECT count(*), count(archived_at), sum(CASE WHEN layer = 'fact' THEN 0 ELSE 1 END),"
        " coalesce(sum(length(content)), 0), count(DISTINCT session_id), count(DISTINCT speaker),"
        " min(retained_at), max(retained_at), min(occurred_at), max(occurred_at) FROM memories WHERE bank = ?",
        (bank,),
    ).fetchone()
    tags: Counter[str] = Counter()
    for (kept,) in connection.execute("SELECT tags FROM memories WHERE bank = ? AND tags <> '[]'", (bank,)):
        tags.update(read_tags(kept))

    def counted(query: str) -> int:
        return int(connection.execute(query, (bank,)).fetchone()[0])

    times = [None if moment is None else moment_of(moment) for moment in counts[6:10]]
    return BankStatistics(
        bank_id=bank_id,
        memories=counts[0],
        archived=counts[1],
        derived=int(counts[2] or 0),
        passages=counted("SELECT count(*) FROM memory_passages WHERE bank = ?"),
        characters=int(counts[3]),
        sessions=counts[4],
        speakers=counts[5],
        forgotten=counted("SELECT count(*) FROM memory_tombstones WHERE bank = ? AND kind = 'forgotten'"),
        holds=counted("SELECT count(*) FROM memory_holds WHERE bank = ?"),
        tags=dict(tags.most_common(TAGS_TOLD)),
        first_retained_at=times[0],
        last_retained_at=times[1],
        first_occurred_at=times[2],
        last_occurred_at=times[3],
    )
