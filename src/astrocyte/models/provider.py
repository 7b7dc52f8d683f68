"""What an embedding model is to the engine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vectors = "NDArray[np.float32]"


class EmbeddingProvider(Protocol):
    """Turns texts into unit vectors. ``model_id`` names the space they lie in: spaces are never mixed in one bank.

    `embed` blocks, may be called from several threads at once, and returns ``(len(texts), dimension)`` float32 rows
    of length 1.
    """

    @property
    def model_id(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> "NDArray[np.float32]": ...
