"""Patterns: where they match, and what they bind."""

from typing import TYPE_CHECKING

from aster.policy.analysis import operations
from aster.policy.analysis.equality import is_named
from aster.policy.analysis.logic import Condition, both, either, negated
from aster.policy.analysis.values import (
    NEVER,
    NULL,
    Constant,
    Null,
    Opaque,
    Record,
    Several,
    Value,
    Wrapped,
    merge_all,
)
from aster.policy.language import core
from aster.policy.language.core import Test

if TYPE_CHECKING:
    from aster.policy.analysis.execution import Execution, Frame


def matches(run: "Execution", frame: "Frame", pattern: Test, value: Value) -> Condition:
    """Where a pattern matches; names it binds are bound as if it did."""
    if isinstance(pattern, core.TestAny):
        return True
    if isinstance(pattern, core.TestNull):
        return _is_null(run, value)
    if isinstance(pattern, core.TestBind):
        frame.store(pattern.slot, value if pattern.nullable else _given(value))
        return True if pattern.nullable else negated(_is_null(run, value))
    if isinstance(pattern, core.TestValue):
        return operations.equals(run, value, operations.literal(pattern.value))
    if isinstance(pattern, core.TestParts):
        return _test_parts(run, frame, pattern, value)
    name: str = pattern.name  # type: ignore[attr-defined]  # what is left are names
    return is_named(run.world, value, name)


def _is_null(run: "Execution", value: Value) -> Condition:
    if isinstance(value, Several):
        return either(both(guard, _is_null(run, each)) for guard, each in value.alternatives)
    if isinstance(value, Opaque):
        return False if value.kind else run.world.variable("Bool", ("null", value.key))
    return isinstance(value, Null)


def _given(value: Value) -> Value:
    if not isinstance(value, Several):
        return value
    rest = tuple(each for each in value.alternatives if not isinstance(each[1], Null))
    return Several(rest) if len(rest) > 1 else rest[0][1] if rest else NEVER


def _test_parts(run: "Execution", frame: "Frame", pattern: core.TestParts, value: Value) -> Condition:
    if isinstance(value, Several):
        cases = [(guard, _parts_of(run, pattern, each)) for guard, each in value.alternatives]
        cases = [(guard, parts) for guard, parts in cases if parts is not None]
        if not cases:
            _bind_parts(run, frame, pattern, [NULL] * len(pattern.parts))
            return False
        parts = [
            merge_all(run.world, [(guard, found[index]) for guard, found in cases if found is not None])
            for index in range(len(pattern.parts))
        ]
        fits = _bind_parts(run, frame, pattern, parts)
        made = either(both(guard, _has_parts(run, pattern, each)) for guard, each in value.alternatives)
        return both(made, fits)
    found = _parts_of(run, pattern, value)
    if found is None:
        _bind_parts(run, frame, pattern, [NULL] * len(pattern.parts))
        return False
    return both(_has_parts(run, pattern, value), _bind_parts(run, frame, pattern, found))


def _bind_parts(run: "Execution", frame: "Frame", pattern: core.TestParts, values: list[Value]) -> Condition:
    return both(*[matches(run, frame, part, value) for part, value in zip(pattern.parts, values, strict=True)])


def _has_parts(run: "Execution", pattern: core.TestParts, value: Value) -> Condition:
    if isinstance(value, Opaque):
        if value.kind:
            return False
        return run.world.variable("Bool", ("parts", value.key, pattern.name, len(pattern.parts)))
    if isinstance(value, Constant):
        return is_named(run.world, value, pattern.name)
    return _parts_of(run, pattern, value) is not None


def _parts_of(run: "Execution", pattern: core.TestParts, value: Value) -> list[Value] | None:
    """The parts of a value made by a pattern's constructor; None if it can't have been."""
    count = len(pattern.parts)
    if isinstance(value, Wrapped):
        return [value.value][:count] if value.kind == pattern.name and count <= 1 else None
    if isinstance(value, Record):
        names = list(pattern.fields or value.fields)
        if value.name != pattern.name or count > len(names):
            return None
        return [value.fields.get(name, NULL) for name in names[:count]]
    if isinstance(value, Opaque) and not value.kind:
        return [Opaque(("part", value.key, pattern.name, index)) for index in range(count)]
    if isinstance(value, Constant) and count == 0:
        return []
    return None
