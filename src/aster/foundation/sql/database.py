"""What every database does: reads at any time, writes one after the other, committed in groups.

Every write is a function of a connection. All writes that wait while a commit is under way join the next transaction,
each in a savepoint of its own, so durability (an fsync) is paid once for many of them and no timer is needed. A write
is answered only after its transaction is durable: what was acknowledged survives ``kill -9``.

One writer at a time, on SQLite and on PostgreSQL alike: what a write reads stays true until it commits, so writes need
no retries, and an audit chain no locks of its own.

Statements are written once, in the words that both engines understand: parameters are ``?`` or ``?1``, conflicts are
``ON CONFLICT``, new keys come back by ``RETURNING``, binary columns are BLOB, integers have 64 bits.
"""

import asyncio
import os
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from aster.foundation.errors import ConfigError, StorageError
from aster.foundation.extras import load_extra
from aster.foundation.sql.migrations import migrate, migrations

T = TypeVar("T")
Durability = Literal["full", "normal"]

GROUP_LIMIT = 1024
"""Most writes joined into one transaction: bounds the delay of the first and the size of the log."""


class Cursor(Protocol):
    """The outcome of a statement, the part of PEP 249 that both drivers keep."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What a write or a query works on; ``sqlite3.Connection`` is one."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Cursor: ...
    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> Cursor: ...


@dataclass(slots=True)
class _Write:
    work: Callable[[Connection], Any]
    answer: "Future[Any]"


class Database(ABC):
    """One database: any number of readers, one writer thread. Owns its connections until `close`.

    ``name`` says where it is and holds no secret. An engine calls `_start` when it can take writes.
    """

    is_local = True
    """Whether a look-up by key takes microseconds, so that an event loop may do one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._after_writes: list[Callable[[Connection], None]] = []
        self._thread = threading.Thread(target=self._write_groups, name=f"writer:{name}", daemon=True)

    @staticmethod
    def open(location: str | os.PathLike[str], *, durability: Durability = "full") -> "Database":
        """Open ``sqlite:///relative.db``, ``sqlite:////absolute.db``, a plain path (made when it does not exist), or
        ``postgresql://user:password@host/database``, where everything lies in the first schema of the search path.

        Raises `ConfigError` for what we don't serve, a `StorageError` for what can't be opened, `MissingExtra` for
        PostgreSQL without its driver.
        """
        text = os.fspath(location)
        scheme, found, rest = text.partition("://")
        if scheme in {"postgresql", "postgres"} and found:
            load_extra("psycopg", extra="postgres")
            from aster.foundation.sql.postgres import PostgresDatabase

            return PostgresDatabase(text, durability=durability)
        from aster.foundation.sql.sqlite import SqliteDatabase

        if found and scheme != "sqlite":
            raise ConfigError(f"database '{scheme}://…' is not supported", hint="use sqlite:///FILE or postgresql://…")
        path = Path(rest.removeprefix("/") if found else text)
        if not path.name or path.name == ":memory:":
            raise ConfigError("the database needs a file name", hint="sqlite:///FILE")
        return SqliteDatabase(path.expanduser().absolute(), durability=durability)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in the next group transaction; returns its value once the transaction is durable.

        An exception in ``work`` undoes that work alone and is raised here. A failed commit raises a `StorageError` for
        every member of the group. Cancelling the caller does not undo the write.
        """
        return await asyncio.wrap_future(self._submit(work))

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """`write`, blocking the calling thread. Not for the event loop."""
        return self._submit(work).result()

    def after_writes(self, work: Callable[[Connection], None]) -> None:
        """Run ``work`` at the end of every transaction from now on: what it derives is committed with its source."""
        self._after_writes.append(work)

    @abstractmethod
    def read_now(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` on a read-only connection. Between its ``BEGIN`` and ``ROLLBACK`` it sees one moment."""

    async def read(self, query: Callable[[Connection], T]) -> T:
        """`read_now` in a worker thread, for queries that take longer than a blink."""
        return await asyncio.to_thread(self.read_now, query)

    async def look_up(self, query: Callable[[Connection], T]) -> T:
        """A read of a few rows by their keys: at once where that takes microseconds, else in a worker thread."""
        return self.read_now(query) if self.is_local else await self.read(query)

    def migrate(self, component: str, package: str) -> None:
        """Apply the files ``NNNN_name.sql`` of ``package`` that ``component`` has not seen, in order, each once.

        Processes that start together wait for each other. ``NNNN_name.postgres.sql`` is for that engine alone. Raises
        `StorageError` when an applied file has changed or the database was written by newer code.
        """
        found = migrations(package, engine=self.engine)
        self.write_now(lambda connection: migrate(connection, component, found, self._definition))

    def notify(self, connection: Connection, channel: str, text: str) -> None:  # noqa: B027 - a file has no others
        """Tell the other processes on this database, once the write that ``connection`` is of is committed."""

    def listen(self, channel: str, heard: Callable[[str], None]) -> None:  # noqa: B027 - a file has no others
        """Call ``heard`` in a thread for each notice until `close`; with "" when some may have been missed."""

    @property
    @abstractmethod
    def engine(self) -> Literal["sqlite", "postgres"]: ...

    @abstractmethod
    def check(self) -> Sequence[str]:
        """What the engine's own integrity check finds wrong; empty when all is well. Time grows with the file."""

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
        self._close_connections()

    def _start(self) -> None:
        self._thread.start()

    def _definition(self, statement: str) -> str:
        """A migration's statement in the engine's own words."""
        return statement

    @abstractmethod
    def _errors(self) -> AbstractContextManager[None]:
        """Turns the driver's errors into ours. StopIteration becomes RuntimeError: an asyncio future can't carry it."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Connection]:
        """The one write transaction: committed, durable, when the block ends; undone when it raises."""

    @abstractmethod
    def _is_in_transaction(self) -> bool:
        """Whether the write transaction still stands."""

    @abstractmethod
    def _close_connections(self) -> None: ...

    def _submit(self, work: Callable[[Connection], T]) -> "Future[T]":
        answer: Future[T] = Future()
        answer.set_running_or_notify_cancel()  # from here on it can't be cancelled, so the writer can always answer it
        with self._closing:
            if self._closed:
                raise StorageError(f"{self.name}: the database is closed")
            self._waiting.put(_Write(work, answer))
        return answer

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
        outcomes: list[tuple[_Write, Any, BaseException | None]] = []
        try:
            with self._errors(), self._transaction() as connection:
                if len(group) == 1:  # needs no savepoint: the transaction is its own
                    outcomes.append((group[0], group[0].work(connection), None))
                else:
                    for write in group:
                        value, error = self._run(connection, write)
                        outcomes.append((write, value, error))
                for work in self._after_writes:
                    work(connection)
        except BaseException as error:  # noqa: BLE001 - whatever broke the group is every member's answer
            outcomes = [(write, None, error) for write in group]
        for write, value, failure in outcomes:
            if failure is None:
                write.answer.set_result(value)
            else:
                write.answer.set_exception(failure)

    def _run(self, connection: Connection, write: _Write) -> tuple[Any, BaseException | None]:
        connection.execute("SAVEPOINT work")
        try:
            with self._errors():
                value = write.work(connection)
                connection.execute("RELEASE work")
        except BaseException as error:  # even one that would end this thread: it ends the caller's work alone
            if not self._is_in_transaction():
                raise
            connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")
            return None, error
        return value, None
