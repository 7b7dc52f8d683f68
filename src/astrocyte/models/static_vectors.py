"""``wordllama``'s static word vectors: 256 dimensions, no neural network at query time, weights inside the package."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
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
        # Its own folder as the "cache": some versions look for their tokenizer in another folder than they ship it in.
        home = Path(str(package.__file__)).parent
        self._model = package.WordLlama.load(dim=DIMENSION, cache_dir=home, disable_download=True)

    def embed(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Unit vectors ``(len(texts), 256)``; zeros for a text without a word."""
        import numpy as np

        if not texts:
            return np.empty((0, DIMENSION), np.float32)
        vectors = np.asarray(self._model.embed(list(texts)), dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
