"""How the turns of a bank hang together, in the form in which scores are passed along: worked out once an index.

The turn before a turn is nearly always the place before it, and a session nearly always lies in one piece, so most of
passing on is a sum of shifted arrays and a maximum over runs; what was stored interleaved is gathered place by place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from astrocyte.stores.columns import NOBODY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class _Shift:
    """Turns so many apart in their session: 1 where they are as many places apart, and the pairs that are not."""

    in_row: "NDArray[np.float32]"
    later: "NDArray[np.intp]"
    earlier: "NDArray[np.intp]"


@dataclass(frozen=True, slots=True)
class _Runs:
    """Places of one session side by side: where each run begins, how long it is, whose it is.

    ``sessions`` is None when every session lies in one run; ``loners`` belong to none.
    """

    starts: "NDArray[np.intp]"
    lengths: "NDArray[np.intp]"
    sessions: "NDArray[np.intp] | None"
    loners: "NDArray[np.intp]"


class Structure:
    """``previous`` and ``sessions`` as `astrocyte.recall.bank_index.BankIndex` has them. Never changes."""

    def __init__(self, previous: "NDArray[np.int32]", sessions: "NDArray[np.int32]") -> None:
        self._previous = previous
        self._sessions = sessions
        self._shifts: dict[int, _Shift] = {}

    def neighbour_gain(self, scores: "NDArray[np.float32]", shares: Sequence[float]) -> "NDArray[np.float32]":
        """What a turn inherits of the turns of its session: ``shares[0]`` of the scores next to it, and so on."""
        import numpy as np

        gain = np.zeros_like(scores)
        for distance, share in enumerate(map(np.float32, shares), start=1):
            shift = self._shift(distance)
            if distance < len(scores):
                shared = scores * share
                gain[distance:] += shift.in_row * shared[:-distance]
                gain[:-distance] += shift.in_row * shared[distance:]
            gain[shift.later] += share * scores[shift.earlier]
            gain[shift.earlier] += share * scores[shift.later]
        return gain

    def pass_on(
        self,
        gain: "NDArray[np.float32]",
        places: "NDArray[np.int64]",
        added: "NDArray[np.float32]",
        shares: Sequence[float],
    ) -> None:
        """Bring a `neighbour_gain` up to date after the scores of some places have risen (or fallen) by ``added``."""
        for links in (self._previous, self._following):
            beside, passed = links[places], added
            for share in shares:
                is_there = beside != NOBODY
                beside, passed = beside[is_there], passed[is_there]
                gain[beside] += passed * passed.dtype.type(share)
                beside = links[beside]

    def session_best(self, scores: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """The highest score of a place's session; its own when it belongs to none."""
        import numpy as np

        runs = self._runs
        if not len(scores):
            return scores
        highest = np.maximum.reduceat(scores, runs.starts)
        if runs.sessions is not None:
            of_session = np.full(int(runs.sessions.max()) + 2, -np.inf, np.float32)  # NOBODY (-1) has the last one
            np.maximum.at(of_session, runs.sessions, highest)
            highest = of_session[runs.sessions]
        best = np.repeat(highest, runs.lengths)
        best[runs.loners] = scores[runs.loners]
        return best

    @property
    def nbytes(self) -> int:
        """Of what a search works out, about."""
        return 20 * len(self._previous)

    @cached_property
    def _following(self) -> "NDArray[np.int32]":
        import numpy as np

        following = np.full(len(self._previous), NOBODY, np.int32)
        later = np.flatnonzero(self._previous != NOBODY)
        following[self._previous[later]] = later
        return following

    @cached_property
    def _runs(self) -> _Runs:
        import numpy as np

        sessions = self._sessions
        starts = np.flatnonzero(np.append(True, sessions[1:] != sessions[:-1]))
        codes = sessions[starts].astype(np.intp)
        named = codes[codes != NOBODY]
        is_one_each = len(np.unique(named)) == len(named)
        lengths = np.diff(starts, append=len(sessions))
        return _Runs(starts, lengths, None if is_one_each else codes, np.flatnonzero(sessions == NOBODY))

    def _shift(self, distance: int) -> _Shift:
        found = self._shifts.get(distance)
        if found is None:
            found = self._shifts[distance] = self._found_shift(distance)
        return found

    def _found_shift(self, distance: int) -> _Shift:
        import numpy as np

        previous = self._previous
        is_linked = previous != NOBODY
        is_beside = is_linked & (previous == np.arange(-1, len(previous) - 1, dtype=np.int32))
        in_row = is_beside
        for _ in range(distance - 1):
            in_row = np.concatenate([[False], in_row[:-1]]) & is_beside
        later = np.flatnonzero(is_linked & ~in_row)
        earlier = previous[later]
        for number in range(distance):
            earlier = previous[earlier] if number else earlier
            later, earlier = later[earlier != NOBODY], earlier[earlier != NOBODY]
        return _Shift(in_row[distance:].astype(np.float32), later, earlier.astype(np.intp))
