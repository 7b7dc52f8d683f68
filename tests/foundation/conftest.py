"""A database of its own for every test, in a temporary folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aster.foundation.sql import Database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    opened = Database.open(file, durability="normal")
    yield opened
    await opened.close()
