"""What sources have delivered, durably: nothing is taken twice, nothing acknowledged is lost."""

from collections.abc import Sequence
from typing import Any

from aster.foundation.sql import Connection, Database


class Ledger:
    """Positions and items of every source in one database. Its reads are of a few rows, by key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, database: Database) -> "Ledger":
        import asyncio

        await asyncio.to_thread(database.migrate, "memory_sources", "astrocyte.sources.migrations")
        return cls(database)

    async def position(self, source: str) -> str | None:
        row = await self._database.look_up(
            lambda connection: connection.execute(
                "SELECT position FROM memory_source_positions WHERE source = ?", (source,)
            ).fetchone()
        )
        return None if row is None else str(row[0])

    async def item(self, source: str, key: str) -> tuple[str, str | None] | None:
        """Fingerprint and memory of what was taken under a key, None when nothing was."""
        row = await self._database.look_up(
            lambda connection: connection.execute(
                "SELECT fingerprint, memory_id FROM memory_source_items WHERE source = ? AND item = ?", (source, key)
            ).fetchone()
        )
        return None if row is None else (str(row[0]), row[1])

    async def keys(self, source: str) -> list[str]:
        """Every key of a source."""
        rows: list[Any] = await self._database.read(
            lambda connection: connection.execute(
                "SELECT item FROM memory_source_items WHERE source = ?", (source,)
            ).fetchall()
        )
        return [row[0] for row in rows]

    async def take(self, source: str, key: str, fingerprint: str, memory_id: str | None) -> None:
        def work(connection: Connection) -> None:
            connection.execute(
                "INSERT INTO memory_source_items (source, item, fingerprint, memory_id) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (source, item) DO UPDATE SET fingerprint = excluded.fingerprint,"
                " memory_id = excluded.memory_id",
                (source, key, fingerprint, memory_id),
            )

        await self._database.write(work)

    async def drop(self, source: str, keys: Sequence[str]) -> None:
        def work(connection: Connection) -> None:
            connection.executemany(
                "DELETE FROM memory_source_items WHERE source = ? AND item = ?", [(source, key) for key in keys]
            )

        await self._database.write(work)

    async def reach(self, source: str, position: str) -> None:
        """Everything up to ``position`` is taken."""

        def work(connection: Connection) -> None:
            connection.execute(
                "INSERT INTO memory_source_positions (source, position) VALUES (?, ?)"
                " ON CONFLICT (source) DO UPDATE SET position = excluded.position",
                (source, position),
            )

        await self._database.write(work)
