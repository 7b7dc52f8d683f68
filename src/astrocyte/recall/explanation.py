"""Which evidence found a hit: every leg's score and rank, and what it added to the sum."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from astrocyte.memories import LegTrace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 1e-5
"""Less than this is nothing, added or ahead of another: sums are of 32 bits."""


class Stages:
    """The sum of all evidence after each leg, if it is to be told; nothing is kept otherwise."""

    def __init__(self, *, are_kept: bool) -> None:
        self._are_kept = are_kept
        self._sums: list[tuple[str, NDArray[np.float32]]] = []

    def note(self, leg: str, total: "NDArray[np.float32]") -> None:
        if self._are_kept:
            self._sums.append((leg, total.copy()))

    def legs(
        self,
        places: Sequence[int],
        mask: "NDArray[np.bool_]",
        keywords: "NDArray[np.float32]",
        cosines: "NDArray[np.float32] | None",
    ) -> list[tuple[LegTrace, ...]]:
        """For each place the legs that said something of it. Time grows with the bank, times places and legs."""
        import numpy as np

        found: list[list[LegTrace]] = [[] for _ in places]
        before: NDArray[np.float32] | None = None
        own = {"keyword": keywords, "semantic": cosines}
        for leg, total in self._sums:
            added = total if before is None else total - before
            before = total
            raw = own.get(leg)
            scores = added if raw is None else raw
            admitted = scores[mask]
            for place, legs in zip(places, found, strict=True):
                score = float(scores[place])
                if abs(float(added[place])) > LEAST and not np.isnan(score):
                    rank = 1 + int((admitted > score + LEAST).sum())
                    legs.append(LegTrace(leg, rank, round(score, 4), round(float(added[place]), 4)))
        return [tuple(legs) for legs in found]
