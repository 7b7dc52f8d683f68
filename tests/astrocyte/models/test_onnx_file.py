"""What is written is what the format's own library reads."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.models.onnx_file import FUSED, Graph, _varint


def test_the_runtime_computes_what_was_written() -> None:
    graph = Graph()
    graph.constant("weight", np.arange(6, dtype=np.float32).reshape(2, 3))
    product = graph.node("MatMul", ["given", "weight"])
    active = graph.node("FastGelu", [product], domain=FUSED)
    left, right = graph.nodes("Split", [graph.node("Sub", [active, active])], ["left", "right"], axis=0, num_outputs=2)
    graph.node("LayerNormalization", [graph.node("Add", [left, right]), "scale"], "found", axis=-1, epsilon=1e-5)
    graph.constant("scale", np.ones(3, np.float32))
    content = graph.written("small", {"given": ("float32", ("n", 2))}, {"found": ("float32", ("m", 3))}, {"key": "ä"})
    read = onnx.load_from_string(content)
    assert {note.key: note.value for note in read.metadata_props} == {"key": "ä"}
    assert [given.type.tensor_type.shape.dim[0].dim_param for given in read.graph.input] == ["n"]
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"given": np.ones((4, 2), np.float32)})
    assert np.array_equal(found, np.zeros((2, 3), np.float32))


@pytest.mark.parametrize("kind", ["float32", "uint8", "int8", "int32", "int64"])
def test_numbers_of_every_type_come_back(kind: str) -> None:
    value = np.array([[0, 1, 100], [2, 3, 4]]).astype(kind)
    graph = Graph()
    graph.constant("value", value.T)
    (kept,) = onnx.load_from_string(graph.written("one", {}, {}, {})).graph.initializer
    assert np.array_equal(onnx.numpy_helper.to_array(kept), value.T)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_attribute_comes_back(number: int) -> None:
    graph = Graph()
    graph.node("Any", [], first=number, second=0.5)
    (node,) = onnx.load_from_string(graph.written("one", {}, {}, {})).graph.node
    assert {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute} == {
        "first": number,
        "second": 0.5,
    }
    assert all(byte > 0x7F for byte in _varint(number)[:-1])
