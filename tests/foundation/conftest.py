"""A database of its own for every test, in a temporary folder; logging left as it was."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from aster.foundation.logs import ROOTS
from aster.foundation.sql import Database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Each test that takes it runs on both engines, unless `only_on_sqlite` marks it."""
    place = request.getfixturevalue("file" if request.param == "sqlite" else "postgres_schema")
    opened = Database.open(place, durability="normal")
    yield opened
    await opened.close()


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Logging is the process's: whoever configures it in a test leaves it as it was."""
    loggers = [logging.getLogger(name) for name in ROOTS]
    before = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate
