"""Hits that differ: maximal marginal relevance (Carbonell & Goldstein, 1998) over a ranked list."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.ranking import Hit
from astrocyte.stores.columns import NOBODY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAME_SESSION = 0.5
"""How alike two turns of one session count without vectors."""


def diversified(index: BankIndex, hits: Sequence[Hit], diversity: float, count: int) -> tuple[Hit, ...]:
    """``count`` of the hits, each chosen for what it scores less what it shares with those chosen before.

    ``diversity`` from 0 (as they were) to 1 (difference alone, after the first). O(hits x count).
    """
    import numpy as np

    scores = np.array([hit.fused for hit in hits], np.float32)
    spread = float(scores.max() - scores.min())
    relevance = (scores - scores.min()) / spread if spread > 0 else np.ones(len(hits), np.float32)
    alike = _likeness(index, [hit.place for hit in hits])
    shared = np.zeros(len(hits), np.float32)
    free = np.ones(len(hits), np.bool_)
    chosen: list[Hit] = []
    for turn in range(min(count, len(hits))):
        worth = relevance if turn == 0 else (1 - diversity) * relevance - diversity * shared
        best = int(np.argmax(np.where(free, worth, -np.inf)))
        free[best] = False
        chosen.append(hits[best])
        shared = np.maximum(shared, alike[best])
    return tuple(chosen)


def _likeness(index: BankIndex, places: Sequence[int]) -> "NDArray[np.float32]":
    """Cosines between places; without vectors, whether they are of one session."""
    import numpy as np

    if index.vectors is not None:
        vectors = index.vectors.at(places)
        # vecdot and not @, which wakes threads of its own
        return np.asarray(np.vecdot(vectors[:, None], vectors), dtype=np.float32)
    sessions = index.sessions[list(places)]
    same = (sessions[:, None] == sessions[None, :]) & (sessions[:, None] != NOBODY)
    return np.where(same, np.float32(SAME_SESSION), np.float32(0))
