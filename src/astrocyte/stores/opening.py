"""Which store a database gets."""

from aster.foundation.sql import Database, SqliteDatabase
from astrocyte.stores.sqlite import SqliteStore
from astrocyte.stores.store import Store


def open_store(database: Database) -> Store:
    """The store of a database, its tables migrated."""
    if isinstance(database, SqliteDatabase):
        return SqliteStore(database)
    from aster.foundation.sql.postgres import PostgresDatabase
    from astrocyte.stores.postgres import PostgresStore

    if not isinstance(database, PostgresDatabase):
        raise AssertionError(f"no store for {type(database).__name__}")
    return PostgresStore(database)
