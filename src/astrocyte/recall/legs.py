"""The kinds of evidence: shared words (BM25), close meaning (cosine), the turns around it, its session, its speaker.

BM25 is Robertson & Zaragoza's (2009) with k1 = 1.2 and b = 0.75 and the idf that can't be negative. The shares and
weights were chosen on one half of LoCoMo's conversations and checked on the other (``benchmarks/memory``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from astrocyte.moments import microseconds
from astrocyte.recall.bank_index import NOBODY, BankIndex
from astrocyte.text.dates import asked_mark, spans
from astrocyte.text.terms import mark_term, query_terms, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

K1, B = 1.2, 0.75
OTHERS = 100
"""Memories that are imagined to hold none of the question's words when coverage is weighed: in a bank of three, that a
word is in all of them does not make it a common word.
"""


@dataclass(frozen=True, slots=True)
class Keywords:
    """``scores`` is BM25 at every place; ``coverage`` the share of the question's weight (idf) that a place holds."""

    scores: "NDArray[np.float32]"
    coverage: "NDArray[np.float32]"


def keyword_scores(index: BankIndex, query: str) -> Keywords:
    """Evidence from shared words. A word the bank does not know counts against every place's coverage."""
    import numpy as np

    scores = np.zeros(index.size, np.float32)
    covered = np.zeros(index.size, np.float32)
    total_weight = 0.0
    alive = index.living
    damping = (K1 * (1 - B)) + (K1 * B / max(index.mean_length, 1e-9)) * index.lengths
    for term in query_terms(query):
        documents, counts = index.postings.find(term)
        if alive < index.size:
            living = index.alive[documents]
            documents, counts = documents[living], counts[living]
        weight = math.log(1 + (alive - len(documents) + 0.5) / (len(documents) + 0.5))
        known = math.log(1 + (alive + OTHERS - len(documents) + 0.5) / (len(documents) + 0.5))
        total_weight += known
        scores[documents] += (weight * (K1 + 1)) * counts / (counts + damping[documents])
        covered[documents] += known
    return Keywords(scores, covered / total_weight if total_weight else covered)


@dataclass(frozen=True, slots=True)
class Closeness:
    """The cosine at every place, NaN where it is not known.

    ``mean`` and ``spread`` are those of all places, when the known ones are chosen for being high.
    """

    cosines: "NDArray[np.float32]"
    mean: float | None = None
    spread: float | None = None

    def standardised(self, mask: "NDArray[np.bool_]") -> "NDArray[np.float32]":
        """As `standardised`; what is not known counts as average."""
        import numpy as np

        if self.mean is None or self.spread is None:
            return standardised(self.cosines, mask)
        result = (self.cosines - self.mean) / max(self.spread, 1e-9)
        result[~mask | np.isnan(self.cosines)] = 0.0
        return np.asarray(result, dtype=np.float32)


def scanned(
    index: BankIndex, vector: "NDArray[np.float32]", mask: "NDArray[np.bool_]", words: "NDArray[np.float32]"
) -> Closeness | None:
    """The vector leg of a bank whose vectors are in this process; None for one without vectors."""
    cosines = semantic_scores(index, vector)
    return None if cosines is None else Closeness(cosines)


def semantic_scores(index: BankIndex, vector: "NDArray[np.float32]") -> "NDArray[np.float32] | None":
    """The cosine at every place, NaN at those without a vector; None in a bank without vectors."""
    import numpy as np

    if index.vectors is None:
        return None
    # einsum and not @: BLAS wakes its own threads, which from a worker thread costs 8 ms where the product takes 0.5;
    # for one vector memory is the limit, and one thread reaches it.
    scores: NDArray[np.float32] = np.einsum("ij,j->i", index.vectors, vector)
    scores[~index.has_vector] = np.nan
    return scores


def standardised(scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]") -> "NDArray[np.float32]":
    """How many standard deviations above the mean of the admitted places; 0 where unknown or where all are alike."""
    import numpy as np

    known = mask & ~np.isnan(scores)
    chosen = scores[known]
    spread = float(chosen.std()) if len(chosen) else 0.0
    if spread < 1e-9:
        return np.zeros_like(scores)
    result = (scores - float(chosen.mean())) / spread
    result[~known] = 0.0
    return np.asarray(result, dtype=np.float32)


def neighbour_gain(
    index: BankIndex, scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]", shares: Sequence[float]
) -> "NDArray[np.float32]":
    """What a turn inherits of admitted turns of its session: ``shares[0]`` of the scores next to it, and so on."""
    import numpy as np

    gain = np.zeros_like(scores)
    later: NDArray[Any] = np.arange(index.size)
    earlier = later
    for share in shares:
        earlier = index.previous[earlier]
        linked = earlier != NOBODY
        later, earlier = later[linked], earlier[linked]
        both = mask[later] & mask[earlier]
        gain[later[both]] += share * scores[earlier[both]]
        gain[earlier[both]] += share * scores[later[both]]
    return gain


def session_best(index: BankIndex, scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]") -> "NDArray[np.float32]":
    """The highest score among the admitted turns of a place's session; its own when it belongs to none."""
    import numpy as np

    best = scores.copy()
    places = np.flatnonzero(mask & (index.sessions != NOBODY))
    if len(places):
        codes = index.sessions[places]
        highest = np.full(int(codes.max()) + 1, -np.inf, np.float32)
        np.maximum.at(highest, codes, scores[places])
        best[places] = highest[codes]
    return best


MEANT = 1.5
"""How much more a memory that means the date counts than one that was only said then."""


def time_gain(index: BankIndex, query: str) -> "NDArray[np.float32] | None":
    """1 at places that happened when the question asks about, `MEANT` where that is spoken of; None without a date."""
    import numpy as np

    gain: NDArray[np.float32] | None = None
    for span in spans(query):
        if gain is None:
            gain = np.zeros(index.size, np.float32)
        start, end = (microseconds(moment) for moment in span.moments())
        gain[(index.occurred_at >= start) & (index.occurred_at <= end)] = 1.0
        mark = asked_mark(span)
        if mark is not None:
            documents, _ = index.postings.find(mark_term(mark))
            gain[documents] = MEANT
    return gain


def named_speaker(index: BankIndex, query: str) -> "NDArray[np.bool_] | None":
    """The places of the one speaker whom the question names; None when it names none or several."""
    named: set[int] = set()
    for word in words(query):
        named |= index.speaker_words.get(word, frozenset())
    return index.speakers == named.pop() if len(named) == 1 else None


def best_places(scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]", count: int) -> "Sequence[int]":
    """The ``count`` admitted places with the highest scores, best first; the older one first among equals."""
    import numpy as np

    places = np.flatnonzero(mask)
    if len(places) > count:
        cut = np.partition(scores[places], -count)[-count]
        places = places[scores[places] >= cut]
    order = np.lexsort((places, -scores[places]))[:count]
    return [int(place) for place in places[order]]
