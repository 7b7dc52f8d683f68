"""Counting how long things take at next to no cost: plain numbers, made into a histogram when somebody asks.

A duration's bucket is the number of its bits, so buckets double: one index and two additions for each duration (some
60 ns), where a histogram that locks and looks for its labels takes microseconds.
"""

from collections.abc import Sequence
from itertools import accumulate

BUCKETS = 64
SHOWN = range(3, 25)
"""What a histogram shows: from 8 microseconds to 17 seconds, and all."""


class Timings:
    """Durations in whole microseconds, below 2^63. Counted on one thread, read from any."""

    __slots__ = ("buckets", "micros")

    def __init__(self) -> None:
        self.buckets = [0] * BUCKETS
        self.micros = 0

    def add(self, micros: int) -> None:
        self.buckets[micros.bit_length()] += 1
        self.micros += micros

    @property
    def count(self) -> int:
        return sum(self.buckets)

    def cumulative(self) -> Sequence[tuple[str, int]]:
        """For each edge in seconds how many durations were no longer, as Prometheus wants it."""
        sums = list(accumulate(self.buckets))
        edges = [(f"{(1 << bits) / 1e6:g}", sums[bits]) for bits in SHOWN]
        return [*edges, ("+Inf", sums[-1])]
