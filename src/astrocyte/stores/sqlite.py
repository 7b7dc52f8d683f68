"""Memories in one SQLite file, which can be copied and rid of what was deleted."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from aster.foundation.audit import utc_now
from aster.foundation.sql import SqliteDatabase
from astrocyte.stores.sql import SqlStore
from astrocyte.stores.sqlite_file import copy_file, scrub_file


class SqliteStore(SqlStore):
    """The store of one database file. The caller owns the `Database` and closes it."""

    def __init__(self, database: SqliteDatabase, *, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__(database, now=now)
        self._path = database.path

    async def scrub(self) -> bool:
        await asyncio.to_thread(scrub_file, self._path)
        return True

    async def back_up(self, path: Path) -> Path:
        return await asyncio.to_thread(copy_file, self._path, path)
