"""Comparisons of values whose types are not certain (specification §11.1): order of numbers, structural equality."""

from decimal import Decimal
from typing import Any

from aster.policy.language.encoding import MAX_DEPTH, variant_name
from aster.policy.language.faults import Fault
from aster.policy.language.metering import spend
from aster.policy.language.operations import operands
from aster.policy.language.values import (
    RecordValue,
    Wrapper,
)


def less(left: Any, right: Any) -> bool:
    operands("<", left, right)
    return bool(left < right)


def less_or_equal(left: Any, right: Any) -> bool:
    operands("<=", left, right)
    return bool(left <= right)


def greater(left: Any, right: Any) -> bool:
    operands(">", left, right)
    return bool(left > right)


def greater_or_equal(left: Any, right: Any) -> bool:
    operands(">=", left, right)
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
    if depth > MAX_DEPTH:
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
