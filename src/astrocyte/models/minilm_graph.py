"""MiniLM-L6 as an int8 ONNX graph, written by hand from the published weights: no torch, no exporter.

The graph is BERT (Devlin et al., 2019) with six layers of twelve heads over 384 dimensions, in the runtime's fused
operators (Attention, SkipLayerNormalization, BiasGelu), followed by mean pooling over the mask and L2 normalisation
(Reimers & Gurevych, 2019). Inputs ``input_ids`` and ``attention_mask`` are int32 ``(batch, length)``; the output
``embedding`` is float32 ``(batch, 384)``, and ``tokens`` the last layer before pooling, ``(batch, length, 384)``.
"""

import json
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAYERS, HEADS, WIDTH, POSITIONS = 6, 12, 384, 512
EPSILON = 1e-12
OPSET, FUSED_OPSET = 17, 1
FUSED = "com.microsoft"


def read_safetensors(path: Path) -> "dict[str, NDArray[np.float32]]":
    """Every float32 tensor of a safetensors file: an 8-byte length, a JSON header with offsets, then raw numbers."""
    import numpy as np

    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    start = 8 + length
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        first, last = entry["data_offsets"]
        numbers = np.frombuffer(raw[start + first : start + last], dtype="<f4")
        tensors[name] = numbers.reshape(entry["shape"])
    return tensors


class _Graph:
    """Collects nodes and constants; every method returns the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes))
        return output


def build_graph(tensors: "dict[str, NDArray[np.float32]]") -> Any:
    """The float32 ``onnx.ModelProto``."""
    from onnx import TensorProto, helper

    graph = _Graph()
    hidden = _embeddings(graph, tensors)
    for layer in range(LAYERS):
        hidden = _layer(graph, tensors, layer, hidden)
    graph.node("Identity", [hidden], "tokens")
    _pool(graph, hidden)
    ints = [
        helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    answer = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH])
    words = helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["batch", "length", WIDTH])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", ints, [answer, words], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, FUSED_OPSET)],
    )
    model.ir_version = 8
    return model


def build_int8_graph(tensors: "dict[str, NDArray[np.float32]]") -> bytes:
    """The same graph with 8-bit weights, serialised; activations are quantised as they flow."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(prefix="astrocyte-model-") as folder:
        plain, small = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(build_graph(tensors), str(plain))
        quantize_dynamic(
            plain,
            small,
            op_types_to_quantize=["Attention", "MatMul", "Gather"],
            weight_type=QuantType.QInt8,
            # One scale a column keeps the cosine to the float graph at 0.99 (0.95 with one a matrix); seven bits keep
            # the 16-bit sums of processors without VNNI from saturating, and cost nothing measurable.
            per_channel=True,
            reduce_range=True,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        return small.read_bytes()


def _embeddings(graph: _Graph, tensors: "dict[str, NDArray[np.float32]]") -> str:
    import numpy as np

    # Every text is one segment, so the segment's embedding is folded into the positions'.
    positions = tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
    words = graph.constant("words", tensors["embeddings.word_embeddings.weight"])
    graph.constant("positions", positions.astype(np.float32))
    for name, value in (("zero", [0]), ("one", [1]), ("two", [2])):
        graph.constant(name, np.array(value, dtype=np.int64))
    found = graph.node("Gather", [words, "input_ids"], "word_rows")
    shape = graph.node("Shape", ["input_ids"], "shape")
    length = graph.node("Slice", [shape, "one", "two", "zero"], "length")
    places = graph.node("Slice", ["positions", "zero", length, "zero"], "position_rows")
    total = graph.node("Add", [found, places], "embedded")
    scale = graph.constant("embedded_scale", tensors["embeddings.LayerNorm.weight"])
    shift = graph.constant("embedded_shift", tensors["embeddings.LayerNorm.bias"])
    return graph.node("LayerNormalization", [total, scale, shift], "hidden", axis=-1, epsilon=EPSILON)


def _layer(graph: _Graph, tensors: "dict[str, NDArray[np.float32]]", number: int, hidden: str) -> str:
    import numpy as np

    def weight(part: str, kind: str) -> "NDArray[np.float32]":
        return tensors[f"encoder.layer.{number}.{part}.{kind}"]

    def constant(part: str, value: "NDArray[np.float32]") -> str:
        return graph.constant(f"layer{number}_{part}", np.ascontiguousarray(value))

    heads = ("query", "key", "value")
    packed = np.concatenate([weight(f"attention.self.{head}", "weight").T for head in heads], axis=1)
    biases = np.concatenate([weight(f"attention.self.{head}", "bias") for head in heads])
    attended = graph.node(
        "Attention",
        [hidden, constant("attention", packed), constant("attention_bias", biases), "attention_mask"],
        f"layer{number}_attended",
        domain=FUSED,
        num_heads=HEADS,
    )

    def dense(part: str, name: str, given: str) -> str:
        return graph.node("MatMul", [given, constant(name, weight(part, "weight").T)], f"layer{number}_{name}_product")

    def join(part: str, name: str, given: str, skipped: str) -> str:
        return graph.node(
            "SkipLayerNormalization",
            [
                given,
                skipped,
                constant(f"{name}_scale", weight(f"{part}.LayerNorm", "weight")),
                constant(f"{name}_shift", weight(f"{part}.LayerNorm", "bias")),
                constant(f"{name}_bias", weight(f"{part}.dense", "bias")),
            ],
            f"layer{number}_{name}_joined",
            domain=FUSED,
            epsilon=EPSILON,
        )

    seen = join("attention.output", "seen", dense("attention.output.dense", "seen_weight", attended), hidden)
    wide = dense("intermediate.dense", "wide_weight", seen)
    bias = constant("wide_bias", weight("intermediate.dense", "bias"))
    active = graph.node("BiasGelu", [wide, bias], f"layer{number}_active", domain=FUSED)
    return join("output", "out", dense("output.dense", "out_weight", active), seen)


def _pool(graph: _Graph, hidden: str) -> None:
    import numpy as np
    from onnx import TensorProto

    graph.constant("last", np.array([2], dtype=np.int64))
    mask = graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    column = graph.node("Unsqueeze", [mask, "last"], "mask_column")
    kept = graph.node("Mul", [hidden, column], "kept")
    total = graph.node("ReduceSum", [kept, "one"], "total", keepdims=0)
    count = graph.node("ReduceSum", [mask, "one"], "count", keepdims=1)
    mean = graph.node("Div", [total, count], "mean")
    graph.node("LpNormalization", [mean], "embedding", axis=-1, p=2)
