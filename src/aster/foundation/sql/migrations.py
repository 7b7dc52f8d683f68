"""Migrations: numbered files of plain SQL, each applied once and never changed after.

They are written in SQLite's words; an engine that has other words for the same puts its own in their place.
"""

import hashlib
import importlib.resources
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aster.foundation.errors import StorageError

if TYPE_CHECKING:
    from aster.foundation.sql.database import Connection


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    statements: tuple[str, ...]
    checksum: str


def migrations(package: str, *, engine: str) -> list[Migration]:
    """The files of ``package`` by number, without those of another engine."""
    files = sorted(
        (file for file in importlib.resources.files(package).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    found = []
    for file in files:
        meant_for = file.name.removesuffix(".sql").partition(".")[2]
        if meant_for and meant_for != engine:
            continue
        text = file.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        found.append(Migration(int(file.name[:4]), file.name, tuple(_statements(text)), checksum))
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


def migrate(
    connection: "Connection", component: str, found: Sequence[Migration], definition: Callable[[str], str]
) -> None:
    """Apply what ``component`` has not seen, inside the caller's transaction."""
    connection.execute(
        definition(
            "CREATE TABLE IF NOT EXISTS migrations (component TEXT NOT NULL, version INTEGER NOT NULL,"
            " name TEXT NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (component, version)) WITHOUT ROWID;"
        )
    )
    rows = connection.execute("SELECT version, checksum FROM migrations WHERE component = ?", (component,))
    applied: dict[int, str] = dict(rows.fetchall())
    newest = max((migration.version for migration in found), default=0)
    if any(version > newest for version in applied):
        raise StorageError(f"'{component}' was written by a newer version of this program", hint="upgrade the program")
    for migration in found:
        checksum = applied.get(migration.version)
        if checksum == migration.checksum:
            continue
        if checksum is not None:
            raise StorageError(
                f"migration {component}/{migration.name} differs from the one this database was made with"
            )
        for statement in migration.statements:
            connection.execute(definition(statement))
        connection.execute(
            "INSERT INTO migrations VALUES (?, ?, ?, ?)",
            (component, migration.version, migration.name, migration.checksum),
        )
