"""Writes a model as an ONNX file: the few messages of its format (``onnx.proto3``) that a graph of ours needs.

Protocol Buffers are fields one after the other, each a key (number and kind) and a value: a varint, four bytes, or a
length and that many bytes. So a graph is written in the order it is built, without the ``onnx`` package and with the
same bytes everywhere.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

IR_VERSION = 8
OPSET, FUSED_OPSET = 18, 1
FUSED = "com.microsoft"
"""The domain of the runtime's own operators."""

TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}
"""``TensorProto.DataType`` by the name of numpy's type."""

_VARINT, _BYTES, _FOUR = 0, 2, 5
_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE = 1, 2

Attribute = int | float
Shape = Sequence[int | str]
"""Sizes, or names of those that may be any."""


@dataclass
class Graph:
    """Collects nodes and constants; every method returns the name of what it made."""

    _parts: list[bytes] = field(default_factory=list)
    _made: int = 0

    def constant(self, name: str, value: "NDArray[Any]") -> str:
        sizes = b"".join(_number(1, size) for size in value.shape)
        told = sizes + _number(2, TYPES[value.dtype.name]) + _text(8, name) + _bytes(9, value.tobytes())
        self._parts.append(_bytes(5, told))
        return name

    def node(
        self, operator: str, inputs: Sequence[str], output: str = "", *, domain: str = "", **attributes: Attribute
    ) -> str:
        """One operator; its output is named by its number unless it is given a name. An empty input is left out."""
        return self.nodes(operator, inputs, [output or self._next()], domain=domain, **attributes)[0]

    def nodes(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], *, domain: str = "", **attributes: Attribute
    ) -> Sequence[str]:
        told = [_text(1, name) for name in inputs] + [_text(2, name) for name in outputs]
        told += [_text(3, outputs[0]), _text(4, operator)]
        told += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
        self._parts.append(_bytes(1, b"".join(told) + _text(7, domain)))
        return outputs

    def _next(self) -> str:
        self._made += 1
        return f"value{self._made}"

    def written(
        self,
        name: str,
        inputs: Mapping[str, tuple[str, Shape]],
        outputs: Mapping[str, tuple[str, Shape]],
        notes: Mapping[str, str],
    ) -> bytes:
        """The file. Inputs and outputs have a type and a shape; ``notes`` are kept in it as metadata."""
        told = [
            *self._parts,
            _text(2, name),
            *(_bytes(11, _value(given, *kind)) for given, kind in inputs.items()),
            *(_bytes(12, _value(given, *kind)) for given, kind in outputs.items()),
        ]
        operators = [
            _bytes(8, _text(1, domain) + _number(2, version)) for domain, version in (("", OPSET), (FUSED, FUSED_OPSET))
        ]
        kept = [_bytes(14, _text(1, key) + _text(2, value)) for key, value in notes.items()]
        return b"".join([_number(1, IR_VERSION), *operators, *kept, _bytes(7, b"".join(told))])


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        return _text(1, name) + _key(2, _FOUR) + struct.pack("<f", value) + _number(20, _FLOAT_ATTRIBUTE)
    return _text(1, name) + _number(3, value) + _number(20, _INT_ATTRIBUTE)


def _value(name: str, kind: str, shape: Shape) -> bytes:
    sizes = [_bytes(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape]
    tensor = _number(1, TYPES[kind]) + _bytes(2, b"".join(sizes))
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _number(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _bytes(number: int, value: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; a negative number as its 64-bit complement."""
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
