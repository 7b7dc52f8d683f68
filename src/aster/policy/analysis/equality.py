"""Equality of symbolic values, as the language sees it and as a reader of the JSON form does."""

from collections.abc import Hashable

from aster.policy.analysis.logic import Condition, World, both, compare, either, is_term, negated
from aster.policy.analysis.values import (
    NULL,
    Closure,
    Constant,
    Items,
    Never,
    Null,
    Number,
    Opaque,
    Record,
    Several,
    Text,
    Truth,
    Value,
    Wrapped,
    alternatives,
    constant_term,
    identity,
)


def equal(world: World, left: Value, right: Value, *, as_json: bool = False) -> Condition:
    """Where two values are equal: by the language's operator, or, ``as_json``, when handed out (specification §10)."""
    if left is right and not isinstance(left, Opaque | Closure):
        return True
    if isinstance(left, Several) or isinstance(right, Several):
        return either(
            both(guard, other_guard, equal(world, mine, other, as_json=as_json))
            for guard, mine in alternatives(left)
            for other_guard, other in alternatives(right)
        )
    if isinstance(left, Never) or isinstance(right, Never):
        return False
    if isinstance(left, Opaque | Closure) or isinstance(right, Opaque | Closure):
        return _unknown(world, left, right)
    return _json_equal(world, left, right) if as_json else _equal(world, left, right)


def _unknown(world: World, left: Value, right: Value) -> Condition:
    mine, other = identity(world, left), identity(world, right)
    if mine == other:
        return True
    pair: Hashable = frozenset((mine, other))
    return world.variable("Bool", ("equal", pair))


def _equal(world: World, left: Value, right: Value) -> Condition:
    if isinstance(left, Constant) or isinstance(right, Constant):
        return _named_alike(world, left, right)
    if isinstance(left, Record) and isinstance(right, Record):
        return _records(world, left, right)
    return _alike(world, left, right, as_json=False)


def _alike(world: World, left: Value, right: Value, *, as_json: bool) -> Condition:
    """Values of one class; of two, they are not equal."""
    if isinstance(left, Number) and isinstance(right, Number):
        return compare("==", left.term, right.term)
    if isinstance(left, Text) and isinstance(right, Text):
        return world.same_text(left.term, right.term)
    if isinstance(left, Truth) and isinstance(right, Truth):
        return _same_truth(left.term, right.term)
    if isinstance(left, Items) and isinstance(right, Items):
        if len(left.items) != len(right.items):
            return False
        pairs = zip(left.items, right.items, strict=True)
        return both(*(equal(world, mine, other, as_json=as_json) for mine, other in pairs))
    if isinstance(left, Wrapped) and isinstance(right, Wrapped):
        return left.kind == right.kind and equal(world, left.value, right.value, as_json=as_json)
    return isinstance(left, Null) and isinstance(right, Null)


def _same_truth(left: Condition, right: Condition) -> Condition:
    if isinstance(left, bool):
        return right if left else negated(right)
    if isinstance(right, bool):
        return left if right else negated(left)
    return True if left.eq(right) else left == right


def _named_alike(world: World, left: Value, right: Value) -> Condition:
    if isinstance(left, Constant) and isinstance(right, Constant):
        if not is_term(left.term) and not is_term(right.term):
            return bool(left.term == right.term)
        return compare("==", constant_term(world, left), constant_term(world, right))
    constant, other = (left, right) if isinstance(left, Constant) else (right, left)
    if not isinstance(constant, Constant) or not isinstance(other, Text):
        return False
    return says(world, constant, other)


def says(world: World, constant: Constant, text: Text) -> Condition:
    """Where a text is the name of a constant's variant."""
    if not is_term(constant.term):
        return world.same_text(constant.term, text.term)
    if not world.strings:
        return constant.term == world.text(text.term)
    names = list(world.names.items())
    return either(both(constant.term == index, world.same_text(name, text.term)) for name, index in names)


def _records(world: World, left: Record, right: Record) -> Condition:
    names = sorted({*left.fields, *right.fields})
    same = both(*(equal(world, left.fields.get(name, NULL), right.fields.get(name, NULL)) for name in names))
    if left.loose or right.loose:
        return both(left.made and right.made and left.name == right.name, same)
    if left.name == right.name:
        return same if left.made == right.made else both(same, negated(_is_empty(left)))
    return both(not left.made and not right.made, _is_empty(left), _is_empty(right))


def _is_empty(record: Record) -> Condition:
    return both(*(is_null(value) for value in record.fields.values()))


def is_null(value: Value) -> Condition:
    """Where a value is null; an opaque one may be, so it is said not to be only by what asks the world."""
    return either(guard for guard, each in alternatives(value) if isinstance(each, Null))


def _json_equal(world: World, left: Value, right: Value) -> Condition:
    if isinstance(left, Number) and isinstance(right, Number):
        decimal = {left.kind, right.kind} & {"decimal"}
        if decimal and left.kind != right.kind:
            return False
        return compare("==", left.term, right.term)
    if isinstance(left, Constant) and isinstance(right, Constant):
        return left.enum == right.enum and _named_alike(world, left, right)
    if isinstance(left, Record) and isinstance(right, Record):
        if (left.made, left.name if left.made else "") != (right.made, right.name if right.made else ""):
            return False
        if left.fields.keys() != right.fields.keys():
            return False
        return both(*(equal(world, value, right.fields[name], as_json=True) for name, value in left.fields.items()))
    if {type(left), type(right)} in ({Text, Number}, {Text, Constant}):
        decimal_text = any(isinstance(value, Number) and value.kind == "decimal" for value in (left, right))
        return (
            world.variable("Bool", ("written", identity(world, left), identity(world, right)))
            if decimal_text
            else False
        )
    return _alike(world, left, right, as_json=True)


def truth(world: World, value: Value) -> Condition:
    """Where a value counts as true: not for null, false, zero and the empty text (specification §11.1)."""
    if isinstance(value, Several):
        return either(both(guard, truth(world, each)) for guard, each in value.alternatives)
    if isinstance(value, Truth):
        return value.term
    if isinstance(value, Number):
        return compare("!=", value.term, 0)
    if isinstance(value, Text):
        return negated(world.same_text(value.term, ""))
    if isinstance(value, Opaque):
        return True if value.kind else world.variable("Bool", ("true", value.key))
    return not isinstance(value, Null | Never)


def is_named(world: World, value: Value, name: str) -> Condition:
    """Where a value is of the named record or variant, or is the text that says the name."""
    if isinstance(value, Several):
        return either(both(guard, is_named(world, each, name)) for guard, each in value.alternatives)
    if isinstance(value, Text):
        return world.same_text(value.term, name)
    if isinstance(value, Record):
        return value.name == name
    if isinstance(value, Wrapped):
        return value.kind == name
    if isinstance(value, Constant):
        if not is_term(value.term):
            return bool(value.term == name)
        return compare("==", value.term, world.name_of(name))
    if isinstance(value, Opaque):
        return world.variable("Bool", ("named", value.key, name))
    return False
