"""The int8 model answers what the published float weights answer."""

import hashlib
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from astrocyte.errors import ModelUnavailable
from astrocyte.models.minilm import FILE_SHA256, MiniLm
from astrocyte.models.minilm_graph import HEADS, LAYERS, WIDTH, read_safetensors
from astrocyte.models.preparing import converted

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
    tensors = read_safetensors((weights / "model.safetensors").read_bytes())
    expected = [float_reference(tensors, model.tokens(text)) for text in TEXTS]
    cosines = (model.embed(TEXTS) * np.array(expected)).sum(axis=1)
    assert cosines.min() > 0.97
    assert cosines.mean() > 0.985


def test_vectors_are_float32_rows_of_length_one(model: MiniLm) -> None:
    vectors = model.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), model.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_has_one_vector_alone_and_in_any_batch(model: MiniLm) -> None:
    vectors, words = model.embed_words(TEXTS * 5)
    for place, text in enumerate(TEXTS * 5):
        alone, own_words = model.embed_words([text])
        assert np.array_equal(vectors[place], alone[0])
        assert words[place] == own_words[0]


def test_no_texts_give_no_vectors(model: MiniLm) -> None:
    assert model.embed([]).shape == (0, model.dimension)


def test_a_text_beyond_the_token_limit_is_cut_not_refused(model: MiniLm) -> None:
    assert model.embed(["word " * 5000]).shape == (1, model.dimension)


def test_the_same_weights_give_the_same_file(weights: Path) -> None:
    told: list[str] = []
    content = converted(weights, tell=told.append)
    assert hashlib.sha256(content).hexdigest() == FILE_SHA256
    assert told == ["converting the embedding model, once"]


def test_the_file_is_a_valid_model_to_others(model_file: Path) -> None:
    found = onnx.load(str(model_file))
    onnx.checker.check_model(found)
    assert [given.name for given in found.graph.input] == ["input_ids"]
    assert [given.name for given in found.graph.output] == ["embedding", "tokens"]


def test_a_damaged_file_is_never_used(model_file: Path, tmp_path: Path) -> None:
    good = model_file.read_bytes()
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(good[:100_000] + b"\0" + good[100_001:])
    with pytest.raises(ModelUnavailable, match="is damaged") as raised:
        MiniLm(damaged).embed(TEXTS)
    assert "astrocyte model prepare" in str(raised.value)


def test_the_model_works_from_memory_where_no_file_can_be_kept(model_file: Path, model: MiniLm) -> None:
    assert np.array_equal(MiniLm(model_file.read_bytes()).embed(TEXTS), model.embed(TEXTS))
