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


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    opened = Database.open(file, durability="normal")
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
