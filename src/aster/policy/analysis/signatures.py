"""Signatures of two versions, and what of a program a model has to look into."""

from fractions import Fraction
from typing import Any

import msgspec

from aster.policy.analysis.arithmetic import EXACT_INTEGERS
from aster.policy.analysis.prints import reachable
from aster.policy.analysis.standard import LOOKS_INTO_TEXTS
from aster.policy.language import core
from aster.policy.language.budget import walk
from aster.policy.language.core import CheckedModule, FieldInfo, RuleInfo
from aster.policy.language.types import Type, show

MAX_LANDMARKS = 24


class Change(msgspec.Struct, frozen=True):
    """How two signatures differ at one path. ``incompatible``: no input can be meant for both."""

    path: str
    message: str
    incompatible: bool


class Input(msgspec.Struct, frozen=True):
    """What a rule may be given at one path: ``allowed`` is the type, and the declared limits."""

    path: str
    allowed: str


def inputs_of(module: CheckedModule, rule: RuleInfo) -> tuple[Input, ...]:
    """Everything a rule may be given, in words; of records, their fields."""
    records = {record.name: record for record in module.records}
    found: list[Input] = []

    def tell(fields: tuple[FieldInfo, ...], path: str, inside: frozenset[str]) -> None:
        for field in fields:
            place = f"{path}.{field.name}" if path else field.name
            kind = field.declared
            if kind is not None and kind.kind == "Record" and kind.name not in inside:
                tell(records[kind.name].fields, place, inside | {kind.name})
                continue
            limits = [_limit(limit) for limit in field.constraints]
            found.append(Input(place, ", ".join([_told(field), *limits])))

    tell(rule.parameters, "", frozenset())
    return tuple(found)


def changes_of(old: CheckedModule, mine: RuleInfo, new: CheckedModule, other: RuleInfo) -> tuple[Change, ...]:
    """What changed about a rule's parameters and result."""
    found: list[Change] = []
    _compare_fields(old, mine.parameters, new, other.parameters, "", found, frozenset())
    returns, now = mine.declared_returns or mine.returns, other.declared_returns or other.returns
    if show(returns) != show(now):
        found.append(Change("", f"produces {show(now)}, was {show(returns)}", False))
    return tuple(found)


def _compare_fields(
    old: CheckedModule,
    mine: tuple[FieldInfo, ...],
    new: CheckedModule,
    other: tuple[FieldInfo, ...],
    path: str,
    found: list[Change],
    inside: frozenset[str],
) -> None:
    before = {field.name: field for field in mine}
    after = {field.name: field for field in other}
    for name in {**before, **after}:
        place = f"{path}.{name}" if path else name
        if name not in after:
            found.append(Change(place, f"is gone (was {_told(before[name])})", False))
        elif name not in before:
            found.append(Change(place, f"is new ({_told(after[name])})", False))
        else:
            _compare_field(old, before[name], new, after[name], place, found, inside)


def _told(field: FieldInfo) -> str:
    return show(field.declared) if field.declared is not None else "of no declared type"


def _compare_field(
    old: CheckedModule,
    mine: FieldInfo,
    new: CheckedModule,
    other: FieldInfo,
    path: str,
    found: list[Change],
    inside: frozenset[str],
) -> None:
    if (mine.declared is None) != (other.declared is None) or (
        mine.declared is not None and other.declared is not None and not _alike(mine.declared, other.declared)
    ):
        found.append(Change(path, f"is {_told(other)}, was {_told(mine)}", True))
        return
    limits, now = (sorted(_limit(limit) for limit in field.constraints) for field in (mine, other))
    if limits != now:
        words = " and ".join(now) or "anything", " and ".join(limits) or "anything"
        found.append(Change(path, f"may be {words[0]}, was {words[1]}", False))
    if mine.declared is not None and other.declared is not None:
        _compare_named(old, mine.declared, new, other.declared, path, found, inside)


def _limit(constraint: Any) -> str:
    if constraint.kind == "range":
        return " and ".join(
            f"{words} {bound}"
            for words, bound in (("at least", constraint.low), ("at most", constraint.high))
            if bound is not None
        )
    return f"matching {constraint.pattern!r}" if constraint.kind == "pattern" else str(constraint.kind)


def _compare_named(
    old: CheckedModule,
    mine: Type,
    new: CheckedModule,
    other: Type,
    path: str,
    found: list[Change],
    inside: frozenset[str],
) -> None:
    for first, second in zip(mine.args, other.args, strict=False):
        _compare_named(old, first, new, second, path, found, inside)
    if mine.kind == "Enum":
        before = next(enum.variants for enum in old.enums if enum.name == mine.name)
        after = next(enum.variants for enum in new.enums if enum.name == other.name)
        for names, word in ((set(after) - set(before), "new"), (set(before) - set(after), "gone")):
            if names:
                found.append(Change(path, f"variants of {mine.name} are {word}: {', '.join(sorted(names))}", False))
    if mine.kind == "Record" and mine.name not in inside:
        before_fields = next(record.fields for record in old.records if record.name == mine.name)
        after_fields = next(record.fields for record in new.records if record.name == other.name)
        _compare_fields(old, before_fields, new, after_fields, path, found, inside | {mine.name})


def _alike(mine: Type, other: Type) -> bool:
    """Whether inputs of two types are written alike; Int and Long are."""
    whole = {"Int", "Long"}
    if mine.kind in whole and other.kind in whole:
        return True
    if (mine.kind, mine.name) != (other.kind, other.name):
        return False
    return all(_alike(first, second) for first, second in zip(mine.args, other.args, strict=True))


def looks_into_texts(module: CheckedModule, rule: RuleInfo) -> bool:
    """Whether what a rule decides may depend on what texts are made of, not only on which are equal."""
    fields = [*rule.parameters, *(field for record in module.records for field in record.fields)]
    if any(constraint.kind == "pattern" for field in fields for constraint in field.constraints):
        return True
    return any(
        isinstance(node, core.CallLibrary | core.LibraryValue) and node.function in LOOKS_INTO_TEXTS
        for index in reachable(module, rule.index)
        for node in walk(module.rules[index].body)
    )


def landmarks_of(module: CheckedModule, rule: RuleInfo) -> set[Fraction]:
    """Numbers written in what a rule may run that need no rounding; not all of them if there are many."""
    found: set[Fraction] = set()
    for index in sorted(reachable(module, rule.index)):
        for node in walk(module.rules[index].body):
            value: Any = node.value if isinstance(node, core.Const) else None
            is_exact = isinstance(value, float) or (type(value) is int and abs(value) <= EXACT_INTEGERS)
            if is_exact and len(found) < MAX_LANDMARKS:
                found.add(Fraction(value))
    return found
