"""MiniLM-L6 as an 8-bit ONNX file, written by hand from the published weights: no torch, no exporter, no ``onnx``.

The graph is BERT (Devlin et al., 2019) with six layers of twelve heads over 384 dimensions, in the runtime's fused
operators, followed by the mean over the words and L2 normalisation (Reimers & Gurevych, 2019). Weights have 8 bits;
what flows between operators is quantised as it comes to each product (`DynamicQuantizeMatMul`). The input ``input_ids``
is int32 ``(texts, length)``, of texts that are equally long: nothing is padded, so there is no mask, and a text's
vector does not depend on its neighbours. The output ``embedding`` is float32 ``(texts, 384)``, and ``tokens`` the
last layer before the mean, ``(texts, length, 384)``. The vocabulary is in the file too.

The same weights give the same bytes on every machine: what is computed here are single IEEE operations.
"""

import json
import struct
from typing import TYPE_CHECKING, Any

from astrocyte.models.onnx_file import FUSED, Graph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAYERS, HEADS, WIDTH = 6, 12, 384
EPSILON = 1e-12

VOCABULARY = "vocabulary"
"""The note in the file with the pieces of words, one a line, in the order of their numbers."""

Tensors = "dict[str, NDArray[np.float32]]"


def read_safetensors(raw: bytes) -> "dict[str, NDArray[np.float32]]":
    """Every float32 tensor of a safetensors file: an 8-byte length, a JSON header with offsets, then raw numbers."""
    import numpy as np

    (length,) = struct.unpack("<Q", raw[:8])
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    start = 8 + length
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        first, last = entry["data_offsets"]
        numbers = np.frombuffer(raw, "<f4", (last - first) // 4, start + first)
        tensors[name] = numbers.reshape(entry["shape"])
    return tensors


def read_vocabulary(tokenizer: bytes) -> list[str]:
    """The pieces of words that a ``tokenizer.json`` lists, by number."""
    numbers: dict[str, int] = json.loads(tokenizer)["model"]["vocab"]
    return sorted(numbers, key=numbers.__getitem__)


def build_file(tensors: "dict[str, NDArray[np.float32]]", vocabulary: list[str]) -> bytes:
    """The whole ONNX file."""
    graph = Graph()
    hidden = _embeddings(graph, tensors)
    for layer in range(LAYERS):
        hidden = _layer(graph, tensors, layer, hidden, "tokens" if layer == LAYERS - 1 else "")
    mean = graph.node("ReduceMean", [hidden, "one"], keepdims=0)
    graph.node("LpNormalization", [mean], "embedding", axis=-1, p=2)
    return graph.written(
        "all-MiniLM-L6-v2",
        {"input_ids": ("int32", ("texts", "length"))},
        {"embedding": ("float32", ("texts", WIDTH)), "tokens": ("float32", ("texts", "length", WIDTH))},
        {VOCABULARY: "\n".join(vocabulary)},
    )


def _embeddings(graph: Graph, tensors: "dict[str, NDArray[np.float32]]") -> str:
    import numpy as np

    words = tensors["embeddings.word_embeddings.weight"]
    scales = (np.abs(words).max(axis=1, keepdims=True) / np.float32(127)).astype(np.float32)
    graph.constant("words", np.rint(words / np.maximum(scales, np.float32(1e-30))).astype(np.int8))
    graph.constant("word_scales", scales)
    # Every text is one segment, so the segment's embedding is folded into the positions'.
    positions = tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
    graph.constant("positions", positions.astype(np.float32))
    for name, value in (("zero", 0), ("one", 1), ("two", 2)):
        graph.constant(name, np.array([value], np.int64))
    rows = graph.node("Cast", [graph.node("Gather", ["words", "input_ids"])], to=1)
    found = graph.node("Mul", [rows, graph.node("Gather", ["word_scales", "input_ids"])])
    length = graph.node("Slice", [graph.node("Shape", ["input_ids"]), "one", "two", "zero"])
    places = graph.node("Slice", ["positions", "zero", length, "zero"])
    return _normalised(graph, tensors, graph.node("Add", [found, places]), "embeddings")


def _layer(graph: Graph, tensors: "dict[str, NDArray[np.float32]]", number: int, hidden: str, output: str) -> str:
    import numpy as np

    layer = f"encoder.layer.{number}"

    def product(given: str, *parts: str) -> str:
        """``given`` times the weights of the parts, side by side, plus their biases."""
        names = [f"{layer}.{part}" for part in parts]
        weight = np.concatenate([tensors[f"{name}.weight"].T for name in names], axis=1)
        # Seven bits keep the 16-bit sums of processors without VNNI from saturating, and cost nothing measurable; one
        # scale a column keeps the cosine to the float weights at 0.99 (0.95 with one a matrix).
        scales = np.abs(weight).max(axis=0) / np.float32(64)
        graph.constant(f"{names[0]}.weight", np.rint(weight / scales).astype(np.int8))
        graph.constant(f"{names[0]}.scales", scales)
        graph.constant(f"{names[0]}.bias", np.concatenate([tensors[f"{name}.bias"] for name in names]))
        kept = [given, *(f"{names[0]}.{kind}" for kind in ("weight", "scales")), "", f"{names[0]}.bias"]
        return graph.node("DynamicQuantizeMatMul", kept, domain=FUSED)

    packed = product(hidden, *(f"attention.self.{part}" for part in ("query", "key", "value")))
    heads = graph.nodes("Split", [packed], [f"{layer}.{part}" for part in "qkv"], axis=-1, num_outputs=3)
    attended = graph.node("MultiHeadAttention", heads, domain=FUSED, num_heads=HEADS)
    told = product(attended, "attention.output.dense")
    # Not SkipLayerNormalization: that operator takes four times what these two do.
    seen = _normalised(graph, tensors, graph.node("Add", [told, hidden]), f"{layer}.attention.output")
    active = graph.node("FastGelu", [product(seen, "intermediate.dense")], domain=FUSED)
    found = graph.node("Add", [product(active, "output.dense"), seen])
    return _normalised(graph, tensors, found, f"{layer}.output", output)


def _normalised(
    graph: Graph, tensors: "dict[str, NDArray[np.float32]]", given: str, part: str, output: str = ""
) -> str:
    name = f"{part}.LayerNorm"
    kept = [graph.constant(f"{name}.{kind}", tensors[f"{name}.{kind}"]) for kind in ("weight", "bias")]
    return graph.node("LayerNormalization", [given, *kept], output, axis=-1, epsilon=EPSILON)
