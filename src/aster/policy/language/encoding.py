"""Values as others see them: their kind in messages, their truth, their text, their JSON form (specification §10)."""

import json
from decimal import Decimal
from typing import Any

from aster.policy.language.faults import Fault
from aster.policy.language.metering import TEXT_STEP, spend
from aster.policy.language.terms import Term
from aster.policy.language.values import (
    SAFE_INTEGER,
    Closure,
    RecordValue,
    VariantValue,
    Wrapper,
)

MAX_DEPTH = 100
"""Levels of a value that is compared or handed out."""

MAX_RESULT = 1_000_000
"""Items, and ``TEXT_STEP`` characters each, of one value in JSON form; parts that are shared count every time."""

_NAMES = {
    kind: Term(name)
    for kind, name in (
        *((int, "Int"), (float, "Float"), (bool, "Bool"), (str, "Text")),
        *((Decimal, "Decimal"), (list, "List"), (type(None), "null")),
    )
}


def kind_of(value: Any) -> str:
    """The name of a value's type, for messages; never the value."""
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, RecordValue):
        return value.record_name
    if isinstance(value, dict):
        return str(value["__type"]) if "__type" in value else Term("a record")
    if isinstance(value, VariantValue):
        return type(value).__name__
    return Term("a function") if isinstance(value, Closure) else type(value).__name__


def truthy(value: Any) -> bool:
    """False for null, false, zero and the empty text; true for everything else."""
    kind = type(value)
    if kind is bool:
        return bool(value)
    if kind in {int, float, str, Decimal}:
        return bool(value)
    return value is not None


def text_of(value: Any) -> str:
    """The textual form a value has in a concatenation."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is int:
        return str(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is float:
        return float_text(value)
    if kind is Decimal:
        return decimal_text(value)
    if isinstance(value, VariantValue):
        return str(value.value)
    text = json.dumps(encode(value), ensure_ascii=False, separators=(",", ":"))
    spend(len(text) // TEXT_STEP)
    return text


def float_text(value: float) -> str:
    """The shortest text that reads back as the number, integral ones without a fraction."""
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f")
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def decimal_text(value: Decimal) -> str:
    """Plain notation without trailing zeros."""
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in {"-0", ""} else plain


def encode(value: Any, depth: int = 0, room: list[int] | None = None) -> Any:
    """A value in the JSON form of specification §10; ``room`` holds what of `MAX_RESULT` is left."""
    kind = type(value)
    if kind is str:
        if room is not None:
            _take(room, len(value) // TEXT_STEP)
        return value
    if kind is bool or value is None:
        return value
    if kind is int:
        return value if -SAFE_INTEGER <= value <= SAFE_INTEGER else str(value)
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    if kind is Decimal:
        return decimal_text(value)
    if depth > MAX_DEPTH:
        raise Fault("COMPARE_DEPTH")
    return _encode_parts(value, depth + 1, [MAX_RESULT] if room is None else room)


def _encode_parts(value: Any, depth: int, room: list[int]) -> Any:
    kind = type(value)
    if kind is list:
        _take(room, len(value))
        return [encode(item, depth, room) for item in value]
    if kind is dict:
        _take(room, len(value) + sum(map(len, value)) // TEXT_STEP)
        return {key: encode(item, depth, room) for key, item in value.items()}
    if isinstance(value, RecordValue):
        _take(room, len(value.attributes))
        fields = {name: encode(getattr(value, slot), depth, room) for name, slot in value.attributes.items()}
        return {"__type": value.record_name, **fields} if value.made else fields
    if isinstance(value, VariantValue):
        name = value.value
        return {"__type": "?", "_enum": type(value).__name__, "value": name, "variant": name, "args": []}
    if isinstance(value, Wrapper):
        return {"__type": kind.__name__, "value": encode(value.value, depth, room)}
    raise Fault("NOT_SERIALISABLE")


def _take(room: list[int], size: int) -> None:
    room[0] -= size
    if room[0] < 0:
        raise Fault("SIZE_LIMIT", what=Term("value"), limit=MAX_RESULT)


def variant_name(value: Any) -> str | None:
    """The name of an enum constant, in either form."""
    if isinstance(value, VariantValue):
        return str(value.value)
    if type(value) is dict and "_enum" in value:
        return str(value.get("variant", value.get("value")))
    return None
