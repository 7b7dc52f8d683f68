"""One-time credentials are used once: across restarts, and however many connections try at the same moment."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from aster.foundation.audit import AuditLog
from aster.foundation.errors import StorageUnwritable
from aster.foundation.sql import Connection, Database

CHAIN = "trust:admission"

KEPT_SECONDS = 30 * 24 * 3600
"""A used nonce outlives its credential by this: a clock that was ahead and is set back makes no credential new."""


class AdmissionJournal(Protocol):
    """Where admissions are recorded and one-time nonces are consumed."""

    why_not_once: str
    """What it means that a one-time credential was not consumed."""

    async def admit(self, nonce: str | None, expires_at: int, event: Mapping[str, Any]) -> bool:
        """Consume ``nonce`` (if any) and record ``event``, together; False when the nonce was used before."""

    async def refuse(self, event: Mapping[str, Any]) -> None:
        """Record a refusal."""


class MemoryJournal:
    """Without storage nothing survives a restart, so no one-time credential can be honoured."""

    why_not_once = "it is a one-time credential, and without storage_path none can be honoured"

    async def admit(self, nonce: str | None, expires_at: int, event: Mapping[str, Any]) -> bool:
        return nonce is None

    async def refuse(self, event: Mapping[str, Any]) -> None:
        return None


class StoredJournal:
    """Nonces and the audit chain ``trust:admission`` in one SQLite file; a nonce is forgotten after it expires."""

    why_not_once = "it is a one-time credential that was used before"

    def __init__(self, database: Database) -> None:
        database.migrate("trust", "aster.trust.migrations")
        self.database = database
        self.audit = AuditLog(database)

    @classmethod
    def open(cls, folder: str) -> "StoredJournal":
        """The journal in ``folder``, which is made when it is not there."""
        path = Path(folder).expanduser()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnwritable(f"{path} can't be made: {error.strerror or error}") from None
        return cls(Database.open(path / "trust.db"))

    async def admit(self, nonce: str | None, expires_at: int, event: Mapping[str, Any]) -> bool:
        def work(connection: Connection) -> bool:
            if nonce is not None:
                oldest = int(time.time()) - KEPT_SECONDS
                connection.execute("DELETE FROM trust_nonces WHERE expires_at <= ?", (oldest,))
                row = (nonce.lower(), expires_at)
                added = connection.execute("INSERT OR IGNORE INTO trust_nonces (nonce, expires_at) VALUES (?, ?)", row)
                if added.rowcount != 1:
                    return False
            self.audit.append(connection, CHAIN, dict(event))
            return True

        return await self.database.write(work)

    async def refuse(self, event: Mapping[str, Any]) -> None:
        await self.audit.record(CHAIN, dict(event))

    async def close(self) -> None:
        await self.database.close()
