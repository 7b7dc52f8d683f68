"""The real model, loaded once, and an engine on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from astrocyte.memory import Astrocyte
from astrocyte.models.kept_files import cache_directory
from astrocyte.models.minilm import MiniLm, find_model
from astrocyte.models.preparing import prepare_model
from astrocyte.models.weights import installed_weights


@pytest.fixture(scope="session")
def weights() -> Path:
    """The published weights, as they are; the engine needs only what is made of them."""
    folder = installed_weights()
    if folder is None:
        pytest.fail("the model's weights are not installed: `make test` installs requirements/models.txt")
    return folder


@pytest.fixture(scope="session")
def model_file(weights: Path) -> Path:
    return find_model() or prepare_model(cache_directory(), weights, tell=print)


@pytest.fixture(scope="session")
def model(model_file: Path) -> MiniLm:
    return MiniLm(model_file)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The tests of a module that says ``STORES = ("sqlite", "postgres")`` run on each."""
    stores = getattr(metafunc.module, "STORES", None)
    if stores and "url" in metafunc.fixturenames:
        metafunc.parametrize("url", stores, indirect=True)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where memories are kept: a SQLite file, unless the module's ``STORES`` says otherwise."""
    if getattr(request, "param", "sqlite") == "postgres":
        return str(request.getfixturevalue("postgres_schema"))
    return f"sqlite:///{tmp_path}/memory.db"


@pytest.fixture
async def astrocyte(url: str, model: MiniLm) -> AsyncIterator[Astrocyte]:
    settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
    async with Astrocyte(settings, provider=model) as engine:
        yield engine


@pytest.fixture
async def plain(url: str) -> AsyncIterator[Astrocyte]:
    """An engine without an embedding model."""
    async with Astrocyte.from_config_dict({"storage": {"url": url}, "embedding": {"provider": "none"}}) as engine:
        yield engine
