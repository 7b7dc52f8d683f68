"""An array that grows at its end while older views of it stay as they were."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Growing:
    """Rows of one dtype and shape. `view` of the first n rows never changes. Room grows by a half, so a row costs O(1).

    ``room`` is how many rows are expected: with it a first load neither copies nor wastes.
    """

    def __init__(self, dtype: Any, shape: tuple[int, ...] = (), *, room: int = 0) -> None:
        import numpy as np

        self._rows: NDArray[Any] = np.empty((room, *shape), dtype=dtype)
        self.length = 0

    def extend(self, rows: "NDArray[Any]") -> None:
        import numpy as np

        needed = self.length + len(rows)
        if needed > len(self._rows):
            roomier = np.empty(
                (max(needed, len(self._rows) * 3 // 2, 64), *self._rows.shape[1:]), dtype=self._rows.dtype
            )
            roomier[: self.length] = self._rows[: self.length]
            self._rows = roomier
        self._rows[self.length : needed] = rows
        self.length = needed

    def view(self) -> "NDArray[Any]":
        return self._rows[: self.length]

    @property
    def nbytes(self) -> int:
        return int(self._rows.nbytes)
