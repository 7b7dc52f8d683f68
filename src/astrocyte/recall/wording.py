"""The question's words beside each text's: late interaction (Khattab & Zaharia, ColBERT, 2020) over kept word vectors.

For each word of the question the most alike word of a text, in its context: "activities" finds the turn about a pottery
class. It is asked only of what looks likely, and told in standard deviations of those.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from astrocyte.models.word_vectors import BYTES, unpack_words
from astrocyte.recall.bank_index import BankIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANDIDATES = 200
"""Places that are compared word by word."""

LEAST = 2
"""Fewer than this have no standard deviation."""

FEW = 30
"""Of so many the deviations are believed by half: among a handful of texts some word always stands out."""

KeptWords = Callable[[int, Sequence[int]], Mapping[int, bytes]]
"""From a bank's number and rows, the packed words of those that have some."""


class Wording:
    """One question's words, and where those of passages are kept."""

    def __init__(self, asked: bytes, kept: KeptWords) -> None:
        self._asked = asked
        self._kept = kept

    def scores(self, index: BankIndex, places: Sequence[int]) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
        """Those of the places that have words, and how well each fits, in standard deviations above their mean."""
        import numpy as np

        told = self._told(index, places) if self._asked else {}
        if len(told) < LEAST:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        asked = unpack_words(self._asked)
        words = unpack_words(b"".join(told.values()))
        starts = np.cumsum([0, *map(len, told.values())][:-1]) // BYTES
        total = np.zeros(len(told), np.float32)
        for word in asked:
            # A word that every text comes near tells little, one that few come near tells much.
            total += _standardised(np.maximum.reduceat(np.vecdot(words, word), starts))
        certain = len(told) / (len(told) + FEW)
        return np.array(list(told), np.int64), _standardised(total) * np.float32(certain)

    def _told(self, index: BankIndex, places: Sequence[int]) -> dict[int, bytes]:
        rows = index.rows[places].tolist()
        kept = self._kept(index.position.bank, rows)
        return {place: packed for place, row in zip(places, rows, strict=True) if (packed := kept.get(row))}


def _standardised(values: "NDArray[np.float32]") -> "NDArray[np.float32]":
    import numpy as np

    centred: NDArray[np.float32] = values - values.mean()
    return np.asarray(centred / np.maximum(centred.std(), np.float32(1e-6)), np.float32)
