"""What an engine counts of itself: operations by outcome, how long they took, memories. Plain numbers, one loop."""

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from aster.foundation.errors import AsterError
from aster.foundation.timings import Timings

P = ParamSpec("P")
T = TypeVar("T")

OPERATIONS = ("retain", "recall", "reflect", "history", "forget", "erase")

OK, CANCELLED, CRASHED = "ok", "cancelled", "error"
"""Outcomes beside the codes of our errors, which are classes: there are only so many."""


class Measures:
    """Counted since the engine was made."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.taken: Mapping[str, Timings] = MappingProxyType({name: Timings() for name in OPERATIONS})
        self.personal_data: Counter[str] = Counter()
        self.retained = 0
        self.deduplicated = 0
        self.forgotten = 0

    def add(self, operation: str, outcome: str, nanoseconds: int) -> None:
        self.outcomes[operation, outcome] += 1
        self.taken[operation].add(nanoseconds // 1000)


class Measured(Protocol):
    """What has measures."""

    measures: Measures


M = TypeVar("M", bound=Measured)


def measured(
    operation: str,
) -> Callable[
    [Callable[Concatenate[M, P], Coroutine[Any, Any, T]]], Callable[Concatenate[M, P], Coroutine[Any, Any, T]]
]:
    """Count a method's calls as those of an operation."""

    def around(
        method: Callable[Concatenate[M, P], Coroutine[Any, Any, T]],
    ) -> Callable[Concatenate[M, P], Coroutine[Any, Any, T]]:
        @functools.wraps(method)
        async def call(self: M, /, *args: P.args, **kwargs: P.kwargs) -> T:
            started, outcome = time.perf_counter_ns(), CRASHED
            try:
                result = await method(self, *args, **kwargs)
                outcome = OK
                return result
            except AsterError as error:
                outcome = error.code
                raise
            except asyncio.CancelledError:
                outcome = CANCELLED
                raise
            finally:
                self.measures.add(operation, outcome, time.perf_counter_ns() - started)

        return call

    return around
