"""Which embedding model is used: the one that is configured, or the best whose weights are installed.

``auto`` goes down the ladder: MiniLM, the light static vectors of ``wordllama``, none (keywords alone). Nothing is ever
downloaded here; `astrocyte model prepare` does that.
"""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from aster.foundation.errors import MissingExtra, StorageUnwritable
from aster.foundation.logs import get_logger
from astrocyte.models import minilm, static_vectors
from astrocyte.models.kept_files import cache_directory
from astrocyte.models.provider import EmbeddingProvider

logger = get_logger("astrocyte.models")

_HINTS = MappingProxyType(
    {
        "minilm": "pip install 'aster-platform[memory]', run `astrocyte model prepare` once",
        "wordllama": "pip install wordllama",
    }
)
PREPARE_HINT = f"{_HINTS['minilm']}, or set embedding.provider: none"


def _minilm(cache: Path | None) -> EmbeddingProvider | None:
    """From the prepared file; where there is none but the weights are installed, that is made now."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    if (file := minilm.find_model(cache)) is not None:
        return minilm.MiniLm(file)
    from astrocyte.models.preparing import converted, prepare_model
    from astrocyte.models.weights import installed_weights

    if (weights := installed_weights()) is None:
        return None
    try:
        return minilm.MiniLm(prepare_model(cache or cache_directory(), weights, tell=logger.info))
    except StorageUnwritable as error:
        logger.warning("the converted model can't be kept", reason=error.message)
        return minilm.MiniLm(converted(weights, tell=logger.info))


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
            raise MissingExtra(f"the model of embedding.provider '{name}' is not here", hint=_HINTS[name])
        return provider
    for rung in _RUNGS.values():
        provider = rung(cache)
        if provider is not None:
            return provider
    logger.warning("no embedding model is installed: recall goes by keywords alone", hint=PREPARE_HINT)
    return None
