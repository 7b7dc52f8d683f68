"""Which store a database gets."""

from aster.foundation.sql import Database
from astrocyte.stores.sqlite import SqliteStore


def open_store(database: Database) -> SqliteStore:
    """The store of a database, its tables migrated."""
    if database.engine == "sqlite":
        return SqliteStore(database)
    from aster.foundation.sql.postgres import PostgresDatabase
    from astrocyte.stores.postgres import PostgresStore

    if not isinstance(database, PostgresDatabase):
        raise AssertionError(f"no store for {type(database).__name__}")
    return PostgresStore(database)
