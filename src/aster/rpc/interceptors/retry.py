"""Trying again: idempotent unary calls only, with growing pauses, within the deadline and a budget. A client's.

The budget is gRPC's retry throttling (proposal A6): every failed try costs a token, every success gives a part of one
back, and below half there are no more tries. When a server is down, retries stop instead of doubling its load.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aster.foundation.errors import ConfigError
from aster.rpc.context import ATTEMPT
from aster.rpc.interception import ClientCall, Proceed
from aster.rpc.interceptors.rate_limit import RETRY_AFTER
from aster.rpc.patterns import Pattern
from aster.rpc.status import RpcError, StatusCode

Sleep = Callable[[float], Awaitable[Any]]


class Backoff:
    """Pauses in seconds: ``initial`` times ``multiplier`` to the power of tries, at most ``maximum``, give or take
    ``jitter`` (0.2: up to a fifth), so that clients that failed together don't come back together."""

    def __init__(
        self, initial: float = 0.1, maximum: float = 5.0, multiplier: float = 2.0, jitter: float = 0.2
    ) -> None:
        if not 0 < initial <= maximum or multiplier < 1 or not 0 <= jitter <= 1:
            raise ConfigError("Backoff: 0 < initial <= maximum, multiplier from 1, jitter from 0 to 1")
        self._initial = initial
        self._maximum = maximum
        self._multiplier = multiplier
        self._jitter = jitter

    def seconds(self, attempt: int) -> float:
        """The pause after so many tries."""
        pause = min(self._maximum, self._initial * self._multiplier ** min(attempt - 1, 64))
        return pause * random.uniform(1 - self._jitter, 1 + self._jitter)  # noqa: S311  # spreads load, guards nothing


class RetryBudget:
    """Tokens that failures cost; no retries while half of them or more are gone."""

    def __init__(self, tokens: float = 10.0, give_back: float = 0.1) -> None:
        if not tokens > 0 or not give_back > 0:
            raise ConfigError("RetryBudget: tokens and give_back must be above 0")
        self._most = self._tokens = tokens
        self._give_back = give_back

    def failed(self) -> None:
        self._tokens = max(0.0, self._tokens - 1)

    def succeeded(self) -> None:
        self._tokens = min(self._most, self._tokens + self._give_back)

    @property
    def allows(self) -> bool:
        """Is there enough left to try again?"""
        return self._tokens > self._most / 2


class Retry:
    """Up to ``attempts`` tries of calls whose method is ``idempotent``, when they fail with one of ``codes``.

    A server's ``details['retry_after_ms']`` takes the place of a shorter pause. A pause that would outlast the deadline
    is not begun: the error comes at once.
    """

    def __init__(
        self,
        attempts: int = 3,
        *,
        codes: Collection[StatusCode] = (StatusCode.UNAVAILABLE,),
        backoff: Backoff | None = None,
        budget: RetryBudget | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if attempts < 1:
            raise ConfigError(f"Retry: attempts must be at least 1, got {attempts}")
        self._attempts = attempts
        self._codes = frozenset(codes)
        self._backoff = backoff or Backoff()
        self._budget = budget or RetryBudget()
        self._sleep = sleep

    async def __call__(self, call: ClientCall, request: Any, proceed: Proceed) -> Any:
        if call.pattern is not Pattern.UNARY or not call.idempotent:
            return await proceed(request)
        while True:
            try:
                reply = await proceed(request)
            except RpcError as error:
                if error.status not in self._codes:
                    raise
                pause = self._pause(call, error)
                if pause is None:
                    raise
            else:
                self._budget.succeeded()
                return reply
            await self._sleep(pause)
            call.attempt += 1
            call.metadata[ATTEMPT] = str(call.attempt)

    def _pause(self, call: ClientCall, error: RpcError) -> float | None:
        """Seconds until the next try; None when there is none."""
        self._budget.failed()
        if call.attempt >= self._attempts or not self._budget.allows:
            return None
        pause = max(self._backoff.seconds(call.attempt), _asked_for(error))
        left = call.remaining_seconds
        return pause if left is None or pause < left else None


def _asked_for(error: RpcError) -> float:
    word = error.details.get(RETRY_AFTER, "")
    return int(word) / 1000 if word.isascii() and word.isdigit() and len(word) < 10 else 0.0
