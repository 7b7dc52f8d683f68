"""The real model, loaded once, and an engine on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from astrocyte.memory import Astrocyte
from astrocyte.models.minilm import MiniLm, weights_folder


@pytest.fixture(scope="session")
def weights() -> Path:
    folder = weights_folder()
    if folder is None:
        pytest.fail("the model's weights are not installed: `make test` installs requirements/models.txt")
    return folder


@pytest.fixture(scope="session")
def model(weights: Path) -> MiniLm:
    return MiniLm(weights)


@pytest.fixture
def url(tmp_path: Path) -> str:
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
