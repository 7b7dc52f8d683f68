"""Verifying every audit chain of a data directory or a database, while a stack serves it or after it has ended."""

import sqlite3
from contextlib import closing
from pathlib import Path

from aster.foundation.audit import AuditLog
from aster.foundation.audit_verify import Verification
from aster.foundation.errors import StorageError
from aster.foundation.sql import Database, translated_errors


def verify_directory(path: Path) -> list[Verification]:
    """One result a chain, of every database in ``path`` that keeps some; other files are not touched.

    A directory without any is an error: what was removed must not pass as verified. Time grows with the records.
    """
    if not path.is_dir():
        raise StorageError(f"there is no data directory {path}", hint="name one with --data DIR")
    files = [file for file in sorted(path.glob("*.db")) if _has_chains(file)]
    if not files:
        raise StorageError(f"{path} holds no audit chain", hint="name the directory of an `aster up` with --data DIR")
    results: list[Verification] = []
    for file in files:
        results += verify_database(file)
    return results


def verify_database(location: str | Path) -> list[Verification]:
    """One result a chain of one database, given as a file or a URL."""
    database = Database.open(location)
    try:
        log = AuditLog(database)
        return [log.verify(chain) for chain in log.chains()]
    finally:
        database.close_now()


def _has_chains(file: Path) -> bool:
    """Looks without writing: a database that is not ours stays as it is."""
    with (
        translated_errors(file),
        closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_chains'").fetchone()
    return found is not None
