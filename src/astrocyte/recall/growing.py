"""An array that grows at its end while older views of it stay as they were."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Growing:
    """Rows of one dtype and shape. `view` of the first n rows never changes; room is doubled, so a row costs O(1)."""

    def __init__(self, dtype: Any, shape: tuple[int, ...] = ()) -> None:
        import numpy as np

        self._rows: NDArray[Any] = np.empty((0, *shape), dtype=dtype)
        self.length = 0

    def extend(self, rows: "NDArray[Any]") -> None:
        import numpy as np

        needed = self.length + len(rows)
        if needed > len(self._rows):
            roomier = np.empty((max(needed, 2 * len(self._rows), 64), *self._rows.shape[1:]), dtype=self._rows.dtype)
            roomier[: self.length] = self._rows[: self.length]
            self._rows = roomier
        self._rows[self.length : needed] = rows
        self.length = needed

    def view(self) -> "NDArray[Any]":
        return self._rows[: self.length]

    @property
    def nbytes(self) -> int:
        return int(self._rows.nbytes)
