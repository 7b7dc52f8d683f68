"""The SQL engine on real files: groups, faults, migrations, and what survives a kill."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aster.foundation.errors import (
    ConfigError,
    ConstraintViolated,
    StorageBusy,
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageUnwritable,
)
from aster.foundation.sql import GROUP_LIMIT, Connection, Database

TABLE = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE)"

only_on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def create(connection: Connection) -> None:
    connection.execute(TABLE)


def insert(connection: Connection, text: str) -> int:
    return int(connection.execute("INSERT INTO notes (text) VALUES (?) RETURNING id", (text,)).fetchone()[0])


def texts(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY id")]


@pytest.fixture
def notes(database: Database) -> Database:
    definition = database._definition(TABLE)
    database.write_now(lambda connection: connection.execute(definition))
    return database


class Gate:
    """Holds the writer thread inside a transaction, so that what is submitted meanwhile forms the next group."""

    def __init__(self, database: Database) -> None:
        self._entered = threading.Event()
        self._released = threading.Event()
        self._held = asyncio.ensure_future(database.write(self._hold))

    def _hold(self, connection: Connection) -> None:
        self._entered.set()
        self._released.wait()

    async def entered(self) -> None:
        await asyncio.to_thread(self._entered.wait)

    async def release(self) -> None:
        self._released.set()
        await self._held


async def test_a_write_returns_what_its_work_returned_and_readers_see_it(notes: Database) -> None:
    assert await notes.write(lambda connection: insert(connection, "one")) == 1
    assert notes.read_now(texts) == ["one"]
    assert await notes.read(texts) == ["one"]


async def test_concurrent_writes_are_all_kept_and_each_gets_its_own_answer(notes: Database) -> None:
    def numbered(number: int) -> Any:
        return notes.write(lambda connection: (number, insert(connection, str(number))))

    answers = await asyncio.gather(*(numbered(number) for number in range(GROUP_LIMIT + 100)))
    assert [number for number, _ in answers] == list(range(GROUP_LIMIT + 100))
    assert notes.read_now(texts) == [str(number) for number in range(GROUP_LIMIT + 100)]


async def test_writes_from_many_threads_are_all_kept(notes: Database) -> None:
    def work(number: int) -> int:
        return notes.write_now(lambda connection: insert(connection, str(number)))

    with ThreadPoolExecutor(8) as pool:
        rows = await asyncio.to_thread(lambda: list(pool.map(work, range(200))))
    assert sorted(rows) == list(range(1, 201))


async def test_what_waits_during_a_commit_shares_the_next_transaction(notes: Database) -> None:
    gate = Gate(notes)
    await gate.entered()
    changes = [
        asyncio.ensure_future(notes.write(lambda connection: insert(connection, "a"))),
        asyncio.ensure_future(notes.write(texts)),
    ]
    await asyncio.sleep(0)
    assert notes.read_now(texts) == []
    await gate.release()
    assert await asyncio.gather(*changes) == [1, ["a"]]


async def test_a_failing_work_undoes_itself_alone(notes: Database) -> None:
    def fails(connection: Connection) -> None:
        insert(connection, "half done")
        raise LookupError("no such thing")

    gate = Gate(notes)
    await gate.entered()
    group = [
        asyncio.ensure_future(notes.write(lambda connection: insert(connection, "before"))),
        asyncio.ensure_future(notes.write(fails)),
        asyncio.ensure_future(notes.write(lambda connection: insert(connection, "after"))),
    ]
    await asyncio.sleep(0)
    await gate.release()
    first, second, third = await asyncio.gather(*group, return_exceptions=True)
    assert (type(first), type(third)) == (int, int)
    assert isinstance(second, LookupError)
    assert notes.read_now(texts) == ["before", "after"]


async def test_a_broken_constraint_is_told_by_its_own_error(notes: Database) -> None:
    await notes.write(lambda connection: insert(connection, "same"))
    with pytest.raises(ConstraintViolated):
        await notes.write(lambda connection: insert(connection, "same"))
    assert notes.read_now(texts) == ["same"]


async def test_wrong_sql_is_a_storage_error_that_names_the_database(notes: Database) -> None:
    place = r"test\.db|postgresql://"
    with pytest.raises(StorageError, match=place):
        await notes.write(lambda connection: connection.execute("SELECT nothing FROM nowhere"))
    with pytest.raises(StorageError, match=place):
        notes.read_now(lambda connection: connection.execute("SELECT nothing FROM nowhere"))


async def test_a_failed_commit_answers_every_member_and_keeps_nothing(notes: Database) -> None:
    def deferred(connection: Connection) -> None:
        connection.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)"
        )

    await notes.write(deferred)
    gate = Gate(notes)
    await gate.entered()
    group = [
        asyncio.ensure_future(notes.write(lambda connection: insert(connection, "innocent"))),
        asyncio.ensure_future(notes.write(lambda connection: connection.execute("INSERT INTO children VALUES (7)"))),
    ]
    await asyncio.sleep(0)
    await gate.release()
    answers = await asyncio.gather(*group, return_exceptions=True)
    assert all(isinstance(answer, ConstraintViolated) for answer in answers)
    assert notes.read_now(texts) == []
    await notes.write(lambda connection: insert(connection, "next"))
    assert notes.read_now(texts) == ["next"]


async def test_a_work_that_ends_the_transaction_fails_its_group_and_not_the_writer(notes: Database) -> None:
    with pytest.raises(StorageError):
        await notes.write(lambda connection: connection.execute("ROLLBACK"))
    await notes.write(lambda connection: insert(connection, "next"))
    assert notes.read_now(texts) == ["next"]


async def test_a_cancelled_caller_does_not_undo_its_write_nor_stop_the_writer(notes: Database) -> None:
    gate = Gate(notes)
    await gate.entered()
    cancelled = asyncio.ensure_future(notes.write(lambda connection: insert(connection, "cancelled")))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await gate.release()
    async with asyncio.timeout(10):
        await notes.write(lambda connection: insert(connection, "next"))
    assert notes.read_now(texts) == ["cancelled", "next"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_no_exception_of_a_work_stops_the_writer(notes: Database, error: BaseException) -> None:
    def stops(connection: Connection) -> None:
        insert(connection, "half done")
        raise error

    answers: list[BaseException] = []

    def submit() -> None:
        try:
            notes.write_now(stops)
        except BaseException as raised:  # noqa: BLE001 - the test looks at what it is
            answers.append(raised)

    thread = threading.Thread(target=submit, daemon=True)
    thread.start()
    thread.join(10)
    assert answers == [error]
    notes.write_now(lambda connection: insert(connection, "next"))
    assert notes.read_now(texts) == ["next"]


async def test_a_work_that_runs_out_of_rows_is_answered(notes: Database) -> None:
    """``next()`` on no row raises StopIteration, which an asyncio future refuses to carry."""
    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError):
            await notes.write(lambda connection: next(iter(connection.execute("SELECT id FROM notes"))))
        with pytest.raises(RuntimeError):
            await notes.read(lambda connection: next(iter(connection.execute("SELECT id FROM notes"))))


async def test_a_reader_cannot_write(notes: Database) -> None:
    with pytest.raises(StorageUnwritable):
        notes.read_now(lambda connection: insert(connection, "x"))
    assert notes.read_now(texts) == []


async def test_a_reader_does_not_see_what_is_not_committed(notes: Database) -> None:
    def work(connection: Connection) -> list[str]:
        insert(connection, "not yet")
        with ThreadPoolExecutor(1) as other:
            return other.submit(notes.read_now, texts).result()

    assert await notes.write(work) == []


@only_on_sqlite
def test_the_reader_of_a_thread_that_ended_is_closed(notes: Database) -> None:
    opened: list[Connection] = []

    thread = threading.Thread(target=notes.read_now, args=(opened.append,))
    thread.start()
    thread.join()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


async def test_close_finishes_every_accepted_write(file: Path) -> None:
    database = Database.open(file)
    await database.write(create)
    accepted = [asyncio.ensure_future(database.write(partial(insert, text=text))) for text in map(str, range(100))]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*accepted)
    with Opened(file) as again:
        assert len(again.read_now(texts)) == 100


async def test_after_close_everything_is_refused(file: Path) -> None:
    database = Database.open(file)
    await database.write(create)
    database.read_now(texts)
    await database.close()
    await database.close()
    with pytest.raises(StorageError, match="closed"):
        await database.write(create)
    with pytest.raises(StorageError, match="closed"):
        database.read_now(texts)
    with pytest.raises(StorageError, match="closed"):
        await asyncio.to_thread(database.read_now, texts)


class Opened:
    """A database for the time of a ``with``, from a test that has no loop."""

    def __init__(self, path: Path | str) -> None:
        self._database = Database.open(path)

    def __enter__(self) -> Database:
        return self._database

    def __exit__(self, *error: object) -> None:
        self._database.close_now()


@pytest.mark.parametrize("form", ["{path}", "sqlite:///{path}"])
def test_a_database_opens_by_path_and_by_url(file: Path, form: str) -> None:
    with Opened(form.format(path=file)) as database:
        database.write_now(create)
    assert file.exists()


def test_a_relative_path_stays_the_same_file_when_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Opened("sqlite:///notes.db") as database:
        database.write_now(create)
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert database.read_now(texts) == []
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(
    "location", ["mysql://x", "redis://x", "", "sqlite://", "sqlite:///", ":memory:", "sqlite:///:memory:"]
)
def test_a_place_that_is_no_file_is_refused(location: str) -> None:
    with pytest.raises(ConfigError):
        Database.open(location)


def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        Database.open("mysql://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(file: Path) -> None:
    content = b"this is no database, but it is somebody's file\n" * 100
    file.write_bytes(content)
    with pytest.raises(StorageCorrupt, match=r"test\.db"):
        Database.open(file)
    assert file.read_bytes() == content


def test_damaged_pages_are_reported(file: Path) -> None:
    with Opened(file) as database:
        database.write_now(create)
        database.write_now(lambda connection: [insert(connection, str(number) * 50) for number in range(500)] and None)
        assert database.check() == []
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(content)
    with Opened(file) as database, pytest.raises(StorageCorrupt):
        database.read_now(texts)


def test_a_folder_is_not_a_database(tmp_path: Path) -> None:
    with pytest.raises(StorageUnwritable, match=tmp_path.name):
        Database.open(tmp_path)


def test_a_path_below_a_regular_file_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageUnwritable):
        Database.open(tmp_path / "file" / "test.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into read-only folders")
def test_a_read_only_folder_is_unwritable(tmp_path: Path) -> None:
    folder = tmp_path / "readonly"
    folder.mkdir(mode=0o500)
    with pytest.raises(StorageUnwritable):
        Database.open(folder / "test.db")


@only_on_sqlite
async def test_a_full_disk_refuses_the_write_and_keeps_the_rest(notes: Database) -> None:
    def limit(connection: Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    await notes.write(lambda connection: insert(connection, "small"))
    await notes.write(limit)
    with pytest.raises(StorageFull):
        await notes.write(lambda connection: insert(connection, "large" * 100_000))
    assert notes.read_now(texts) == ["small"]
    assert await notes.write(lambda connection: insert(connection, "small again")) == 2
    assert notes.check() == []


async def test_a_file_that_another_process_holds_is_busy(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aster.foundation.sql.sqlite.BUSY_SECONDS", 0.0)
    with Opened(file) as database:
        database.write_now(create)
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusy):
            await database.write(lambda connection: insert(connection, "x"))
        other.execute("ROLLBACK")
        other.close()
        assert await database.write(lambda connection: insert(connection, "x")) == 1


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable package of migrations: the folder into which a test writes them."""
    folder = tmp_path / "packages" / "migrations_of_a_test"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "0001_notes.sql").write_text(
        "-- two statements; one with a trigger\nCREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);\n"
        "CREATE TRIGGER t AFTER INSERT ON notes BEGIN\n  UPDATE notes SET text = ';' WHERE id = new.id;\nEND;\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    yield folder
    sys.modules.pop("migrations_of_a_test", None)


def tables(connection: Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_migration_runs_once_and_a_new_one_after_it(package: Path, file: Path) -> None:
    with Opened(file) as database:
        database.migrate("test", package.name)
        database.migrate("test", package.name)
        (package / "0002_tags.sql").write_text("CREATE TABLE tags (name TEXT);\n")
        database.migrate("test", package.name)
        rows = database.read_now(lambda c: c.execute("SELECT version FROM migrations ORDER BY version").fetchall())
        assert rows == [(1,), (2,)]
        assert {"notes", "tags"} <= database.read_now(tables)


def test_a_migration_that_changed_is_refused_by_name(package: Path, file: Path) -> None:
    with Opened(file) as database:
        database.migrate("test", package.name)
        (package / "0001_notes.sql").write_text("CREATE TABLE other (id INTEGER);\n")
        with pytest.raises(StorageError, match=r"test/0001_notes\.sql"):
            database.migrate("test", package.name)
        assert "other" not in database.read_now(tables)


def test_a_database_of_newer_code_is_refused(package: Path, file: Path) -> None:
    with Opened(file) as database:
        (package / "0002_tags.sql").write_text("CREATE TABLE tags (name TEXT);\n")
        database.migrate("test", package.name)
        (package / "0002_tags.sql").unlink()
        with pytest.raises(StorageError, match="newer"):
            database.migrate("test", package.name)


def test_a_migration_that_fails_leaves_nothing(package: Path, file: Path) -> None:
    (package / "0002_wrong.sql").write_text("CREATE TABLE tags (name TEXT);\nINSERT INTO nowhere VALUES (1);\n")
    with Opened(file) as database:
        with pytest.raises(StorageError):
            database.migrate("test", package.name)
        assert not database.read_now(tables)


def test_a_migration_that_ends_inside_a_statement_is_refused(package: Path, file: Path) -> None:
    (package / "0002_cut.sql").write_text("CREATE TABLE tags (name TEXT")
    with Opened(file) as database, pytest.raises(AssertionError, match="CREATE TABLE tags"):
        database.migrate("test", package.name)


def test_the_versions_of_two_components_are_independent(package: Path, file: Path) -> None:
    with Opened(file) as database:
        database.migrate("one", package.name)
        (package / "0001_notes.sql").write_text("CREATE TABLE other (id INTEGER);\n")
        database.migrate("two", package.name)
        assert {"notes", "other"} <= database.read_now(tables)


WRITER = textwrap.dedent(
    """
    import asyncio, sys
    from aster.foundation.sql import Database

    async def main() -> None:
        database = Database.open(sys.argv[1])
        await database.write(lambda c: c.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)") and None)

        async def endless(start: int) -> None:
            for number in range(start, 10**9, 8):
                await database.write(lambda c: c.execute("INSERT INTO notes VALUES (?, 'x')", (number,)) and None)
                print(number, flush=True)

        await asyncio.gather(*(endless(start) for start in range(8)))

    asyncio.run(main())
    """
)


def test_no_acknowledged_write_is_lost_to_a_kill(file: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(200)]
    child.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    with Opened(file) as database:
        assert database.check() == []
        kept = {row[0] for row in database.read_now(lambda c: c.execute("SELECT id FROM notes").fetchall())}
    assert set(acknowledged) <= kept


DYING = textwrap.dedent(
    """
    import os, signal, sys, threading
    from aster.foundation.sql import Database

    database = Database.open(sys.argv[1])
    database.write_now(lambda c: c.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)") and None)
    joined, acknowledged = threading.Event(), threading.Event()

    def insert(connection):
        connection.execute("INSERT INTO notes VALUES (1, 'x')")

    def die(connection):
        acknowledged.wait(0.2)
        os.kill(os.getpid(), signal.SIGKILL)

    database._submit(lambda connection: joined.wait() and None)
    answer = database._submit(insert)
    answer.add_done_callback(lambda _: (print(1, flush=True), acknowledged.set()))
    last = database._submit(die)
    joined.set()
    last.result()
    """
)


def test_nothing_is_acknowledged_before_its_group_is_committed(file: Path) -> None:
    """The process dies inside a transaction, after one member's work and before the commit."""
    child = subprocess.run([sys.executable, "-c", DYING, str(file)], capture_output=True, text=True, check=False)
    assert (child.returncode, child.stdout, child.stderr) == (-signal.SIGKILL, "", "")
    with Opened(file) as database:
        assert database.check() == []
        assert database.read_now(texts) == []


def test_closing_waits_for_a_read_that_is_under_way(tmp_path: Path) -> None:
    """SQLite crashes when a connection is closed while another thread uses it."""
    database = Database.open(tmp_path / "busy.db")
    database.write_now(lambda connection: connection.execute("CREATE TABLE t (x INTEGER)"))
    reading, finish = threading.Event(), threading.Event()
    seen: list[int] = []

    def query(connection: Connection) -> None:
        reading.set()
        finish.wait()
        seen.append(connection.execute("SELECT count(*) FROM t").fetchone()[0])

    reader = threading.Thread(target=database.read_now, args=(query,))
    reader.start()
    reading.wait()
    closing = threading.Thread(target=database.close_now)
    closing.start()
    closing.join(timeout=0.05)
    assert closing.is_alive()
    finish.set()
    reader.join()
    closing.join()
    assert seen == [0]
    with pytest.raises(StorageError, match="is closed"):
        database.read_now(lambda connection: connection.execute("SELECT 1").fetchone())
