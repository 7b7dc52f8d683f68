"""A histogram of durations: small, mergeable, with percentiles that are at most an eighth too high.

A duration's class is its highest bit and the three after it, as in HdrHistogram: classes grow with what they hold, so
microseconds and minutes fit side by side in some hundred of them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

FINE_BITS = 3
_FINE = 1 << FINE_BITS


def class_of(micros: int) -> int:
    """The class that a duration belongs to; below 16 each has its own."""
    shift = max(0, micros.bit_length() - FINE_BITS - 1)
    return shift * _FINE + (micros >> shift)


def most_of(duration_class: int) -> int:
    """The longest duration of a class."""
    shift = max(0, duration_class // _FINE - 1)
    return ((duration_class - shift * _FINE + 1) << shift) - 1


def percentile(histogram: Mapping[int, int], share: float) -> int | None:
    """The duration that ``share`` (0 to 1) of all do not exceed; None when there are none."""
    total = sum(histogram.values())
    wanted, seen = share * total, 0
    for found in sorted(histogram):
        seen += histogram[found]
        if seen >= wanted and seen:
            return most_of(found)
    return None


def merged(histograms: Iterable[Mapping[int, int]]) -> Counter[int]:
    whole: Counter[int] = Counter()
    for histogram in histograms:
        whole.update(histogram)
    return whole
