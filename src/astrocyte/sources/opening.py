"""All sources of a configuration, running beside the engine that keeps what they bring."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from astrocyte.memory import Astrocyte
from astrocyte.sources.config import (
    DirectorySource,
    GitSource,
    RedisStreamSource,
    S3Source,
    SourceSettings,
    WebhookSource,
)
from astrocyte.sources.directory import DirectoryReader
from astrocyte.sources.git import GitReader
from astrocyte.sources.intake import Intake
from astrocyte.sources.ledger import Ledger
from astrocyte.sources.model import Source
from astrocyte.sources.redis_stream import RedisStreamReader
from astrocyte.sources.runner import SourceHealth, SourceRunner
from astrocyte.sources.s3 import S3Reader
from astrocyte.sources.webhook import Webhook

READERS: Mapping[type[Any], Callable[[Any], Source]] = MappingProxyType(
    {
        DirectorySource: DirectoryReader,
        GitSource: GitReader,
        RedisStreamSource: RedisStreamReader,
        S3Source: S3Reader,
    }
)


@dataclass(slots=True)
class Sources:
    """What is running: health by name, and the doors of webhooks."""

    settings: Mapping[str, SourceSettings] = field(default_factory=dict)
    health: dict[str, SourceHealth] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)


@asynccontextmanager
async def running_sources(engine: Astrocyte) -> AsyncIterator[Sources]:
    """Read every source of the engine's settings until the block ends; `ConfigError` for one that can't start."""
    wanted = engine.settings.sources
    sources = Sources(settings=wanted)
    if not wanted:
        yield sources
        return
    ledger = await Ledger.open(engine.database)
    runners = []
    for name, settings in wanted.items():
        intake = Intake(name, settings, engine, ledger)
        if isinstance(settings, WebhookSource):
            sources.webhooks[name] = Webhook(intake, settings)
            sources.health[name] = SourceHealth(message="ready")
        else:
            runner = SourceRunner(intake, READERS[type(settings)](settings))
            sources.health[name] = runner.health
            runners.append(runner)
    tasks = [asyncio.create_task(runner.run(), name="source") for runner in runners]
    try:
        yield sources
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
