"""The SQL engine: SQLite in one file, written by one thread that commits in groups.

Every write is a function of a connection. It runs inside a savepoint of its own; all writes that wait while a commit is
under way join the next transaction, so durability (an fsync) is paid once for many of them and no timer is needed. A
write is answered only after its transaction is durable: what was acknowledged survives ``kill -9``.

Reads use one connection a thread and see the last committed state (write-ahead log).
"""

import asyncio
import hashlib
import importlib.resources
import os
import queue
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from aster.foundation.errors import (
    ConfigError,
    StorageBusy,
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageUnwritable,
)

T = TypeVar("T")
Durability = Literal["full", "normal"]

GROUP_LIMIT = 1024
"""Most writes joined into one transaction: bounds the delay of the first and the size of the log."""

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


@dataclass(slots=True)
class _Write:
    work: Callable[[sqlite3.Connection], Any]
    answer: "Future[Any]"


class _Reader:
    """A thread's connection, closed when the thread ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.close = weakref.finalize(self, connection.close)


class Database:
    """One database: any number of readers, one writer thread. Owns its file's connections until `close`."""

    def __init__(self, path: Path, *, durability: Durability = "full") -> None:
        self.path = path
        self._durability = durability
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._closing = threading.Lock()
        self._closed = False
        self._writer = self._connect()
        self._thread = threading.Thread(target=self._write_groups, name=f"writer:{path.name}", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, location: str | os.PathLike[str], *, durability: Durability = "full") -> "Database":
        """Open or create ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or a plain path.

        Raises `ConfigError` for a scheme we don't serve, `StorageUnwritable` or `StorageCorrupt` for a file we can't.
        """
        text = os.fspath(location)
        scheme, found, rest = text.partition("://")
        if not found:
            path = Path(text)
        elif scheme == "sqlite":
            path = Path(rest.removeprefix("/"))
        else:
            raise ConfigError(
                f"database '{scheme}://…' is not supported yet", hint="use sqlite:///FILE; PostgreSQL is planned"
            )
        if not path.name or path.name == ":memory:":
            raise ConfigError("the database needs a file name", hint="sqlite:///FILE")
        return cls(path.expanduser().absolute(), durability=durability)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in the next group transaction; returns its value once the transaction is durable.

        An exception in ``work`` undoes that work alone and is raised here. A failed commit raises a `StorageError` for
        every member of the group. Cancelling the caller does not undo the write.
        """
        return await asyncio.wrap_future(self._submit(work))

    def write_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`write`, blocking the calling thread. Not for the event loop."""
        return self._submit(work).result()

    def read_now(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``query`` on this thread's own read-only connection."""
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = self._open_reader()
        with translated_errors(self.path):
            return query(reader.connection)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """`read_now` in a worker thread, for queries that take longer than a blink."""
        return await asyncio.to_thread(self.read_now, query)

    def migrate(self, component: str, package: str) -> None:
        """Apply the files ``NNNN_name.sql`` of ``package`` that ``component`` has not seen, in order, each once.

        Raises `StorageError` when an applied file has changed or the database was written by newer code.
        """
        self.write_now(lambda connection: _migrate(connection, component, _migrations(package)))

    def check(self) -> Sequence[str]:
        """What SQLite's own integrity check finds wrong; empty when all is well. Time grows with the file."""
        rows = self.read_now(lambda connection: connection.execute("PRAGMA integrity_check").fetchall())
        return [row[0] for row in rows if row[0] != "ok"]

    async def close(self) -> None:
        """Finish every write that was accepted, then close all connections."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._waiting.put(None)
        self._thread.join()
        for reader in list(self._readers):
            reader.close()
        self._writer.close()

    def _submit(self, work: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        answer: Future[T] = Future()
        answer.set_running_or_notify_cancel()  # from here on it can't be cancelled, so the writer can always answer it
        with self._closing:
            if self._closed:
                raise StorageError(f"{self.path}: the database is closed")
            self._waiting.put(_Write(work, answer))
        return answer

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

    def _write_groups(self) -> None:
        while (first := self._waiting.get()) is not None:
            group = [first]
            closing = False
            while len(group) < GROUP_LIMIT and not self._waiting.empty():
                write = self._waiting.get()
                if write is None:
                    closing = True
                    break
                group.append(write)
            self._commit(group)
            if closing:
                return

    def _commit(self, group: Sequence[_Write]) -> None:
        connection = self._writer
        outcomes: list[tuple[_Write, Any, BaseException | None]] = []
        try:
            with translated_errors(self.path):
                connection.execute("BEGIN IMMEDIATE")
                for write in group:
                    value, error = self._run(connection, write)
                    outcomes.append((write, value, error))
                connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - whatever broke the group is every member's answer
            with suppress(sqlite3.Error):  # an engine that can't roll back has done so, or refuses the next BEGIN
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            outcomes = [(write, None, error) for write in group]
        for write, value, failure in outcomes:
            if failure is None:
                write.answer.set_result(value)
            else:
                write.answer.set_exception(failure)

    def _run(self, connection: sqlite3.Connection, write: _Write) -> tuple[Any, BaseException | None]:
        connection.execute("SAVEPOINT work")
        try:
            with translated_errors(self.path):
                value = write.work(connection)
        except BaseException as error:  # even one that would end this thread: it ends the caller's work alone
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")
            return None, error
        connection.execute("RELEASE work")
        return value, None


class MemoryDatabase(Database):
    """A database without a file: gone when it is closed. One connection does everything, in the writer's thread."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))

    def read_now(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return self.write_now(query)


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn the driver's errors into ours; integrity errors pass, for they are answers, not faults.

    StopIteration becomes RuntimeError: an asyncio future can't carry it, and its caller would wait for ever.
    """
    try:
        yield
    except StopIteration:
        raise RuntimeError(f"{path}: next() found no row") from None
    except sqlite3.IntegrityError:
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind, words = _ERRORS.get(code, (StorageError, str(error)))
        raise kind(f"{path}: {words}", path=str(path)) from error


@dataclass(frozen=True, slots=True)
class _Migration:
    version: int
    name: str
    statements: tuple[str, ...]
    checksum: str


def _migrations(package: str) -> list[_Migration]:
    files = sorted(
        (file for file in importlib.resources.files(package).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    found = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        found.append(_Migration(int(file.name[:4]), file.name, tuple(_statements(text)), checksum))
    return found


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise AssertionError(f"a migration ends inside a statement: {statement.strip()[:60]}")


def _migrate(connection: sqlite3.Connection, component: str, migrations: Sequence[_Migration]) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (component TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL,"
        " checksum TEXT NOT NULL, PRIMARY KEY (component, version)) WITHOUT ROWID"
    )
    rows = connection.execute("SELECT version, checksum FROM migrations WHERE component = ?", (component,))
    applied: dict[int, str] = dict(rows.fetchall())
    newest = max((migration.version for migration in migrations), default=0)
    if any(version > newest for version in applied):
        raise StorageError(f"'{component}' was written by a newer version of this program", hint="upgrade the program")
    for migration in migrations:
        checksum = applied.get(migration.version)
        if checksum == migration.checksum:
            continue
        if checksum is not None:
            raise StorageError(
                f"migration {component}/{migration.name} differs from the one this database was made with"
            )
        for statement in migration.statements:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO migrations VALUES (?, ?, ?, ?)",
            (component, migration.version, migration.name, migration.checksum),
        )
