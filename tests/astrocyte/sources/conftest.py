"""An engine, and one round of a source at a time."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from aster.foundation.settings import Document
from astrocyte.memory import Astrocyte
from astrocyte.sources.config import read_sources
from astrocyte.sources.intake import Intake
from astrocyte.sources.ledger import Ledger
from astrocyte.sources.model import Source
from astrocyte.sources.opening import READERS
from astrocyte.sources.runner import SourceRunner

BANK = "notes"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Astrocyte]:
    values = {"storage": {"url": f"sqlite:///{tmp_path / 'memory.db'}"}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(values) as engine:
        yield engine


Begin = Callable[..., Any]


@pytest.fixture
async def begin(engine: Astrocyte) -> AsyncIterator[Begin]:
    """A runner as a restarted process has it: only what is durable is remembered."""
    opened: list[Source] = []

    async def make(**values: Any) -> SourceRunner:
        document = Document("test", {"sources": {"src": {"target_bank": BANK, **values}}})
        settings = read_sources(document)["src"]
        source = READERS[type(settings)](settings)
        opened.append(source)
        return SourceRunner(Intake("src", settings, engine, await Ledger.open(engine.database)), source)

    yield make
    for source in opened:
        await source.close()


async def contents(engine: Astrocyte) -> list[str]:
    return sorted(memory.content for memory in (await engine.list_memories(BANK)).memories)
