"""A hybrid logical clock: wall-clock milliseconds that never run backwards and are always past what was seen.

64-bit numbers, milliseconds since 1970 in the upper 48 bits, a counter in the lower 16 (Kulkarni et al., "Logical
Physical Clocks", 2014). A write that follows another one, here or through messages, has the larger number; writes that
know nothing of each other are ordered by time.
"""

import time
from collections.abc import Callable

COUNTER_BITS = 16
MAX_CLOCK = 2**63 - 1


def milliseconds_now() -> int:
    """Wall-clock milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class HybridClock:
    """The clock of one document at one replica."""

    def __init__(self, seen: int = 0, now: Callable[[], int] = milliseconds_now) -> None:
        self._seen = seen
        self._now = now

    def tick(self) -> int:
        """The number of a new write."""
        self._seen = max(self._seen + 1, self._now() << COUNTER_BITS)
        return self._seen

    def see(self, clock: int) -> None:
        """Another replica's number: the next of ours is larger."""
        self._seen = max(self._seen, clock)

    def is_ahead(self, clock: int, allowed_seconds: float) -> bool:
        """Is a number further in the future than clocks may differ?"""
        return (clock >> COUNTER_BITS) > self._now() + allowed_seconds * 1000

    def before(self, seconds: float) -> int:
        """The number of the moment that was so long ago."""
        return max(0, int(self._now() - seconds * 1000)) << COUNTER_BITS
