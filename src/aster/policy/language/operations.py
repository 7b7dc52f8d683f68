"""The operators on values whose types are not certain (specification §11.1), fields and patterns.

Compiled code and the reference interpreter call the same functions, so that they agree by construction.
"""

import math
from decimal import Context, Decimal, Overflow
from typing import Any

from aster.policy.language.encoding import kind_of, text_of, variant_name
from aster.policy.language.faults import Fault
from aster.policy.language.metering import TEXT_STEP, charge, enter, leave
from aster.policy.language.terms import Term
from aster.policy.language.values import (
    INT_MAX,
    INT_MIN,
    WRAPPERS,
    Closure,
    RecordValue,
    Run,
    Wrapper,
)

MAX_TEXT = 1_000_000
DECIMAL_DIGITS = 80
DECIMAL_CONTEXT = Context(prec=DECIMAL_DIGITS, Emax=4000, Emin=-4000)


def whole(value: int) -> int:
    """The number, if it fits 64 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Fault("INTEGER_OVERFLOW")


def finite(value: float) -> float:
    if math.isfinite(value):
        return value
    raise Fault("FLOAT_OVERFLOW")


def operands(operator: str, left: Any, right: Any) -> str:
    """How two operands calculate: "int", "float" or "decimal"; a fault if they do not."""
    first, second = type(left), type(right)
    if first is int and second is int:
        return "int"
    for kind in (first, second):
        if kind is not int and kind is not float and kind is not Decimal:
            raise Fault("TYPE_MISMATCH", operator=operator, expected=Term("numbers"), actual=_pair(left, right))
    if first is Decimal or second is Decimal:
        if first is float or second is float:
            other = left if first is float else right
            if not other.is_integer():
                raise Fault(
                    "TYPE_MISMATCH",
                    operator=operator,
                    expected=Term("no mix of Decimal and Float"),
                    actual=Term("both"),
                )
        return "decimal"
    return "float"


def _pair(left: Any, right: Any) -> tuple[str, str]:
    return kind_of(left), kind_of(right)


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
    kind = operands("+", left, right)
    if kind == "int":
        return whole(left + right)
    return finite(left + right) if kind == "float" else _calculate("add", left, right)


def join_texts(run: Run, left: str, right: str) -> str:
    length = len(left) + len(right)
    if length > TEXT_STEP:
        charge(run, length // TEXT_STEP)
        if length > MAX_TEXT:
            raise Fault("SIZE_LIMIT", what=Term("text"), limit=MAX_TEXT)
    return left + right


def _calculate(operation: str, left: Any, right: Any) -> Decimal:
    try:
        return _decimal(getattr(DECIMAL_CONTEXT, operation)(_exact(left), _exact(right)))
    except Overflow:
        raise Fault("DECIMAL_OVERFLOW") from None


def subtract(left: Any, right: Any) -> Any:
    kind = operands("-", left, right)
    if kind == "int":
        return whole(left - right)
    return finite(left - right) if kind == "float" else _calculate("subtract", left, right)


def multiply(left: Any, right: Any) -> Any:
    kind = operands("*", left, right)
    if kind == "int":
        return whole(left * right)
    return finite(left * right) if kind == "float" else _calculate("multiply", left, right)


def divide(left: Any, right: Any) -> Any:
    """Real division; a Decimal is divided by `Decimal.divide`, which is told how to round."""
    if operands("/", left, right) == "decimal":
        raise Fault(
            "TYPE_MISMATCH", operator="/", expected=Term("no Decimal (use Decimal.divide)"), actual=_pair(left, right)
        )
    if right == 0:
        raise Fault("DIVISION_BY_ZERO")
    return finite(left / right)


def quotient(left: Any, right: Any) -> Any:
    """Division with truncation toward zero."""
    kind = operands("//", left, right)
    if kind == "decimal":
        raise Fault("TYPE_MISMATCH", operator="//", expected=Term("no Decimal"), actual=_pair(left, right))
    if right == 0:
        raise Fault("DIVISION_BY_ZERO")
    if kind == "float":
        return float(math.trunc(finite(left / right)))
    result = abs(left) // abs(right)
    return whole(result if (left < 0) == (right < 0) else -result)


def remainder(left: Any, right: Any) -> Any:
    """The remainder with the sign of the dividend."""
    kind = operands("%", left, right)
    if kind == "decimal":
        raise Fault("TYPE_MISMATCH", operator="%", expected=Term("no Decimal"), actual=_pair(left, right))
    if right == 0:
        raise Fault("DIVISION_BY_ZERO")
    if kind == "float":
        return math.fmod(left, right)
    result = abs(left) % abs(right)
    return -result if left < 0 else result


ARITHMETIC = {"-": subtract, "*": multiply, "/": divide, "//": quotient, "%": remainder}


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
        raise Fault("ARITY", name=Term("the function"), expected=function.arity, actual=len(arguments))
    enter(run, function.cost)
    value = function.call(*arguments)
    leave(run)
    return value
