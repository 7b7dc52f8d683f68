"""The SQL engine: one interface, kept by SQLite in a file and by PostgreSQL on a server.

`database` (the interface, groups of writes) ← `sqlite`, `postgres` (the two engines); `migrations`.
"""

from aster.foundation.sql.database import GROUP_LIMIT, Connection, Cursor, Database, Durability
from aster.foundation.sql.sqlite import MemoryDatabase, SqliteDatabase, translated_errors

__all__ = [
    "GROUP_LIMIT",
    "Connection",
    "Cursor",
    "Database",
    "Durability",
    "MemoryDatabase",
    "SqliteDatabase",
    "translated_errors",
]
