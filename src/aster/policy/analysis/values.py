"""Symbolic values: one class a kind of run-time value, `Several` for "one of these, depending on the input"."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from aster.policy.analysis.logic import Condition, Term, World, both, chosen, either, is_term, negated
from aster.policy.language import core


class Value(msgspec.Struct, frozen=True, gc=True):
    """Base of symbolic values."""


class Never(Value, frozen=True):
    """The value of what has failed."""


class Null(Value, frozen=True):
    pass


class Truth(Value, frozen=True):
    term: Condition


class Number(Value, frozen=True):
    """``kind``: "int" (term: int or Int), "float" or "decimal" (term: Fraction or Real)."""

    kind: str
    term: Term


class Text(Value, frozen=True):
    term: Term


class Constant(Value, frozen=True):
    """An enum constant; the term is the variant's name, or an Int term of its number."""

    enum: str
    term: Term


class Record(Value, frozen=True):
    """A record. ``made``: a program constructed it; ``loose``: not certainly with the fields that are declared."""

    name: str
    made: bool
    fields: Mapping[str, Value]
    loose: bool = False


class Wrapped(Value, frozen=True):
    kind: str
    value: Value


class Items(Value, frozen=True):
    """A list of known length."""

    items: tuple[Value, ...]


class Closure(Value, frozen=True):
    """A function value: a core node, and the slots as they were when it was made."""

    node: core.Expr
    slots: tuple[Value, ...]


class Opaque(Value, frozen=True):
    """A value about which nothing is known but where it comes from; ``kind`` is "list" or "map" where that is sure."""

    key: tuple[Any, ...]
    kind: str = ""


class Several(Value, frozen=True):
    """Alternatives whose conditions exclude each other and together cover the case at hand."""

    alternatives: tuple[tuple[Condition, Value], ...]


NEVER = Never()
NULL = Null()
MAX_ALTERNATIVES = 48


def alternatives(value: Value) -> tuple[tuple[Condition, Value], ...]:
    return value.alternatives if isinstance(value, Several) else ((True, value),)


def _shape(value: Value) -> Any:
    """Values of one shape merge into one of that shape."""
    if isinstance(value, Number):
        return Number, value.kind
    if isinstance(value, Constant):
        return Constant, value.enum
    if isinstance(value, Record):
        return Record, value.name, value.made, value.loose, tuple(sorted(value.fields))
    if isinstance(value, Wrapped):
        return Wrapped, value.kind
    if isinstance(value, Items):
        return Items, len(value.items)
    if isinstance(value, Truth | Text | Null):
        return type(value)
    return value if isinstance(value, Opaque) else id(value)


def merge(world: World, condition: Condition, yes: Value, no: Value) -> Value:
    """``yes`` where the condition holds, else ``no``."""
    if condition is True or yes is no or isinstance(no, Never):
        return yes
    if condition is False or isinstance(yes, Never):
        return no
    if _shape(yes) == _shape(no) and not isinstance(yes, Several):
        return _merged(world, condition, yes, no)
    groups: dict[Any, list[tuple[Condition, Value]]] = {}
    for guard, value in alternatives(yes):
        groups.setdefault(_shape(value), []).append((both(condition, guard), value))
    otherwise = negated(condition)
    for guard, value in alternatives(no):
        groups.setdefault(_shape(value), []).append((both(otherwise, guard), value))
    found = []
    for members in groups.values():
        value = members[-1][1]
        for guard, other in members[:-1]:
            value = merge(world, guard, other, value)
        found.append((world.named(either(guard for guard, _ in members)), value))
    return found[0][1] if len(found) == 1 else Several(tuple(found))


def merge_all(world: World, guarded: Iterable[tuple[Condition, Value]]) -> Value:
    """One of several values, whose conditions exclude each other."""
    result: Value = NEVER
    for condition, value in reversed(list(guarded)):
        if condition is not False:
            result = merge(world, condition, value, result)
    return result


def _merged(world: World, condition: Condition, yes: Any, no: Any) -> Value:
    return _MERGE[type(yes)](world, condition, yes, no)


def _merge_truth(world: World, condition: Condition, yes: Truth, no: Truth) -> Value:
    return Truth(either((both(condition, yes.term), both(negated(condition), no.term))))


def _merge_constant(world: World, condition: Condition, yes: Constant, no: Constant) -> Value:
    if yes.term is no.term or (not is_term(yes.term) and not is_term(no.term) and yes.term == no.term):
        return yes
    return Constant(yes.enum, chosen(condition, constant_term(world, yes), constant_term(world, no)))


def _merge_record(world: World, condition: Condition, yes: Record, no: Record) -> Value:
    fields = {name: merge(world, condition, value, no.fields[name]) for name, value in yes.fields.items()}
    return Record(yes.name, yes.made, fields, yes.loose)


def _merge_items(world: World, condition: Condition, yes: Items, no: Items) -> Value:
    return Items(tuple(merge(world, condition, mine, other) for mine, other in zip(yes.items, no.items, strict=True)))


_MERGE: dict[type, Callable[[World, Condition, Any, Any], Value]] = {
    Truth: _merge_truth,
    Number: lambda world, condition, yes, no: Number(yes.kind, chosen(condition, yes.term, no.term)),
    Text: lambda world, condition, yes, no: Text(world.chosen_text(condition, yes.term, no.term)),
    Constant: _merge_constant,
    Record: _merge_record,
    Wrapped: lambda world, condition, yes, no: Wrapped(yes.kind, merge(world, condition, yes.value, no.value)),
    Items: _merge_items,
    Null: lambda world, condition, yes, no: yes,
    Opaque: lambda world, condition, yes, no: yes,
}


def constant_term(world: World, constant: Constant) -> Term:
    """The number of a constant's variant."""
    return constant.term if is_term(constant.term) else world.name_of(constant.term)


def identity(world: World, value: Value) -> tuple[Any, ...]:
    """What identifies a value: equal identities are equal values."""
    if isinstance(value, Truth | Text):
        return type(value).__name__, world.key(value.term)
    if isinstance(value, Number):
        return value.kind, world.key(value.term)
    if isinstance(value, Constant):
        return "constant", value.enum, world.key(constant_term(world, value))
    if isinstance(value, Record):
        fields = tuple((name, identity(world, field)) for name, field in sorted(value.fields.items()))
        return "record", value.name, value.made, value.loose, fields
    if isinstance(value, Wrapped):
        return value.kind, identity(world, value.value)
    if isinstance(value, Items):
        return "items", tuple(identity(world, item) for item in value.items)
    if isinstance(value, Several):
        return "several", tuple((world.key(guard), identity(world, each)) for guard, each in value.alternatives)
    if isinstance(value, Opaque):
        return "opaque", value.key
    return ("null",) if isinstance(value, Null) else ("value", id(value))
