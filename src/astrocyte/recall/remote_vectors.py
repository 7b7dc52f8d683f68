"""The vector leg of a bank whose vectors stay in the database: the nearest by index, the likeliest by words exactly.

Standardising needs the mean and the spread of all cosines: they are those of a sample of the bank that is kept here.
The places that neither leg names count as average, which is what is known of them.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.legs import Closeness, best_places, scanned
from astrocyte.stores.store import Admitted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAREST = 100
"""Passages that are asked of the index: its time grows with them."""

LIKELY = 200
"""Passages of the keyword leg's best."""

FEW = 20
"""When the index finds fewer, the filter goes against the question, and is answered exactly."""

SCANNED = 12_000
"""A filter that admits no more than this is answered exactly: an index would walk past most of what it finds, which is
no quicker and, where near passages are few, finds fewer.
"""

ALL_TOLD = 1000
"""So many cosines are fetched, whatever they are; of more than that only the best."""

SAMPLE = 1000
SAMPLED_BANKS = 64


@runtime_checkable
class VectorSource(Protocol):
    """A store that searches vectors itself."""

    def nearest_rows(
        self, space: tuple[int, int], vector: "NDArray[np.float32]", count: int, admitted: Admitted | None = None
    ) -> list[tuple[int, float]]: ...
    def cosines(
        self, rows: Sequence[int], vector: "NDArray[np.float32]", most: int | None = None
    ) -> list[tuple[int, float]]: ...
    def packed_vectors(self, rows: Sequence[int]) -> dict[int, bytes]: ...


class RemoteVectors:
    """Scores banks in this process where their vectors are here, in the store where they are not. Thread-safe."""

    def __init__(self, source: VectorSource) -> None:
        self._source = source
        self._samples: OrderedDict[tuple[int, int, int], NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(
        self,
        index: BankIndex,
        vector: "NDArray[np.float32]",
        mask: "NDArray[np.bool_]",
        words: "NDArray[np.float32]",
    ) -> Closeness | None:
        """``words`` are the keyword scores, of which the best get exact cosines."""
        import numpy as np

        if index.space is None or not index.is_remote:
            return scanned(index, vector, mask, words)
        cosines = np.full(index.size, np.nan, np.float32)
        admitted = int(mask.sum())
        if admitted <= ALL_TOLD:
            self._fill(index, cosines, np.flatnonzero(mask), vector)
            return Closeness(cosines)
        nearest: list[tuple[int, float]] = []
        if admitted > SCANNED:
            passing = None if admitted == index.living else _admitted(index, mask)
            nearest = self._source.nearest_rows((index.position.bank, index.space.dimension), vector, NEAREST, passing)
            _place(index, cosines, nearest)
        if len(nearest) < FEW:
            self._fill(index, cosines, np.flatnonzero(mask), vector, most=NEAREST)
        likely = np.array(best_places(words, mask & (words > 0) & np.isnan(cosines), LIKELY), np.int64)
        self._fill(index, cosines, likely, vector)
        # vecdot and not @, which wakes threads of its own
        sample = np.vecdot(self._sample(index), vector)
        return Closeness(cosines, float(sample.mean()), float(sample.std()))

    def _fill(
        self,
        index: BankIndex,
        cosines: "NDArray[np.float32]",
        places: "NDArray[np.int64]",
        vector: "NDArray[np.float32]",
        *,
        most: int | None = None,
    ) -> None:
        if len(places):
            _place(index, cosines, self._source.cosines(index.rows[places].tolist(), vector, most))

    def _sample(self, index: BankIndex) -> "NDArray[np.float32]":
        """Vectors spread evenly over a bank's life; taken anew when it has grown by half."""
        import numpy as np

        key = (index.position.bank, index.position.epoch, int(np.log(index.size) / np.log(1.5)))
        with self._lock:
            if key in self._samples:
                self._samples.move_to_end(key)
                return self._samples[key]
        places = np.flatnonzero(index.alive & index.has_vector)
        chosen = places[:: max(1, len(places) // SAMPLE)]
        packed = self._source.packed_vectors([int(row) for row in index.rows[chosen]])
        sample = _unpacked(list(packed.values()), 0 if index.space is None else index.space.dimension)
        with self._lock:
            self._samples[key] = sample
            while len(self._samples) > SAMPLED_BANKS:
                self._samples.popitem(last=False)
        return sample


def _admitted(index: BankIndex, mask: "NDArray[np.bool_]") -> Admitted:
    """A bit for every passage from the bank's first to its last, those of other banks in between included."""
    import numpy as np

    first, last = int(index.rows[0]), int(index.rows[-1])
    bits = np.zeros(last - first + 1, np.bool_)
    bits[index.rows[mask] - first] = True
    return Admitted(first, last, np.packbits(bits, bitorder="little").tobytes())


def _place(index: BankIndex, cosines: "NDArray[np.float32]", found: Sequence[tuple[int, float]]) -> None:
    """Write the cosines of rows at their places; a row that the index does not know yet is left out."""
    import numpy as np

    if not found:
        return
    rows = np.array([row for row, _ in found], np.int64)
    scores = np.array([score for _, score in found], np.float32)
    places = np.minimum(np.searchsorted(index.rows, rows), index.size - 1)
    is_known = index.rows[places] == rows
    cosines[places[is_known]] = scores[is_known]


def _unpacked(packed: Sequence[bytes], dimension: int) -> "NDArray[np.float32]":
    import numpy as np

    return np.frombuffer(b"".join(packed), "<f2").reshape(-1, dimension).astype(np.float32)
