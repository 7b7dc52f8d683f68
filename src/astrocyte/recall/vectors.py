"""A bank's vectors in memory: 8 bits a dimension with a scale a row, and 2 bits a dimension to choose by.

A row is kept to about 0.4 % of its largest number, which moves a cosine in the third decimal at most; the vectors
themselves stay in the store. A whole scan costs a conversion and a product, in blocks that stay in the processor's
cache. Comparing sketches costs a quarter of that and says which places are worth the product (`astrocyte.recall.legs`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from astrocyte.recall.growing import Growing
from astrocyte.stores.columns import WORD, Columns, sketched

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 512
"""Rows converted at once: a megabyte as float32 at 384 dimensions."""


SKETCHES = 65_536
"""Places whose sketches are compared at once."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The first rows of a growing set. A place without a vector has a scale of 0.

    ``sketches`` are the words of `astrocyte.stores.columns.sketched`, an array of all places for each.
    """

    rows: "NDArray[np.int8]"
    scales: "NDArray[np.float32]"
    sketches: "Sequence[NDArray[np.uint64]]"

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

        found: NDArray[np.float32] = np.vecdot(self.rows[places].astype(np.float32), vector)
        return found * self.scales[places]

    def at(self, places: Sequence[int]) -> "NDArray[np.float32]":
        """The vectors at some places."""
        import numpy as np

        return np.asarray(self.rows[places] * self.scales[places, None], np.float32)

    def agreement(self, vector: "NDArray[np.float32]") -> "NDArray[np.uint16]":
        """How alike the sketches of every place and of a vector are, from 0 to 18 times the dimension.

        The product of two levels (twice a high bit plus a low one, each 1 or -1) is a sum of four products of bits, and
        a sum of those the number of dimensions less twice the number in which the bits differ.
        """
        import numpy as np

        words = len(self.sketches) // 2
        asked = [np.uint64(word) for word in sketched(vector[None])[0].tolist()]
        found = np.empty(len(self.rows), np.uint16)
        # What is in between is written to the same memory again and again: new memory costs more than the arithmetic.
        differing = np.empty(SKETCHES, np.uint64)
        counts, twice = np.empty(SKETCHES, np.uint8), np.empty(SKETCHES, np.uint8)
        for start in range(0, len(found), SKETCHES):
            total = found[start : start + SKETCHES]
            total[:] = 0
            bits, count, double = differing[: len(total)], counts[: len(total)], twice[: len(total)]
            for number, plane in enumerate(self.sketches):
                word, at = plane[start : start + SKETCHES], number % words
                np.bitwise_count(np.bitwise_xor(word, asked[at], out=bits), out=double)
                np.bitwise_count(np.bitwise_xor(word, asked[words + at], out=bits), out=count)
                np.add(np.add(double, double, out=double), count, out=double)
                np.add(total, double, out=total)
                if number == words - 1:  # the high bits' sum counts twice
                    np.add(total, total, out=total)
            np.subtract(np.uint16(18 * self.rows.shape[1]), np.add(total, total, out=total), out=total)
        return found


class GrowingVectors:
    """Takes rows at its end while older `Vectors` of it stay as they were."""

    def __init__(self, dimension: int, *, room: int = 0) -> None:
        import numpy as np

        self.dimension = dimension
        self._rows = Growing(np.int8, (dimension,), room=room)
        self._scales = Growing(np.float32, room=room)
        self._sketches = [Growing(np.uint64, room=room) for _ in range(2 * -(-dimension // WORD))]

    def skip(self, places: int) -> None:
        """Add places without a vector."""
        import numpy as np

        self._rows.extend(np.zeros((places, self.dimension), np.int8))
        self._scales.extend(np.zeros(places, np.float32))
        for plane in self._sketches:
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
            yield from zip(self._sketches, columns.sketches.T, strict=True)

    def view(self) -> Vectors:
        return Vectors(self._rows.view(), self._scales.view(), [plane.view() for plane in self._sketches])

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + self._scales.nbytes + sum(plane.nbytes for plane in self._sketches)
