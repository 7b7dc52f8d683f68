"""A second, closer look at the best candidates: the question and each text compared word by word, or read together.

Its score is added to the first one in standard deviations of the candidates, so neither has to be calibrated.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from aster.foundation.errors import ConfigError
from aster.foundation.extras import load_extra
from astrocyte.models.minilm import MiniLm
from astrocyte.models.provider import EmbeddingProvider

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RerankRule = Literal["none", "tokens", "cross_encoder"]
RULES: tuple[RerankRule, ...] = ("none", "tokens", "cross_encoder")

SUB_BATCH = 8
MAX_TOKENS = 512


class Reranker(Protocol):
    """Scores of texts for a question, on a scale of its own. Blocks; may be called from several threads."""

    @property
    def weight(self) -> float:
        """How much its score counts beside the first one."""

    def scores(self, query: str, texts: Sequence[str]) -> "NDArray[np.float32]": ...


class TokenReranker:
    """Late interaction: for each word of the question its closest word in the text, averaged.

    Khattab & Zaharia, ColBERT (2020), with the token vectors of the embedding model that is there anyway.
    """

    weight = 0.75

    def __init__(self, model: MiniLm) -> None:
        self._model = model

    def scores(self, query: str, texts: Sequence[str]) -> "NDArray[np.float32]":
        import numpy as np

        (asked,) = self._model.token_vectors([query])
        found = [float((asked @ told.T).max(axis=1).mean()) for told in self._model.token_vectors(texts)]
        return np.array(found, np.float32)


class CrossEncoder:
    """A sequence-pair classifier as ONNX: ``model.onnx`` and ``tokenizer.json`` in a local folder."""

    weight = 3.0
    """It reads the two together, so it outvotes the first look."""

    def __init__(self, folder: Path) -> None:
        """Raises `ConfigError` when the folder does not hold such a model."""
        runtime, tokenizers = load_extra("onnxruntime", extra="rerank"), load_extra("tokenizers", extra="rerank")
        for name in ("model.onnx", "tokenizer.json"):
            if not (folder / name).is_file():
                raise ConfigError(
                    f"recall.rerank_model: {folder} has no {name}", hint="name the folder of an ONNX model"
                )
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        try:
            self._session = runtime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors have no common base
            raise ConfigError(f"recall.rerank_model: {folder / 'model.onnx'} can't be loaded") from error
        self._inputs = [given.name for given in self._session.get_inputs()]

    def scores(self, query: str, texts: Sequence[str]) -> "NDArray[np.float32]":
        """The logit of "relevant": the only one, or the last of several."""
        import numpy as np

        encoded = self._tokenizer.encode_batch([(query, text) for text in texts], add_special_tokens=True)
        found = np.empty(len(texts), np.float32)
        for start in range(0, len(texts), SUB_BATCH):
            part = encoded[start : start + SUB_BATCH]
            values = {
                "input_ids": np.array([one.ids for one in part], np.int64),
                "attention_mask": np.array([one.attention_mask for one in part], np.int64),
                "token_type_ids": np.array([one.type_ids for one in part], np.int64),
            }
            (logits, *_) = self._session.run(None, {name: values[name] for name in self._inputs})
            found[start : start + len(part)] = np.asarray(logits, np.float32).reshape(len(part), -1)[:, -1]
        return found


def load_reranker(rule: RerankRule, folder: Path | None, provider: EmbeddingProvider | None) -> Reranker | None:
    """The configured reranker; raises `ConfigError` for one that can't work."""
    if rule == "none":
        return None
    if rule == "tokens":
        if not isinstance(provider, MiniLm):
            raise ConfigError("recall.rerank 'tokens' needs embedding.provider minilm")
        return TokenReranker(provider)
    if folder is None:
        raise ConfigError("recall.rerank 'cross_encoder' needs recall.rerank_model", hint="the folder of an ONNX model")
    return CrossEncoder(folder.expanduser())
