"""The deny-list: endpoints and credentials that are turned away, whatever root key vouches for them.

An entry is 64 hex characters: an EndpointId, or a credential's id (`credential_id`). With a database it survives
restarts, and what another process writes (``aster trust deny``) is in force here at the next question.
"""

import re
import time
from collections.abc import Collection

import msgspec

from aster.foundation.audit import AuditLog
from aster.foundation.errors import ConfigError, StorageError
from aster.foundation.logs import get_logger
from aster.foundation.sql import Connection, Database
from aster.trust.nonces import CHAIN

logger = get_logger("aster.trust")

MAX_NOTE = 200
MAX_ASKED = 500
"""Subjects in one query; SQLite takes 999 at least."""

_ID = re.compile(r"[0-9a-f]{64}")


class Denial(msgspec.Struct, frozen=True):
    """One entry: what is denied, since when (seconds since 1970), and what was noted about it."""

    id: str
    denied_at: int
    note: str = ""


class DenyList:
    """Asked for every connection; O(log entries) with a database. A list that can't be read denies everyone."""

    def __init__(self, database: Database | None = None, audit: AuditLog | None = None) -> None:
        self._database = database
        self._audit = audit
        self._here: dict[str, Denial] = {}
        self._version = -1

    async def deny(self, subject: str, note: str = "") -> Denial:
        """Add an entry; it is in force at once, and durable when this returns.

        When it can't be stored it stays in force until a restart, and the `StorageError` is raised.
        """
        denial = Denial(_checked(subject), int(time.time()), note[:MAX_NOTE])
        self._here[denial.id] = denial
        if self._database is not None:
            await self._database.write(lambda connection: self._add(connection, denial))
            self._here.pop(denial.id, None)
        return denial

    async def allow(self, subject: str) -> bool:
        """Take an entry off; False when it was not there. Nobody is admitted by this alone."""
        subject = _checked(subject)
        removed = self._database is not None and await self._database.write(
            lambda connection: self._remove(connection, subject)
        )
        return self._here.pop(subject, None) is not None or removed

    def entries(self) -> list[Denial]:
        """Every entry, oldest first."""
        entries = dict(self._here)
        if self._database is not None:
            rows = self._database.read_now(
                lambda connection: connection.execute("SELECT id, denied_at, note FROM trust_denied").fetchall()
            )
            entries |= {row[0]: Denial(*row) for row in rows}
        return sorted(entries.values(), key=lambda each: (each.denied_at, each.id))

    def denies(self, *subjects: str | None) -> bool:
        """Is any of these on the list?"""
        return bool(self.denied_among([each for each in subjects if each is not None]))

    def denied_among(self, subjects: Collection[str]) -> set[str]:
        """Those of ``subjects`` that are on the list, in few queries; all of them when it can't be read."""
        found = {each for each in subjects if each in self._here}
        database = self._database
        if database is None or not subjects:
            return found

        def query(connection: Connection) -> set[str]:
            asked = list(subjects)
            parts = (asked[start : start + MAX_ASKED] for start in range(0, len(asked), MAX_ASKED))
            return {row[0] for part in parts for row in connection.execute(_select(len(part)), part)}

        try:
            return found | database.read_now(query)
        except StorageError as error:
            logger.error("the deny-list can't be read: everyone is denied", error=error.message)
            return set(subjects)

    def has_changed(self) -> bool:
        """May the list have changed since this was last asked? Costs microseconds; true for other writes as well."""
        if self._database is None:
            return False
        try:
            version = self._database.read_now(
                lambda connection: connection.execute("PRAGMA data_version").fetchone()[0]
            )
        except StorageError:
            return True
        before, self._version = self._version, int(version)
        return before != self._version

    def _add(self, connection: Connection, denial: Denial) -> None:
        row = (denial.id, denial.denied_at, denial.note)
        connection.execute("INSERT OR REPLACE INTO trust_denied (id, denied_at, note) VALUES (?, ?, ?)", row)
        self._record(connection, {"event": "denied", "id": denial.id, "note": denial.note})

    def _remove(self, connection: Connection, subject: str) -> bool:
        removed = connection.execute("DELETE FROM trust_denied WHERE id = ?", (subject,)).rowcount == 1
        if removed:
            self._record(connection, {"event": "allowed", "id": subject})
        return removed

    def _record(self, connection: Connection, event: dict[str, str]) -> None:
        if self._audit is not None:
            self._audit.append(connection, CHAIN, event)


def _select(count: int) -> str:
    return f"SELECT id FROM trust_denied WHERE id IN ({', '.join('?' * count)})"  # noqa: S608 - places alone


def _checked(subject: str) -> str:
    folded = subject.strip().lower()
    if not _ID.fullmatch(folded):
        raise ConfigError(
            f"'{subject[:80]}' can't be denied", hint="an EndpointId or a credential's id: 64 hex characters"
        )
    return folded
