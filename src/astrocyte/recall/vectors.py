"""A bank's vectors in memory: 8 bits a dimension with a scale a row, and their signs, a bit a dimension, to choose by.

A row is kept to about 0.4 % of its largest number, which moves a cosine in the third decimal at most; the vectors
themselves stay in the store. A whole scan costs a conversion and a product, in blocks that stay in the processor's
cache. Comparing signs costs a tenth of that and says which places are worth the product (`astrocyte.recall.legs`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from astrocyte.recall.growing import Growing
from astrocyte.stores.columns import WORD, Columns, signs_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 512
"""Rows converted at once: a megabyte as float32 at 384 dimensions."""


COMPARED = 16_384
"""Places whose signs are compared at once."""

MIDDLE = 0.98
"""Where small numbers end and large ones begin, in standard deviations: two bits lose the least there (Max, 1960)."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The first rows of a growing set. A place without a vector has a scale of 0.

    ``signs`` are the words of `astrocyte.stores.columns.signs_of`, an array of all places for each.
    """

    rows: "NDArray[np.int8]"
    scales: "NDArray[np.float32]"
    signs: "Sequence[NDArray[np.uint64]]"

    def cosines(self, vector: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """The cosine at every place."""
        import numpy as np

        found = np.empty(len(self.rows), np.float32)
        block = np.empty((BLOCK, self.rows.shape[1]), np.float32)
        for start in range(0, len(found), BLOCK):
            stop = min(start + BLOCK, len(found))
            chosen = block[: stop - start]
            np.copyto(chosen, self.rows[start:stop])
            # vecdot and not @: a matrix product wakes threads of its own, for which a worker thread waits longer than
            # the product takes.
            np.vecdot(chosen, vector, out=found[start:stop])
        found *= self.scales
        return found

    def cosines_at(self, places: "NDArray[np.int64]", vector: "NDArray[np.float32]") -> "NDArray[np.float32]":
        import numpy as np

        chosen = self.rows.take(places, axis=0, mode="clip")  # which needs no look at bounds
        found: NDArray[np.float32] = np.vecdot(chosen.astype(np.float32), vector)
        found *= self.scales[places]
        return found

    def at(self, places: Sequence[int]) -> "NDArray[np.float32]":
        """The vectors at some places."""
        import numpy as np

        return np.asarray(self.rows[places] * self.scales[places, None], np.float32)

    def likeness(self, vector: "NDArray[np.float32]") -> "NDArray[np.uint16]":
        """How alike a vector is to the signs at every place, from 0 to 3 times the dimension.

        The vector is taken in two bits: a number counts 3 where it is large, 1 where it is small, with its sign. That
        is twice a high bit plus a low one, each 1 or -1, so the product with a row of signs is a sum of two products of
        bits, and a product of bits is the number of dimensions less twice the number in which they differ.
        """
        import numpy as np

        is_high = vector > 0
        is_low = is_high == (np.abs(vector) > np.float32(MIDDLE / np.sqrt(max(1, len(vector)))))
        high, low = signs_of(np.stack([is_high, is_low]))
        found = np.full(len(self.rows), 3 * len(vector), np.uint16)
        # What is in between is written to the same memory again and again: new memory costs more than the arithmetic.
        differing = np.empty(COMPARED, np.uint64)
        counts, twice = np.empty(COMPARED, np.uint8), np.empty(COMPARED, np.uint8)
        for start in range(0, len(found), COMPARED):
            total = found[start : start + COMPARED]
            bits, count, double = differing[: len(total)], counts[: len(total)], twice[: len(total)]
            for plane, large, small in zip(self.signs, high, low, strict=True):
                held = plane[start : start + COMPARED]
                np.bitwise_count(np.bitwise_xor(held, large, out=bits), out=double)
                np.bitwise_count(np.bitwise_xor(held, small, out=bits), out=count)
                np.add(np.add(double, double, out=double), count, out=double)
                np.subtract(total, double, out=total)
        return found


class GrowingVectors:
    """Takes rows at its end while older `Vectors` of it stay as they were."""

    def __init__(self, dimension: int, *, room: int = 0) -> None:
        import numpy as np

        self.dimension = dimension
        self._rows = Growing(np.int8, (dimension,), room=room)
        self._scales = Growing(np.float32, room=room)
        self._signs = [Growing(np.uint64, room=room) for _ in range(-(-dimension // WORD))]

    def skip(self, places: int) -> None:
        """Add places without a vector."""
        import numpy as np

        self._rows.extend(np.zeros((places, self.dimension), np.int8))
        self._scales.extend(np.zeros(places, np.float32))
        for plane in self._signs:
            plane.extend(np.zeros(places, np.uint64))

    def extend(self, columns: Columns) -> None:
        """Add the places of some passages; those without a vector get none."""
        if len(columns.vectors) < len(columns):
            first = self._rows.length
            self.skip(len(columns))
            for grown, values in self._pairs(columns):
                grown.view()[first:][columns.has_vector] = values
            return
        for grown, values in self._pairs(columns):
            grown.extend(values)

    def _pairs(self, columns: Columns) -> "Iterator[tuple[Growing, NDArray[Any]]]":
        if len(columns.vectors):
            yield self._rows, columns.vectors
            yield self._scales, columns.scales
            yield from zip(self._signs, columns.signs.T, strict=True)

    def view(self) -> Vectors:
        return Vectors(self._rows.view(), self._scales.view(), [plane.view() for plane in self._signs])

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + self._scales.nbytes + sum(plane.nbytes for plane in self._signs)
