"""Does everything that one side may write fit what the other side reads? Two types, compared both ways.

A `Difference` says, for one place, whether old values fit the new type (`old_fits`) and new values the old one
(`new_fits`), each with the reason when they do not. Types that contain themselves are compared once a pair.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aster.rpc.contract.canonical import Types, members
from aster.rpc.contract.description import (
    Array,
    Enumeration,
    Field,
    Limits,
    Map,
    OneOf,
    Record,
    Ref,
    Scalar,
    Tuple,
    Type,
    has_default,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two types differ: ``old_problem`` when old values don't fit the new type, and the other way."""

    path: str
    what: str
    old_problem: str | None = None
    new_problem: str | None = None
    default_only: bool = False
    only_when_given: bool = False
    """The problem is one of an optional field that its writer leaves out unless it is given another value."""


WIDER: Mapping[str, frozenset[str]] = {
    "str": frozenset({"date", "time", "timedelta", "uuid", "decimal"}),
    "float": frozenset({"int"}),
}
"""What else a scalar's reader takes: these are written as text, or as whole numbers."""

_TIGHTER: Mapping[str, Callable[[Any, Any], bool]] = {
    "ge": lambda new, old: new > old,
    "gt": lambda new, old: new > old,
    "min_length": lambda new, old: new > old,
    "le": lambda new, old: new < old,
    "lt": lambda new, old: new < old,
    "max_length": lambda new, old: new < old,
}
"""Is a bound tighter than another of its name? Bounds that are not here exclude each other when they differ."""


class TypeComparison:
    """Compares types of two services, whose named types these are."""

    def __init__(self, old: Types, new: Types) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[str, str]] = set()

    def compare(self, old: Type, new: Type, path: str = "$") -> Iterator[Difference]:
        """Every difference, outermost first; a pair of records is compared where it is met first."""
        olds, news = _by_kind(old, self._old), _by_kind(new, self._new)
        if "any" in olds or "any" in news:
            yield from self._anything(olds, news, path)
            return
        if len(olds) == len(news) == 1 and olds.keys() != news.keys():
            yield from _replaced(next(iter(olds.values())), next(iter(news.values())), self._old, self._new, path)
            return
        for kind in sorted(olds.keys() | news.keys()):
            before, after = olds.get(kind), news.get(kind)
            if before is not None and after is not None:
                yield from self._same_kind(before, after, path)
            elif after is not None:
                yield _member(after, self._new, path, added=True, fits=_fits_any(after, olds))
            elif before is not None:
                yield _member(before, self._old, path, added=False, fits=_fits_any(before, news))

    def _anything(self, olds: Mapping[str, Type], news: Mapping[str, Type], path: str) -> Iterator[Difference]:
        if "any" not in news:
            yield Difference(path, "takes less than any value now", old_problem="other values no longer fit")
        elif "any" not in olds:
            yield Difference(path, "takes any value now", new_problem="other values don't fit yet")

    def _same_kind(self, old: Type, new: Type, path: str) -> Iterator[Difference]:
        match old, new:
            case Ref(name=before), Ref(name=after):
                if (before, after) not in self._seen:
                    self._seen.add((before, after))
                    yield from self._records(self._old[before], self._new[after], path)
            case OneOf(values=before_values), OneOf(values=after_values):
                yield from _values(before_values, after_values, path)
            case OneOf(), _:
                word = _word(new, self._new)
                yield Difference(path, f"takes any {word} now", new_problem="other values don't fit yet")
            case _, OneOf(values=values):
                known = ", ".join(map(repr, values[:8]))
                yield Difference(path, f"is one of {known} now", old_problem="other values no longer fit")
            case Array(of=before_item, limits=before_limits), Array(of=after_item, limits=after_limits):
                yield from _bounds(before_limits, after_limits, path)
                yield from self.compare(before_item, after_item, f"{path}[...]")
            case Tuple(of=before_items), Tuple(of=after_items) if len(before_items) == len(after_items):
                for position, (before_item, after_item) in enumerate(zip(before_items, after_items, strict=True)):
                    yield from self.compare(before_item, after_item, f"{path}[{position}]")
            case Map(), Map():
                yield from _bounds(old.limits, new.limits, path)
                yield from self.compare(old.key, new.key, f"{path}[key]")
                yield from self.compare(old.value, new.value, f"{path}[...]")
            case Scalar(limits=before_limits), Scalar(limits=after_limits):
                yield from _bounds(before_limits, after_limits, path)
            case _:
                yield from _replaced(old, new, self._old, self._new, path)

    def _records(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        if (old.layout, old.tag_field if old.layout == "map" else None, old.tag) != (
            new.layout,
            new.tag_field if new.layout == "map" else None,
            new.tag,
        ):
            problem = "records are told apart and laid out in another way"
            yield Difference(path, "has another layout or tag", old_problem=problem, new_problem=problem)
            return
        if old.strict != new.strict:
            yield Difference(path, "refuses unknown fields now" if new.strict else "skips unknown fields now")
        if old.omits_defaults != new.omits_defaults and any(map(has_default, (*old.fields, *new.fields))):
            yield Difference(path, "leaves out defaults now" if new.omits_defaults else "writes defaults out now")
        if old.layout == "array":
            yield from self._positions(old, new, path)
        else:
            yield from self._fields(old, new, path)

    def _fields(self, old: Record, new: Record, path: str) -> Iterator[Difference]:
        olds = {field.name: field for field in old.fields}
        news = {field.name: field for field in new.fields}
        for name in sorted(olds.keys() | news.keys()):
            before, after, where = olds.get(name), news.get(name), f"{path}.{name}"
            if before is None:
                yield _added_field(news[name], where, written=new, read=old)
            elif after is None:
                yield _removed_field(before, where, written=old, read=new)
            else:
                yield from self._field(before, after, where)
                if old.omits_defaults or new.omits_defaults:
                    yield from _omitted_default(before, after, where)
                elif before.default != after.default:
                    yield _changed_default(before, after, where)

    def _positions(self, old: Record, new: Record, path: str) -> Iterator[Difference]:
        for position, (before, after) in enumerate(zip(old.fields, new.fields, strict=False)):
            yield from self._field(before, after, f"{path}[{position}]")
        both = min(len(old.fields), len(new.fields))
        for position, field in enumerate(new.fields[both:], both):
            yield _added_field(field, f"{path}[{position}]", written=new, read=old)
        for position, field in enumerate(old.fields[both:], both):
            yield _removed_field(field, f"{path}[{position}]", written=old, read=new)

    def _field(self, old: Field, new: Field, where: str) -> Iterator[Difference]:
        if new.required and not old.required:
            yield Difference(where, "is required now", old_problem="it may be left out")
        if old.required and not new.required:
            yield Difference(where, "is optional now", new_problem="it may be left out")
        yield from self.compare(old.type, new.type, where)


def _by_kind(described: Type, types: Types) -> dict[str, Type]:
    """A type's alternatives by what tells them apart on the wire; values of one kind are joined."""
    found: dict[str, Type] = {}
    for member in members(described, types):
        if isinstance(member, OneOf):
            for value in member.values:
                kind = "str" if isinstance(value, str) else "int"
                known = found.get(kind)
                found[kind] = OneOf((*known.values, value) if isinstance(known, OneOf) else (value,))
        else:
            found[_kind(member, types)] = member
    return found


def _kind(member: Type, types: Types) -> str:
    match member:
        case Scalar(type=name):
            return name
        case Array() | Tuple():
            return "array"
        case Map():
            return "map"
        case Ref(name=name):
            record = types[name]
            if isinstance(record, Record):
                return record.layout if record.tag is None else f"tag {record.tag!r}"
    return "value"


def _replaced(old: Type, new: Type, olds: Types, news: Types, path: str) -> Iterator[Difference]:
    before, after = _word(old, olds), _word(new, news)
    old_fits, new_fits = _fits(old, new), _fits(new, old)
    yield Difference(
        path,
        f"is {after} instead of {before}",
        old_problem=None if old_fits else f"{before} is no {after}",
        new_problem=None if new_fits else f"{after} is no {before}",
    )


def _fits(written: Type, read: Type) -> bool:
    """Does every value of one kind fit a reader of another kind?"""
    if not isinstance(read, Scalar) or read.limits:
        return False
    if isinstance(written, OneOf):
        kinds = {"str" if isinstance(value, str) else "int" for value in written.values}
        return all(kind == read.type or kind in WIDER.get(read.type, ()) for kind in kinds)
    return isinstance(written, Scalar) and written.type in WIDER.get(read.type, ())


def _fits_any(written: Type, reads: Mapping[str, Type]) -> bool:
    return any(_fits(written, read) for read in reads.values())


def _member(member: Type, types: Types, path: str, *, added: bool, fits: bool) -> Difference:
    word = _word(member, types)
    if added:
        return Difference(path, f"may be {word} now", new_problem=None if fits else f"{word} is not known there")
    return Difference(path, f"is never {word} now", old_problem=None if fits else f"{word} is no longer known")


def _values(old: tuple[Any, ...], new: tuple[Any, ...], path: str) -> Iterator[Difference]:
    for value in sorted(set(new) - set(old), key=repr):
        yield Difference(path, f"has the new value {value!r:.80}", new_problem="that value is not known there")
    for value in sorted(set(old) - set(new), key=repr):
        yield Difference(path, f"no longer has the value {value!r:.80}", old_problem="that value is no longer known")


def _bounds(old: Limits, new: Limits, path: str) -> Iterator[Difference]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        tighter = before is None or (after is not None and _is_tighter(name, after, before))
        looser = after is None or (before is not None and _is_tighter(name, before, after))
        yield Difference(
            path,
            f"has the bound {name}={after!r:.80}" if after is not None else f"has no bound {name} any more",
            old_problem="values beyond it no longer fit" if tighter else None,
            new_problem="values beyond the bound before don't fit yet" if looser else None,
        )


def _is_tighter(name: str, one: Any, other: Any) -> bool:
    rule = _TIGHTER.get(name)
    return True if rule is None else rule(one, other)


def _added_field(field: Field, where: str, *, written: Record, read: Record) -> Difference:
    return Difference(
        where,
        f"is a new {'required' if field.required else 'optional'} field",
        old_problem="it is not sent" if field.required else None,
        new_problem="unknown fields are refused" if read.strict else None,
        only_when_given=read.strict and written.omits_defaults and not field.required,
    )


def _removed_field(field: Field, where: str, *, written: Record, read: Record) -> Difference:
    return Difference(
        where,
        "is gone",
        old_problem="unknown fields are refused" if read.strict else None,
        new_problem="it is required" if field.required else None,
        only_when_given=read.strict and written.omits_defaults and not field.required,
    )


def _omitted_default(old: Field, new: Field, where: str) -> Iterator[Difference]:
    if old.default != new.default and not (old.required or new.required):
        problem = "it is left out when it has its default, so the other side reads another value"
        yield Difference(where, f"has the default {_shown(new)} instead of {_shown(old)}", problem, problem)


def _changed_default(old: Field, new: Field, where: str) -> Difference:
    return Difference(where, f"has the default {_shown(new)} instead of {_shown(old)}", default_only=True)


def _shown(field: Field) -> str:
    return f"{field.default!r:.80}" if has_default(field) else "none"


def _word(member: Type, types: Types) -> str:
    match member:
        case Scalar(type=name):
            return name
        case Ref(name=name) if isinstance(types[name], Enumeration):
            return f"enum {name}"
        case Ref(name=name):
            return name
        case OneOf(values=values):
            return "one of " + ", ".join(map(repr, values[:8]))
        case Array():
            return "array"
        case Tuple(of=items):
            return f"array of {len(items)}"
        case Map():
            return "map"
    return "union"
