"""Links between memories that name the same thing: what the best of them name lifts the others that name it too.

A question about several memories at once ("which cars has Evan driven?") finds one of them by its words; the name in
it ("Prius") leads to the rest. What the question names itself is the keyword leg's to find. Names are words that are
written with a capital inside a sentence; how rare a name is in the bank decides how much it links. Speakers link
nothing: they are evidence of their own.
"""

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.legs import best_places, standardised
from astrocyte.text.terms import STOP_WORDS, query_terms, term_of, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEEDS = 10
"""The best places so far, whose names are followed."""

COMMON_SHARE = 0.05
"""A name that more than this share of a bank's memories hold tells nothing about any of them."""

_NAME = re.compile(r"(?<=[^.!?:\n\"“”…—–-]) ([A-Z][^\W_]+)")


def named_terms(text: str) -> Iterator[int]:
    """The terms of the names in a text: capitalised words that do not begin a sentence."""
    for found in _NAME.finditer(text):
        for word in words(found[1]):
            if word not in STOP_WORDS:
                yield term_of(word)


def entity_gain(
    index: BankIndex, query: str, scores: "NDArray[np.float32]", mask: "NDArray[np.bool_]"
) -> "NDArray[np.float32]":
    """0..1 at every place: how much of what the best admitted places name, and the question does not, it names too."""
    import numpy as np

    gain = np.zeros_like(scores)
    seeds = best_places(scores, mask, SEEDS)
    if not seeds:
        return gain
    asked, speakers = frozenset(query_terms(query)), index.speaker_terms
    worth: dict[int, float] = {}
    for terms, above in zip(index.names_at(seeds), standardised(scores, mask)[seeds].tolist(), strict=True):
        for term in terms:
            if term not in asked and term not in speakers:
                worth[term] = worth.get(term, 0.0) + max(0.0, above)
    for term, documents in index.postings.find_each(list(worth)).items():
        holders = documents[mask[documents]]
        if 2 <= len(holders) <= max(2.0, COMMON_SHARE * index.living):
            gain[holders] += worth[term] * math.log(index.living / len(holders))
    highest = float(gain.max())
    return gain / highest if highest > 0 else gain
