"""The operators on values whose types are not certain (specification §11.1), and their faults.

Compiled code and the reference interpreter call the same functions, so that they agree by construction.
"""

import json
import math
import threading
import time
from collections.abc import Mapping
from decimal import Context, Decimal, Overflow
from typing import Any

from aster.policy.language.values import (
    INT_MAX,
    INT_MIN,
    WRAPPERS,
    Closure,
    RecordValue,
    Run,
    VariantValue,
    Wrapper,
)

MAX_TEXT = 1_000_000
MAX_COMPARE_DEPTH = 100
DECIMAL_DIGITS = 80
DECIMAL_CONTEXT = Context(prec=DECIMAL_DIGITS, Emax=4000, Emin=-4000)
TEXT_STEP = 16
"""Characters a step pays for when texts are joined."""
MAX_RESULT = 1_000_000
"""Items, and ``TEXT_STEP`` characters each, of one value in JSON form; parts that are shared count every time."""

FAULTS: Mapping[str, str] = {
    "UNDEFINED_VARIABLE": "'{name}' is not defined",
    "UNDEFINED_FUNCTION": "'{name}' is not a function",
    "NOT_EXECUTABLE": "{name} is checked but never executed",
    "TYPE_MISMATCH": "operator '{operator}' expects {expected}, got {actual}",
    "ARGUMENT_TYPE": "{function} expects {expected}, got {actual}",
    "ARITY": "{name} takes {expected} arguments, got {actual}",
    "DIVISION_BY_ZERO": "division by zero",
    "INTEGER_OVERFLOW": "the whole number does not fit 64 bits",
    "FLOAT_OVERFLOW": "the number is not finite",
    "DECIMAL_OVERFLOW": "the Decimal has more than 80 digits",
    "NULL_ACCESS": "'{name}' is read from null",
    "NOT_A_RECORD": "'{name}' is read from {actual}",
    "INDEX_OUT_OF_RANGE": "index {index} is outside of 0..{last}",
    "RANGE_INVALID": "{function}: start {start} and end {end} are outside of the value",
    "EMPTY_LIST": "{function} needs a list that is not empty",
    "WRONG_VARIANT": "{function} needs {expected}, got {actual}",
    "DATE_INVALID": "Date.InvalidISODate: {text} is not a date of the form YYYY-MM-DD",
    "DATE_OUT_OF_RANGE": "Date.OutOfRange: {days}",
    "DECIMAL_MODE": "{mode} is not a rounding mode; use HALF_UP, HALF_EVEN or DOWN",
    "DECIMAL_SCALE": "a scale is 0 to 18, got {scale}",
    "NUMBER_INVALID": "{text} is not a number",
    "PATTERN_INVALID": "{pattern} is not a pattern: {reason}",
    "NULL_KEY": "a key must not be null",
    "COMPARE_DEPTH": "values nested deeper than 100 levels cannot be compared",
    "SIZE_LIMIT": "the {what} is larger than {limit}",
    "STEP_LIMIT": "more than {limit} steps",
    "DEPTH_LIMIT": "calls are nested deeper than {limit}",
    "TIME_LIMIT": "the time for this decision is over",
    "NOT_SERIALISABLE": "a function is not a value to hand out",
}
BUDGET_CODES = frozenset({"STEP_LIMIT", "DEPTH_LIMIT", "TIME_LIMIT", "SIZE_LIMIT"})


class Fault(Exception):
    """An operation failed; where is found out by whoever catches it. ``at`` is an offset once that is known."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.values = values
        self.at: int | None = None
        self.rule: int | None = None


def fail(code: str, **values: Any) -> Any:
    """Raise a fault from within an expression."""
    raise Fault(code, **values)


# --- budget ----------------------------------------------------------------------------------------------------------


def charge(run: Run, steps: int) -> None:
    """Pay steps; called before the work they stand for."""
    run.steps += steps
    if run.steps > run.limit:
        raise Fault("STEP_LIMIT", limit=run.limit)
    if time.monotonic() > run.until:
        raise Fault("TIME_LIMIT")


def enter(run: Run, steps: int) -> None:
    """Begin a call that is not bounded by the program's text; `leave` ends it."""
    charge(run, steps)
    run.depth += 1
    if run.depth > run.max_depth:
        raise Fault("DEPTH_LIMIT", limit=run.max_depth)


def leave(run: Run) -> None:
    run.depth -= 1


class _Current(threading.local):
    """The run that this thread is in: comparisons pay it for values, which may hold one part many times over."""

    run: Run | None = None


current = _Current()


def spend(steps: int) -> None:
    """`charge` the run that this thread is in, if there is one."""
    if current.run is not None:
        charge(current.run, steps)


# --- naming, truth and text ------------------------------------------------------------------------------------------

_NAMES = {int: "Int", float: "Float", bool: "Bool", str: "Text", Decimal: "Decimal", list: "List", type(None): "null"}


def kind_of(value: Any) -> str:
    """The name of a value's type, for messages; never the value."""
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, RecordValue):
        return value.record_name
    if isinstance(value, dict):
        return str(value.get("__type", "a record"))
    if isinstance(value, VariantValue):
        return type(value).__name__
    return "a function" if isinstance(value, Closure) else type(value).__name__


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
        return value
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    if kind is Decimal:
        return decimal_text(value)
    if depth > MAX_COMPARE_DEPTH:
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
        raise Fault("SIZE_LIMIT", what="value", limit=MAX_RESULT)


# --- numbers ---------------------------------------------------------------------------------------------------------


def whole(value: int) -> int:
    """The number, if it fits 64 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Fault("INTEGER_OVERFLOW")


def finite(value: float) -> float:
    if math.isfinite(value):
        return value
    raise Fault("FLOAT_OVERFLOW")


def _operands(operator: str, left: Any, right: Any) -> str:
    """How two operands calculate: "int", "float" or "decimal"; a fault if they do not."""
    first, second = type(left), type(right)
    if first is int and second is int:
        return "int"
    for kind in (first, second):
        if kind is not int and kind is not float and kind is not Decimal:
            raise Fault("TYPE_MISMATCH", operator=operator, expected="numbers", actual=_pair(left, right))
    if first is Decimal or second is Decimal:
        if first is float or second is float:
            other = left if first is float else right
            if not other.is_integer():
                raise Fault("TYPE_MISMATCH", operator=operator, expected="no mix of Decimal and Float", actual="both")
        return "decimal"
    return "float"


def _pair(left: Any, right: Any) -> str:
    return f"{kind_of(left)} and {kind_of(right)}"


def _exact(value: Any) -> Decimal:
    return value if type(value) is Decimal else Decimal(int(value))


def _decimal(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise Fault("DECIMAL_OVERFLOW")
    return value


def add(run: Run, left: Any, right: Any) -> Any:
    """`+`: concatenation if either side is a Text, else a sum."""
    if type(left) is str or type(right) is str:
        return join_texts(run, text_of(left), text_of(right))
    kind = _operands("+", left, right)
    if kind == "int":
        return whole(left + right)
    return finite(left + right) if kind == "float" else _calculate("add", left, right)


def join_texts(run: Run, left: str, right: str) -> str:
    length = len(left) + len(right)
    if length > TEXT_STEP:
        charge(run, length // TEXT_STEP)
        if length > MAX_TEXT:
            raise Fault("SIZE_LIMIT", what="text", limit=MAX_TEXT)
    return left + right


def _calculate(operation: str, left: Any, right: Any) -> Decimal:
    try:
        return _decimal(getattr(DECIMAL_CONTEXT, operation)(_exact(left), _exact(right)))
    except Overflow:
        raise Fault("DECIMAL_OVERFLOW") from None


def subtract(left: Any, right: Any) -> Any:
    kind = _operands("-", left, right)
    if kind == "int":
        return whole(left - right)
    return finite(left - right) if kind == "float" else _calculate("subtract", left, right)


def multiply(left: Any, right: Any) -> Any:
    kind = _operands("*", left, right)
    if kind == "int":
        return whole(left * right)
    return finite(left * right) if kind == "float" else _calculate("multiply", left, right)


def divide(left: Any, right: Any) -> Any:
    """Real division; a Decimal is divided by `Decimal.divide`, which is told how to round."""
    if _operands("/", left, right) == "decimal":
        raise Fault(
            "TYPE_MISMATCH", operator="/", expected="no Decimal (use Decimal.divide)", actual=_pair(left, right)
        )
    if right == 0:
        raise Fault("DIVISION_BY_ZERO")
    return finite(left / right)


def quotient(left: Any, right: Any) -> Any:
    """Division with truncation toward zero."""
    kind = _operands("//", left, right)
    if kind == "decimal":
        raise Fault("TYPE_MISMATCH", operator="//", expected="no Decimal", actual=_pair(left, right))
    if right == 0:
        raise Fault("DIVISION_BY_ZERO")
    if kind == "float":
        return float(math.trunc(finite(left / right)))
    result = abs(left) // abs(right)
    return whole(result if (left < 0) == (right < 0) else -result)


def remainder(left: Any, right: Any) -> Any:
    """The remainder with the sign of the dividend."""
    kind = _operands("%", left, right)
    if kind == "decimal":
        raise Fault("TYPE_MISMATCH", operator="%", expected="no Decimal", actual=_pair(left, right))
    if right == 0:
        raise Fault("DIVISION_BY_ZERO")
    if kind == "float":
        return math.fmod(left, right)
    result = abs(left) % abs(right)
    return -result if left < 0 else result


# --- comparisons -----------------------------------------------------------------------------------------------------


def less(left: Any, right: Any) -> bool:
    _operands("<", left, right)
    return bool(left < right)


def less_or_equal(left: Any, right: Any) -> bool:
    _operands("<=", left, right)
    return bool(left <= right)


def greater(left: Any, right: Any) -> bool:
    _operands(">", left, right)
    return bool(left > right)


def greater_or_equal(left: Any, right: Any) -> bool:
    _operands(">=", left, right)
    return bool(left >= right)


_NUMERIC = frozenset({int, float, Decimal})


def equal(left: Any, right: Any, depth: int = 0) -> bool:
    """Structural equality; numbers by value, an enum constant equals its own name, types otherwise never mix."""
    first, second = type(left), type(right)
    if first is str or first is bool or left is None:
        if second is first:
            return bool(left == right)
        return first is str and variant_name(right) == left
    if first in _NUMERIC:
        return second in _NUMERIC and bool(left == right)
    if depth > MAX_COMPARE_DEPTH:
        raise Fault("COMPARE_DEPTH")
    if first is list:
        return second is list and len(left) == len(right) and _equal_items(left, right, depth + 1)
    name = variant_name(left)
    if name is not None:
        return name == (right if second is str else variant_name(right))
    if isinstance(left, Wrapper):
        return first is second and equal(left.value, right.value, depth + 1)
    return _equal_entries(left, right, depth + 1)


def _equal_items(left: list[Any], right: list[Any], depth: int) -> bool:
    spend(1 + len(left))
    return all(map(equal, left, right, [depth] * len(left)))


def _equal_entries(left: Any, right: Any, depth: int) -> bool:
    if type(right) is not dict and not isinstance(right, RecordValue):
        return False
    mine, theirs = _fields(left), _fields(right)
    spend(1 + len(mine or ()) + len(theirs or ()))
    if isinstance(left, RecordValue) and isinstance(right, RecordValue) and mine and theirs:
        if left.record_name != right.record_name:
            return False
        mine.pop("__type", None), theirs.pop("__type", None)
    if mine is None or theirs is None or mine.keys() != theirs.keys():
        return False
    return all(equal(value, theirs[key], depth) for key, value in mine.items())


def variant_name(value: Any) -> str | None:
    """The name of an enum constant, in either form."""
    if isinstance(value, VariantValue):
        return str(value.value)
    if type(value) is dict and "_enum" in value:
        return str(value.get("variant", value.get("value")))
    return None


def _fields(value: Any) -> dict[str, Any] | None:
    """A record's or map's entries, null ones left out, with the type if one was constructed."""
    if type(value) is dict:
        return {key: item for key, item in value.items() if item is not None}
    if isinstance(value, RecordValue):
        found = {name: getattr(value, slot) for name, slot in value.attributes.items()}
        entries = {key: item for key, item in found.items() if item is not None}
        if value.made:
            entries["__type"] = value.record_name
        return entries
    return None


def not_equal(left: Any, right: Any) -> bool:
    return not equal(left, right)


COMPARE = {
    "<": less,
    "<=": less_or_equal,
    ">": greater,
    ">=": greater_or_equal,
    "==": equal,
    "!=": not_equal,
}
ARITHMETIC = {"-": subtract, "*": multiply, "/": divide, "//": quotient, "%": remainder}


# --- records and patterns --------------------------------------------------------------------------------------------


def field(value: Any, name: str) -> Any:
    """A field of a record; a missing one is null."""
    if type(value) is dict:
        return value.get(name)
    if isinstance(value, RecordValue):
        slot = value.attributes.get(name)
        return None if slot is None else getattr(value, slot)
    if value is None:
        raise Fault("NULL_ACCESS", name=name)
    if isinstance(value, Wrapper) and name == "value":
        return value.value
    raise Fault("NOT_A_RECORD", name=name, actual=kind_of(value))


def is_named(value: Any, name: str) -> bool:
    """Whether a value is of the named record or variant, or is the Text that says the name."""
    if type(value) is str:
        return bool(value == name)
    if isinstance(value, RecordValue):
        return value.record_name == name
    if type(value) is dict:
        return value.get("__type") == name or variant_name(value) == name
    if isinstance(value, Wrapper):
        return type(value).__name__ == name
    return variant_name(value) == name


def has_parts(value: Any, name: str, fields: tuple[str, ...], count: int) -> bool:
    """Whether a value was made by the named constructor with at least ``count`` parts."""
    wrapper = WRAPPERS.get(name)
    if wrapper is not None and type(value) is wrapper:
        return count <= 1
    if isinstance(value, RecordValue):
        return value.record_name == name and count <= len(value.attributes)
    if type(value) is dict and value.get("__type") == name:
        return count <= (len(fields) or len(value) - 1)
    return variant_name(value) == name and count == 0


def part(value: Any, fields: tuple[str, ...], index: int) -> Any:
    """One part of a value that `has_parts`."""
    if isinstance(value, Wrapper):
        return value.value
    if fields:
        return field(value, fields[index])
    if isinstance(value, RecordValue):
        return getattr(value, f"f{index}")
    return [item for key, item in value.items() if key != "__type"][index]


def call_value(run: Run, function: Any, *arguments: Any) -> Any:
    """Call a function value."""
    if type(function) is not Closure:
        raise Fault("UNDEFINED_FUNCTION", name=kind_of(function))
    if function.arity != len(arguments):
        raise Fault("ARITY", name="the function", expected=function.arity, actual=len(arguments))
    enter(run, function.cost)
    value = function.call(*arguments)
    leave(run)
    return value
