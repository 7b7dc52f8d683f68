"""Rates: how much may pass now, and how long to wait otherwise."""

import time
from collections.abc import Callable

Clock = Callable[[], float]


class Meter:
    """A token bucket that may go into debt; the debt is the time to wait."""

    def __init__(self, per_second: float, burst_seconds: float, clock: Clock = time.monotonic) -> None:
        self._per_second = per_second
        self._most = per_second * burst_seconds
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def spend(self, amount: int) -> float:
        """Spend ``amount``; returns the seconds after which the debt is paid, 0 when there is none."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second) - amount
        self._at = now
        return max(0.0, -self._left / self._per_second)

    def allows(self, amount: int) -> bool:
        """Spend ``amount`` if that makes no debt; False when it would."""
        if self.spend(amount) == 0:
            return True
        self._left += amount
        return False
