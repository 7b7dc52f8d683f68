"""What can be done with a SQLite file as a whole: copied while in use, checked, rid of what was deleted."""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from aster.foundation.errors import StorageBusy, StorageUnwritable
from aster.foundation.sql import translated_errors

BUSY_SECONDS = 30.0


def copy_file(source: Path, path: Path) -> Path:
    """A consistent copy of a database in use, which appears under its name when it is whole.

    It is written anew from what is there, so no byte of what was forgotten goes along in unused pages.

    Returns the whole path; raises `StorageUnwritable` when ``path`` exists or can't be written.
    """
    target = path.expanduser().absolute()
    if target.exists():
        raise StorageUnwritable(f"{target}: is there already", hint="name a file that does not exist yet")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise StorageUnwritable(f"{target}: can't be written: {error.strerror or error}") from error
    os.close(descriptor)
    partial = Path(name)
    try:
        with translated_errors(target):
            _copy(source, partial)
        with partial.open("rb+") as handle:
            os.fsync(handle.fileno())
        os.link(partial, target)  # unlike a rename, never over a file that came meanwhile
    except FileExistsError:
        raise StorageUnwritable(f"{target}: is there already", hint="name a file that does not exist yet") from None
    finally:
        partial.unlink(missing_ok=True)
    return target


def _copy(source: Path, target: Path) -> None:
    with closing(
        sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    ) as reading:
        reading.execute("VACUUM INTO ?", (str(target),))  # one state, whatever is written meanwhile


def scrub_file(path: Path) -> None:
    """Rewrite the file without what was deleted and empty its write-ahead log.

    Overwriting deleted cells (``secure_delete``) is not enough: a cell that moved when a page was split leaves a copy
    in the page's unused middle. Raises `StorageBusy` while another connection keeps an old state open.
    """
    with (
        translated_errors(path),
        closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database,
    ):
        database.execute("PRAGMA secure_delete=ON")
        database.execute("VACUUM")
        busy, _, _ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StorageBusy(
                f"{path}: another connection still reads an old state, so its bytes can't be overwritten yet",
                hint="what was erased is gone for every reader; erase again to overwrite the bytes",
            )
