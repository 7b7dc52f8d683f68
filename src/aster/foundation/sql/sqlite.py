"""SQLite in one file: written by one thread; each reading thread has a connection and sees the last commit (WAL)."""

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

from aster.foundation.errors import (
    ConstraintViolated,
    StorageBusy,
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageUnwritable,
)
from aster.foundation.sql.database import Connection, Database, Durability

T = TypeVar("T")

BUSY_SECONDS = 5.0

_ERRORS: dict[int, tuple[type[StorageError], str]] = {
    sqlite3.SQLITE_FULL: (StorageFull, "the disk is full"),
    sqlite3.SQLITE_CORRUPT: (StorageCorrupt, "the file is damaged"),
    sqlite3.SQLITE_NOTADB: (StorageCorrupt, "the file is not a database"),
    sqlite3.SQLITE_READONLY: (StorageUnwritable, "the file can't be written"),
    sqlite3.SQLITE_CANTOPEN: (StorageUnwritable, "the file can't be opened"),
    sqlite3.SQLITE_PERM: (StorageUnwritable, "access is not permitted"),
    sqlite3.SQLITE_BUSY: (StorageBusy, "another process holds the file"),
    sqlite3.SQLITE_LOCKED: (StorageBusy, "the table is locked"),
}


class _Reader:
    """A thread's connection, closed when it ends. ``lock`` is held in use: SQLite crashes if it is closed then."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.lock = threading.RLock()
        self.close = weakref.finalize(self, connection.close)


class SqliteDatabase(Database):
    """A file, or a new one."""

    def __init__(self, path: Path, *, durability: Durability = "full") -> None:
        super().__init__(str(path))
        self.path = path
        self._durability = durability
        self._local = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._writer = self._connect()
        self._start()

    @property
    def engine(self) -> Literal["sqlite"]:
        return "sqlite"

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` on this thread's own read-only connection."""
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = self._open_reader()
        with reader.lock, translated_errors(self.path):
            if self._closed:
                raise StorageError(f"{self.path}: the database is closed")
            return query(reader.connection)

    def check(self) -> Sequence[str]:
        rows = self.read_now(lambda connection: connection.execute("PRAGMA integrity_check").fetchall())
        return [row[0] for row in rows if row[0] != "ok"]

    def _errors(self) -> AbstractContextManager[None]:
        return translated_errors(self.path)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        connection = self._writer
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # an engine that can't roll back has done so, or refuses the next BEGIN
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise

    def _is_in_transaction(self) -> bool:
        return self._writer.in_transaction

    def _close_connections(self) -> None:
        for reader in list(self._readers):
            with reader.lock:
                reader.close()
        self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        with translated_errors(self.path):
            connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(f"PRAGMA synchronous={self._durability.upper()}")
                connection.execute("PRAGMA foreign_keys=ON")
                connection.execute("PRAGMA temp_store=MEMORY")
                # What is deleted is overwritten, not only unlinked: forgetting must not leave text in free pages.
                connection.execute("PRAGMA secure_delete=ON")
            except BaseException:
                connection.close()
                raise
        return connection

    def _open_reader(self) -> _Reader:
        reader = _Reader(self._connect())
        reader.connection.execute("PRAGMA query_only=ON")
        with self._closing:
            if self._closed:
                reader.close()
                raise StorageError(f"{self.path}: the database is closed")
            self._readers.add(reader)
        return reader


class MemoryDatabase(SqliteDatabase):
    """A database without a file: gone when it is closed. One connection does everything, in the writer's thread."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))

    def read_now(self, query: Callable[[Connection], T]) -> T:
        return self.write_now(query)


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn the driver's errors into ours.

    StopIteration becomes RuntimeError: an asyncio future can't carry it, and its caller would wait for ever.
    """
    try:
        yield
    except StopIteration:
        raise RuntimeError(f"{path}: next() found no row") from None
    except sqlite3.IntegrityError as error:
        raise ConstraintViolated(f"{path}: {error}", path=str(path)) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind, words = _ERRORS.get(code, (StorageError, str(error)))
        raise kind(f"{path}: {words}", path=str(path)) from error
