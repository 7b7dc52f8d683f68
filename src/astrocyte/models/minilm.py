"""all-MiniLM-L6-v2 in int8 on onnxruntime: 384 dimensions, English, no torch, and no download while it is in use.

One file is needed, made once from the published weights (`prepare_model`) and checked against its pinned hash.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aster.foundation.extras import load_extra
from aster.foundation.logs import get_logger
from astrocyte.errors import ModelUnavailable
from astrocyte.models.kept_files import find_kept, is_whole
from astrocyte.models.word_vectors import is_telling, pack_words
from astrocyte.models.wordpiece import END, START, WordPiece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL_ID = "all-MiniLM-L6-v2/int8"
DIMENSION = 384
FILE_SHA256 = "c6263956a8ee790d4566291119e672a4dd7e70d218b42598276b4ba526ed2654"
"""Of the file that `minilm_graph.build_file` makes, on every machine."""

FILE = f"all-MiniLM-L6-v2-int8-{FILE_SHA256[:12]}.onnx"
MAX_TOKENS = 256
CORES = os.cpu_count() or 1

T = TypeVar("T")

logger = get_logger("astrocyte.models")


@dataclass(frozen=True, slots=True)
class _Loaded:
    session: Any
    tokenizer: WordPiece


class MiniLm:
    """The model. It is loaded in the background, in 0.1 s; whoever needs it first waits for the rest of that."""

    model_id = MODEL_ID
    dimension = DIMENSION

    def __init__(self, model: Path | bytes) -> None:
        """``model`` is the file or its content. What is wrong with it is raised where it is first used."""
        self._loading: Future[_Loaded] = Future()
        threading.Thread(target=_fulfil, args=(self._loading, lambda: _load(model)), name="minilm").start()
        self._telling: dict[int, bool] = {}

    def check(self) -> None:
        """Wait until it is loaded. Raises `ModelUnavailable` for a damaged file, `MissingExtra` without the runtime."""
        self._loading.result()

    def embed(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Unit vectors ``(len(texts), 384)``; a text counts up to its first 256 tokens."""
        import numpy as np

        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        for place, vector in enumerate(self._runs(texts, ["embedding"], lambda tokens, found: found[0])):
            vectors[place] = vector
        return vectors

    def embed_words(self, texts: Sequence[str]) -> "tuple[NDArray[np.float32], list[bytes]]":
        """As `embed`, and the packed vectors of each text's telling words (`astrocyte.models.word_vectors`)."""
        import numpy as np

        def told(tokens: list[int], found: Any, hidden: Any) -> tuple[Any, bytes]:
            return found[0], pack_words(hidden[0][[self._is_word(token) for token in tokens]])

        vectors, words = np.empty((len(texts), DIMENSION), dtype=np.float32), [b""] * len(texts)
        for place, (vector, packed) in enumerate(self._runs(texts, ["embedding", "tokens"], told)):
            vectors[place], words[place] = vector, packed
        return vectors, words

    def token_vectors(self, texts: Sequence[str]) -> "list[NDArray[np.float32]]":
        """For each text unit vectors ``(tokens, 384)`` of its words, in order, without the marks around them."""
        import numpy as np

        def told(tokens: list[int], hidden: Any) -> Any:
            kept = hidden[0][1 : max(2, len(tokens) - 1)]
            return kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-9)

        return list(self._runs(texts, ["tokens"], told))

    def tokens(self, text: str) -> list[int]:
        """The numbers of a text's tokens, as the model sees them."""
        return self._loading.result().tokenizer.encode(text, MAX_TOKENS)

    def _is_word(self, token: int) -> bool:
        if token not in self._telling:
            piece = self._loading.result().tokenizer.vocabulary[token]
            self._telling[token] = piece not in (START, END) and is_telling(piece)
        return self._telling[token]

    def _runs(self, texts: Sequence[str], outputs: list[str], told: Callable[..., T]) -> Iterator[T]:
        """For each text, in order, what ``told`` makes of its tokens and the model's outputs.

        Every text is a run of its own: in a batch each would be padded to the longest and quantised with the loudest,
        and from sixteen tokens on a product of two texts takes as long as two products. A few run at once, one a core.
        """
        import numpy as np

        loaded = self._loading.result()

        def run(text: str) -> T:
            tokens = loaded.tokenizer.encode(text, MAX_TOKENS)
            return told(tokens, *loaded.session.run(outputs, {"input_ids": np.array([tokens], np.int32)}))

        if len(texts) < 2:
            yield from map(run, texts)
            return
        with ThreadPoolExecutor(min(CORES, len(texts)), thread_name_prefix="minilm") as cores:
            yield from cores.map(run, texts)


def find_model(cache: Path | None = None) -> Path | None:
    """The model's file, if it was prepared; not looked into."""
    return find_kept(FILE, cache)


def _fulfil(promise: "Future[_Loaded]", work: Callable[[], _Loaded]) -> None:
    try:
        promise.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised to whoever waits
        promise.set_exception(error)


def _load(model: Path | bytes) -> _Loaded:
    from astrocyte.models.minilm_graph import VOCABULARY

    runtime = load_extra("onnxruntime", extra="memory")
    if isinstance(model, Path) and not is_whole(model, FILE_SHA256):
        logger.error("the embedding model's file is damaged", path=str(model))
        raise ModelUnavailable(
            "the embedding model's file is damaged", hint="run `astrocyte model prepare`, which makes it anew"
        )
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the graph is as it should be
    # One thread a run, and several runs at once: threads that share a run wait for each other at each of its hundred
    # operators, which on a busy machine takes longer than the run.
    options.intra_op_num_threads = 1
    source = model if isinstance(model, bytes) else str(model)
    session = runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    vocabulary = session.get_modelmeta().custom_metadata_map[VOCABULARY].split("\n")
    return _Loaded(session, WordPiece(vocabulary))
