"""Scores that mean something by themselves: 0 for nothing in common, 1 for a match beyond doubt.

Ranking standardises scores within a bank, so its best hit always looks good. What a caller sees is computed from
absolute evidence instead: the share of the question's words a memory holds, and the cosine, which for the default
model lies around 0.1 between unrelated texts and above 0.7 between paraphrases.
"""

from collections.abc import Sequence

COSINE_OF_NOTHING = 0.15
COSINE_OF_CERTAINTY = 0.80
COVERAGE_POWER = 1.5
HOPELESS = 0.10
HOPELESS_BY_WORDS = 0.03
"""A question whose best hit stays below this has no answer in the bank: nothing is returned. Without vectors a single
shared word is all there may be, so less is asked."""


def confidence(coverage: float, cosine: float | None) -> float:
    """0..1 from two kinds of evidence, either of which is enough (noisy or)."""
    by_words: float = min(1.0, max(0.0, coverage)) ** COVERAGE_POWER
    if cosine is None:
        return by_words
    by_meaning = (cosine - COSINE_OF_NOTHING) / (COSINE_OF_CERTAINTY - COSINE_OF_NOTHING)
    return 1.0 - (1.0 - by_words) * (1.0 - min(1.0, max(0.0, by_meaning)))


def never_rising(values: Sequence[float]) -> list[float]:
    """The closest sequence (least squares) that never rises: what a ranked list of scores shows.

    Pool adjacent violators (Ayer et al., 1955).
    """
    pools: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while pools and pools[-1][0] / pools[-1][1] < total / count:
            before, size = pools.pop()
            total, count = total + before, count + size
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]
