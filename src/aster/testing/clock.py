"""A clock that only tests turn forward; sleeping code wakes when its time has come, without anybody waiting."""

import asyncio
import time
from types import TracebackType
from typing import Self
from unittest import mock

STEP_SECONDS = 1.0
TURNS = 50
"""Turns of the event loop after each step: enough for a few round trips of a local pair."""


class FakeClock:
    """Within ``with FakeClock() as clock``, `time.monotonic` and asyncio's timers run by this clock.

    It stands still unless `advance` is awaited. That makes deadlines, back-off, rate limits, circuit breakers and
    dead-peer detection testable to the millisecond. For local pairs: a network goes by its own time.
    """

    def __init__(self) -> None:
        self.now = time.monotonic()
        self._patch = mock.patch("time.monotonic", self._time)

    async def advance(self, seconds: float) -> None:
        """Let what is under way come to rest, then let time pass; what waits for a moment runs at that moment.

        Time passes in steps of at most a second.
        """
        until = self.now + seconds
        await _rest()
        while self.now < until:
            self.now = min(until, self.now + STEP_SECONDS)
            await _rest()

    def _time(self) -> float:
        return self.now

    def __enter__(self) -> Self:
        self._patch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patch.stop()


async def _rest() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
