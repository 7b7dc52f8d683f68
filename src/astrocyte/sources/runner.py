"""Sources that are read by themselves: one task each, tried again with growing pauses, its health always known."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from aster.foundation.errors import AsterError
from aster.foundation.logs import get_logger
from astrocyte.sources.intake import Intake
from astrocyte.sources.model import Batch, Source

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0

logger = get_logger("astrocyte.sources")


@dataclass(slots=True)
class SourceHealth:
    """``taken`` counts items that were new or changed since the start."""

    is_healthy: bool = True
    message: str = "not read yet"
    taken: int = 0
    last_read_at: datetime | None = None


class SourceRunner:
    """Reads one source for as long as `run` is not cancelled."""

    def __init__(self, intake: Intake, source: Source, *, jitter: Callable[[], float] = random.random) -> None:
        self._intake = intake
        self._source = source
        self._jitter = jitter
        self.health = SourceHealth()

    async def run(self) -> None:
        """Never ends by itself: whatever goes wrong is told in `health`, and tried again."""
        failures = 0
        try:
            while True:
                try:
                    await self.read_once()
                    failures = 0
                except AsterError as error:
                    failures += 1
                    self._fail(f"{error.code}: {error.message}", failures)
                except Exception as error:  # noqa: BLE001 - a library's surprise must not end a source for good
                    failures += 1
                    self._fail(f"{type(error).__name__}", failures)
                if failures:
                    pause = min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
                    await asyncio.sleep(pause * (0.5 + self._jitter() / 2))
        finally:
            with suppress(Exception):
                await self._source.close()

    async def read_once(self) -> None:
        """One batch, from the source to durable memories; the position moves only after all of it."""
        name, ledger = self._intake.name, self._intake.ledger
        batch = await self._source.next(await ledger.position(name))
        for item in batch.items:
            self.health.taken += await self._intake.take(item)
        if batch.is_complete:
            await self._intake.forget_missing({item.key: item for item in batch.items})
        await self._finish(batch)

    async def _finish(self, batch: Batch) -> None:
        await self._intake.ledger.reach(self._intake.name, batch.position)
        await self._source.acknowledge(batch)
        health = self.health
        health.is_healthy, health.message, health.last_read_at = True, "ok", datetime.now(UTC)

    def _fail(self, message: str, failures: int) -> None:
        self.health.is_healthy, self.health.message = False, message
        logger.warning("a source can't be read", source=self._intake.name, reason=message, attempt=failures)


Runners = Mapping[str, SourceRunner]
