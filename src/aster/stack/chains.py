"""Verifying every audit chain of a data directory or a database, while a stack serves it or after it has ended."""

import sqlite3
from contextlib import closing
from pathlib import Path

from aster.foundation.audit import AuditLog
from aster.foundation.audit_verify import Verification
from aster.foundation.errors import StorageError
from aster.foundation.sql import Database, translated_errors
from aster.policy.service.caller import chain_of

POLICY_CHAINS = chain_of("")


def verify_directory(path: Path, *, key: bytes | None = None) -> list[Verification]:
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
        results += verify_database(file, key=key)
    return results


def verify_database(location: str | Path, *, key: bytes | None = None) -> list[Verification]:
    """One result a chain of one database, given as a file or a URL; ``key`` is that of the policy service's chains."""
    database = Database.open(location)
    try:
        log, keyed = AuditLog(database), AuditLog(database, key=key)
        return [(keyed if chain.startswith(POLICY_CHAINS) else log).verify(chain) for chain in log.chains()]
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
