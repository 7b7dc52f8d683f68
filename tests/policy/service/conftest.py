"""A policy service on a real database in a temporary folder, with a clock the test sets."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.policy.service.asgi import SECRET

from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings


class Clock:
    """Milliseconds since 1970; stands still unless moved. The default is the time of the documented test vectors."""

    def __init__(self) -> None:
        self.ms = 1_708_776_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The tests of a module that says ``STORES = ("sqlite", "postgres")`` run on each."""
    stores = getattr(metafunc.module, "STORES", None)
    if stores and "database" in metafunc.fixturenames:
        metafunc.parametrize("database", stores, indirect=True)


@pytest.fixture
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    is_file = getattr(request, "param", "sqlite") == "sqlite"
    place = tmp_path / "policy.db" if is_file else request.getfixturevalue("postgres_schema")
    opened = Database.open(place, durability="normal")
    yield opened
    await opened.close()


@pytest.fixture
def service(database: Database) -> PolicyHttpService:
    """Real time, one secret for every tenant, no environment."""
    return create_policy_service(database, PolicySettings(secret_key=SECRET), environ={})


@pytest.fixture
def stopped(database: Database, clock: Clock) -> PolicyHttpService:
    """The same with the test's clock."""
    return create_policy_service(database, PolicySettings(secret_key=SECRET), environ={}, now_ms=clock)
