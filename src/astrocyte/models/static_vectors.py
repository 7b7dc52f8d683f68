"""``wordllama``'s static word vectors: 256 dimensions, no neural network at query time, weights inside the package."""

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aster.foundation.extras import load_extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL_ID = "wordllama-l2-supercat-256"
DIMENSION = 256


def is_installed() -> bool:
    return importlib.util.find_spec("wordllama") is not None


class WordLlamaVectors:
    """An `EmbeddingProvider` that is thirty times quicker than MiniLM and finds a little less."""

    model_id = MODEL_ID
    dimension = DIMENSION

    def __init__(self) -> None:
        package = load_extra("wordllama", extra="memory")
        self._model = package.WordLlama.load(dim=DIMENSION, disable_download=True)

    def embed(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Unit vectors ``(len(texts), 256)``."""
        import numpy as np

        return np.asarray(self._model.embed(list(texts), norm=True), dtype=np.float32)
