"""The kinds of evidence: shared words (BM25), close meaning (cosine), the turns around it, its session, its speaker.

BM25 is Robertson & Zaragoza's (2009) with k1 = 1.2 and b = 0.75 and the idf that can't be negative. The shares and
weights were chosen on one half of LoCoMo's conversations and checked on the other (``benchmarks/memory``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrocyte.moments import microseconds
from astrocyte.recall.bank_index import BankIndex
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
    """``scores`` is BM25 at every place. ``found`` has the places of each of the question's words and its weight (idf).

    ``total`` is the weight of all of them, those included that the bank does not know.
    """

    scores: "NDArray[np.float32]"
    found: "Sequence[tuple[NDArray[np.int32], float]]"
    total: float

    def coverage(self, places: Sequence[int]) -> "NDArray[np.float32]":
        """The share of the question's weight that each place holds."""
        import numpy as np

        wanted, held = np.array(places, np.int32), np.zeros(len(places), np.float32)
        for documents, weight in self.found:
            if len(documents):
                near = np.minimum(np.searchsorted(documents, wanted), len(documents) - 1)
                held[documents[near] == wanted] += np.float32(weight)
        return held / np.float32(self.total) if self.total else held


def keyword_scores(index: BankIndex, query: str) -> Keywords:
    """Evidence from shared words. A word the bank does not know counts against every place's coverage."""
    import numpy as np

    scores = np.zeros(index.size, np.float32)
    found = []
    alive = index.living
    damping = np.float32(K1 * B / max(index.mean_length, 1e-9)) * index.lengths
    damping += np.float32(K1 * (1 - B))
    for term in query_terms(query):
        documents, counts = index.postings.find(term)
        if alive < index.size:
            living = index.alive[documents]
            documents, counts = documents[living], counts[living]
        weight = math.log(1 + (alive - len(documents) + 0.5) / (len(documents) + 0.5))
        known = math.log(1 + (alive + OTHERS - len(documents) + 0.5) / (len(documents) + 0.5))
        places, often = documents.astype(np.intp), counts.astype(np.float32)
        rarely = damping.take(places, mode="clip")  # which needs no look at bounds
        rarely += often
        often *= np.float32(weight * (K1 + 1))
        often /= rarely
        np.add.at(scores, places, often)
        found.append((documents, known))
    return Keywords(scores, found, sum(weight for _, weight in found))


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

        known = mask & ~np.isnan(self.cosines)
        if self.mean is None or self.spread is None:
            return standardised(self.cosines, known)
        result = of_admitted(self.cosines, known, np.float32(self.mean)) - np.float32(self.mean)
        result /= np.float32(max(self.spread, 1e-9))
        return result


EXACT = 20_000
"""Places up to which every cosine is computed; in a larger bank most are estimated from signs."""

RESCORED, RESCORED_SHARE = 1000, 25
"""How many of the most alike have their cosines computed: one place in twenty-five, and no fewer than this."""

LIKELY = 200
"""The keyword leg's best, whose cosines are computed as well."""

SAMPLED = 1000
"""Places spread over the bank that tell what likeness means."""


def scanned(
    index: BankIndex, vector: "NDArray[np.float32]", mask: "NDArray[np.bool_]", words: "NDArray[np.float32]"
) -> Closeness | None:
    """The vector leg of a bank whose vectors are in this process; None for one without vectors.

    Up to `EXACT` places it is exact. Beyond, signs choose the places whose cosine is computed, and the others' is
    estimated, by a line through a sample. A filter takes part in the choice, so none it admits is crowded out.
    """
    import numpy as np

    if index.vectors is None:
        return None
    if index.size <= EXACT:
        return Closeness(of_admitted(index.vectors.cosines(vector), index.has_vector, np.float32(np.nan)))
    seen = mask & index.has_vector
    places = np.flatnonzero(seen)
    rescored = max(RESCORED, len(places) // RESCORED_SHARE)
    if len(places) <= rescored:
        cosines = np.full(index.size, np.nan, np.float32)
        cosines[places] = index.vectors.cosines_at(places, vector)
        return Closeness(cosines)
    alike = index.vectors.likeness(vector)
    sample = places[:: max(1, len(places) // SAMPLED)]
    known, sampled = index.vectors.cosines_at(sample, vector), alike[sample].astype(np.float32)
    mean, spread = float(known.mean()), float(known.std())
    slope = float(((sampled - sampled.mean()) * (known - mean)).mean()) / max(float(sampled.var()), 1e-9)
    cosines = alike * np.float32(slope)
    cosines += np.float32(mean - slope * float(sampled.mean()))
    if len(places) < index.size:
        cosines[~seen] = np.nan
        alike[~seen] = 0
    likely = np.array(best_places(words, seen & (words > 0), LIKELY), np.int64)
    chosen = np.concatenate([np.flatnonzero(alike >= _most(alike, rescored)), likely])
    cosines[chosen] = index.vectors.cosines_at(chosen, vector)
    return Closeness(cosines, mean, spread)


def settle(index: BankIndex, close: Closeness, vector: "NDArray[np.float32]", places: Sequence[int]) -> None:
    """Put computed cosines in the place of estimated ones."""
    import numpy as np

    if index.vectors is not None and index.size > EXACT:
        chosen = np.array(places, np.int64)
        chosen = chosen[index.has_vector[chosen]]
        close.cosines[chosen] = index.vectors.cosines_at(chosen, vector)


def _most(counts: "NDArray[np.uint16]", wanted: int) -> int:
    """The number that about ``wanted`` of the counts reach, and no fewer."""
    import numpy as np

    reaching = np.cumsum(np.bincount(counts)[::-1])
    return len(reaching) - 1 - int(np.searchsorted(reaching, wanted))


LEAST_SPREAD = 1e-9
"""Scores that differ by less are all alike."""


def standardised(scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]") -> "NDArray[np.float32]":
    """How many standard deviations above the mean of the admitted places; 0 elsewhere, and where all are alike."""
    import numpy as np

    result, spread = centred(scores, mask)
    result *= 1 / spread if spread > LEAST_SPREAD else np.float32(0)
    return result


def centred(scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]") -> "tuple[NDArray[np.float32], np.float32]":
    """How far above the mean of the admitted places, 0 elsewhere; and the standard deviation of those places."""
    import numpy as np

    count = max(1, int(np.count_nonzero(mask)))
    seen = of_admitted(scores, mask, np.float32(0))
    result = seen - np.float32(np.add.reduce(seen) / count)
    if count < len(scores):
        result *= mask
    return result, np.sqrt(np.vecdot(result, result) / np.float32(count))


def spread_of(scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]") -> "np.float32":
    """The standard deviation of the admitted places' scores."""
    return centred(scores, mask)[1]


def of_admitted(
    scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]", otherwise: "np.float32"
) -> "NDArray[np.float32]":
    """The scores of the places that may be seen: most often all of them, and then nothing is copied."""
    import numpy as np

    return scores if mask.all() else np.where(mask, scores, otherwise)


def neighbour_gain(
    index: BankIndex, scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]", shares: Sequence[float]
) -> "NDArray[np.float32]":
    """What a turn inherits of admitted turns of its session: ``shares[0]`` of the scores next to it, and so on."""
    import numpy as np

    return index.structure.neighbour_gain(of_admitted(scores, mask, np.float32(0)), shares)


def session_best(index: BankIndex, scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]") -> "NDArray[np.float32]":
    """The highest score among the admitted turns of a place's session; its own when it belongs to none."""
    import numpy as np

    best = index.structure.session_best(of_admitted(scores, mask, np.float32(-np.inf)))
    return best if mask.all() else np.where(mask, best, scores)


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


BLOCK = 256


def best_places(scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]", count: int) -> "list[int]":
    """The ``count`` admitted places with the highest scores, best first; the older one first among equals."""
    import numpy as np

    seen = of_admitted(scores, mask, np.float32(-np.inf))
    if len(seen) > count:
        # As many blocks have a place that reaches the cut: a bound that costs one look at every score.
        is_long = len(seen) > BLOCK * count
        tops = np.maximum.reduceat(seen, np.arange(0, len(seen), BLOCK)) if is_long else seen
        cut = np.partition(tops, -count)[-count]
        places = np.flatnonzero(seen >= cut)
        places = places[mask[places]]  # fewer may be admitted than there are to be found
    else:
        places = np.flatnonzero(mask)
    order = np.argsort(-scores[places], kind="stable")[:count]
    found: list[int] = places[order].tolist()
    return found
