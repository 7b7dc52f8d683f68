"""The int8 model answers what the published float weights answer, and its cache can be trusted."""

import math
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aster.foundation.errors import ConfigError
from astrocyte.models import minilm
from astrocyte.models.minilm import MiniLm
from astrocyte.models.minilm_graph import HEADS, LAYERS, WIDTH, read_safetensors

TEXTS = [
    "Caroline: I went to a support group yesterday and it was so powerful.",
    "The invoice is due on the first of March.",
    "ok",
    "What does Melanie like to do with her kids at the weekend, when it rains and nobody wants to go out?",
    "Der Hund schläft im Garten. 我喜欢猫",
]


def float_reference(tensors: dict[str, NDArray[np.float32]], ids: list[int]) -> NDArray[np.float64]:
    """BERT's forward pass for one text, straight from the paper, in float64."""

    def weight(name: str) -> NDArray[np.float64]:
        return tensors[name].astype(np.float64)

    def normalised(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return np.asarray(centred / deviation * weight(f"{name}.weight") + weight(f"{name}.bias"))

    def dense(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        return np.asarray(x @ weight(f"{name}.weight").T + weight(f"{name}.bias"))

    def split(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x.reshape(len(ids), HEADS, WIDTH // HEADS).transpose(1, 0, 2)

    error_function = np.vectorize(math.erf)
    x = weight("embeddings.word_embeddings.weight")[ids]
    x = x + weight("embeddings.position_embeddings.weight")[: len(ids)]
    x = normalised(x + weight("embeddings.token_type_embeddings.weight")[0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, value = (split(dense(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value"))
        weights = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(WIDTH // HEADS))
        weights /= weights.sum(-1, keepdims=True)
        seen = (weights @ value).transpose(1, 0, 2).reshape(len(ids), WIDTH)
        x = normalised(dense(seen, f"{name}.attention.output.dense") + x, f"{name}.attention.output.LayerNorm")
        wide = dense(x, f"{name}.intermediate.dense")
        wide = wide * 0.5 * (1 + error_function(wide / np.sqrt(2)))
        x = normalised(dense(wide, f"{name}.output.dense") + x, f"{name}.output.LayerNorm")
    mean = x.mean(0)
    return np.asarray(mean / np.linalg.norm(mean))


def test_vectors_agree_with_the_float_weights(model: MiniLm, weights: Path) -> None:
    tensors = read_safetensors(weights / "model.safetensors")
    expected = [float_reference(tensors, model._tokenizer.encode(text).ids) for text in TEXTS]
    cosines = (model.embed(TEXTS) * np.array(expected)).sum(axis=1)
    assert cosines.min() > 0.96
    assert cosines.mean() > 0.98


def test_vectors_are_float32_rows_of_length_one(model: MiniLm) -> None:
    vectors = model.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), model.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_has_the_same_meaning_alone_and_in_a_batch(model: MiniLm) -> None:
    together = model.embed(TEXTS * 5)
    alone = np.array([model.embed([text])[0] for text in TEXTS] * 5)
    assert (together * alone).sum(axis=1).min() > 0.95


def test_no_texts_give_no_vectors(model: MiniLm) -> None:
    assert model.embed([]).shape == (0, model.dimension)


def test_a_text_beyond_the_token_limit_is_cut_not_refused(model: MiniLm) -> None:
    assert model.embed(["word " * 5000]).shape == (1, model.dimension)


def test_a_damaged_cache_file_is_built_again(weights: Path, tmp_path: Path, model: MiniLm) -> None:
    MiniLm(weights, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    good = kept.read_bytes()
    kept.write_bytes(good[:100_000] + b"\0" + good[100_001:])
    again = MiniLm(weights, cache=tmp_path)
    assert kept.read_bytes() != good[:100_000] + b"\0" + good[100_001:]
    assert np.allclose(again.embed(TEXTS), model.embed(TEXTS))


def _convert(folder: str, cache: str) -> None:
    assert MiniLm(Path(folder), cache=Path(cache)).embed(["hello"]).shape == (1, minilm.DIMENSION)


def test_two_processes_may_convert_at_once(weights: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_convert, args=(str(weights), str(tmp_path))) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert [file.suffix for file in tmp_path.iterdir()] == [".onnx"]


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    assert MiniLm(weights, cache=blocker).embed(["hello"]).shape == (1, minilm.DIMENSION)
    assert "can't be kept" in caplog.text


def test_other_weights_than_the_pinned_ones_are_refused(weights: Path, tmp_path: Path) -> None:
    forged = tmp_path / "model"
    forged.mkdir()
    (forged / "tokenizer.json").write_bytes((weights / "tokenizer.json").read_bytes())
    (forged / "model.safetensors").write_bytes(b"\0" * 64)
    with pytest.raises(ConfigError, match=r"model\.safetensors is not the file"):
        MiniLm(forged, cache=tmp_path / "cache")


def test_another_tokenizer_than_the_pinned_one_is_refused(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"tokenizer\.json is not the file"):
        MiniLm(tmp_path)
