"""Verifying every audit chain of a data directory, while a stack serves it or after it has ended."""

from pathlib import Path

from aster.foundation.audit import AuditLog, Verification
from aster.foundation.errors import StorageError
from aster.foundation.sql import Database


def verify_directory(path: Path) -> list[Verification]:
    """One result a chain, of every database in ``path``. Time grows with the number of records."""
    if not path.is_dir():
        raise StorageError(f"there is no data directory {path}", hint="name one with --data DIR")
    results: list[Verification] = []
    for file in sorted(path.glob("*.db")):
        database = Database.open(file)
        try:
            log = AuditLog(database)
            results += [log.verify(chain) for chain in log.chains()]
        finally:
            database.close_now()
    return results
