"""The question's words beside each text's: late interaction (Khattab & Zaharia, ColBERT, 2020) over kept word vectors.

For each word of the question the most alike word of a text, in its context: "activities" finds the turn about a pottery
class. It is asked only of what looks likely, and told in standard deviations of those.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from astrocyte.models.word_vectors import BYTES, ONE_THREAD, unpack_words
from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.held_words import KeptWords

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANDIDATES = 200
"""Places that are compared word by word."""

LEAST = 2
"""Fewer than this have no standard deviation."""

FEW = 30
"""Of so many the deviations are believed by half: among a handful of texts some word always stands out."""

COMPARED_BYTES = 512 * 1024
"""Packed words that are unpacked at once: four megabytes as float32."""


class Wording:
    """One question's words, and where those of passages are kept."""

    def __init__(self, asked: bytes, kept: KeptWords) -> None:
        self._asked = asked
        self._kept = kept

    def scores(self, index: BankIndex, places: Sequence[int]) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
        """Those of the places that have words, and how well each fits, in standard deviations above their mean."""
        import numpy as np

        packed = index.words.of(index, places, self._kept) if self._asked else []
        told = [place for place, words in zip(places, packed, strict=False) if words]
        if len(told) < LEAST:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        asked = unpack_words(self._asked)
        closest = np.concatenate([_closest(asked, part) for part in _parts([words for words in packed if words])], 1)
        # A word that every text comes near tells little, one that few come near tells much.
        total = _standardised(closest).sum(axis=0)
        certain = len(told) / (len(told) + FEW)
        return np.array(told, np.int64), _standardised(total) * np.float32(certain)


def _parts(packed: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Texts' words in runs of about `COMPARED_BYTES`: a text may be long, and they are many."""
    start, size = 0, 0
    for place, words in enumerate(packed):
        size += len(words)
        if size >= COMPARED_BYTES:
            yield packed[start : place + 1]
            start, size = place + 1, 0
    if start < len(packed):
        yield packed[start:]


def _closest(asked: "NDArray[np.float32]", packed: Sequence[bytes]) -> "NDArray[np.float32]":
    """How near each text comes to each word that is asked for, ``(words asked for, texts)``."""
    import numpy as np

    starts = np.cumsum([0, *map(len, packed[:-1])]) // BYTES
    words = unpack_words(b"".join(packed))
    alike = np.empty((len(asked), len(words)), np.float32)
    step = max(1, ONE_THREAD // asked.size)
    for start in range(0, len(words), step):
        np.matmul(asked, words[start : start + step].T, out=alike[:, start : start + step])
    return np.asarray(np.maximum.reduceat(alike, starts, axis=1), np.float32)


def _standardised(values: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """In standard deviations above the mean of each row."""
    import numpy as np

    centred: NDArray[np.float32] = values - values.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True))
    return np.asarray(centred / np.maximum(spread, np.float32(1e-6)), np.float32)
