"""Symbolic arguments of declared types, and the way back: an input in JSON form from a model of the solver.

A variable belongs to a path (`applicant.age`) and a kind, so two versions of a rule that read the same path read the
same variable. What a version demands of its arguments (ranges, variants) is kept as its condition of acceptance.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zlib import crc32

from aster.policy.analysis.dates import written
from aster.policy.analysis.logic import Condition, World, both, compare, either, implies, negated, z3
from aster.policy.analysis.regular import expression_of
from aster.policy.analysis.values import (
    NULL,
    Constant,
    Items,
    Number,
    Opaque,
    Record,
    Several,
    Text,
    Truth,
    Value,
    Wrapped,
)
from aster.policy.language.core import CheckedModule, FieldInfo, RuleInfo
from aster.policy.language.dates import parse_iso
from aster.policy.language.samples import samples
from aster.policy.language.tree import Constraint
from aster.policy.language.types import Type
from aster.policy.language.values import FLOAT_MAX, INT_MAX, INT_MIN, SAFE_INTEGER

MAX_DEPTH = 5
LIST_BOUND = 3
"""Lists up to this length are looked into; longer ones are values of which only the length is known."""
CENTS = 100
LONGEST_LIST = 100
"""Longer ones are not tried as examples."""
_DYNAMIC = ("null", "bool", "int", "float", "text", "other")
_LIMIT_OF_DECIMALS = 10**40


class Inputs:
    """The arguments of one version of a rule, and what it demands of them."""

    def __init__(self, world: World, module: CheckedModule, *, constrained: bool = True) -> None:
        self.world = world
        self.module = module
        self.constrained = constrained
        self.accepted: list[Condition] = []
        self._records = {record.name: record for record in module.records}
        self._enums = {enum.name: enum for enum in module.enums}
        for enum in module.enums:
            for variant in enum.variants:
                world.name_of(variant)
                world.variants.add(variant)

    def argument(self, field: FieldInfo, path: str, present: Condition = True, depth: int = 0) -> Value:
        """The value of a parameter or field."""
        if field.declared is None:
            required = any(constraint.kind == "required" for constraint in field.constraints)
            return self._dynamic(path, present, nullable=not required)
        kind = field.declared
        value = self.value(kind, path, present, depth)
        for constraint in field.constraints if self.constrained else ():
            self._demand(implies(present, self._constraint(constraint, kind, value)))
        return value

    def _demand(self, condition: Condition) -> None:
        if condition is not True:
            self.accepted.append(condition)

    def _constraint(self, constraint: Constraint, kind: Type, value: Value) -> Condition:
        if constraint.kind == "required":
            return self.given(value)
        if kind.kind in {"Option", "List", "Map", "Result", "Record", "Enum"}:
            return True
        parts = value.alternatives if isinstance(value, Several) else ((True, value),)
        return both(*(implies(guard, self._holds(constraint, each)) for guard, each in parts))

    @staticmethod
    def given(value: Value) -> Condition:
        """Where a value is not null."""
        parts = value.alternatives if isinstance(value, Several) else ((True, value),)
        return negated(either(guard for guard, each in parts if each is NULL))

    def _holds(self, constraint: Constraint, value: Value) -> Condition:
        if constraint.kind == "range" and isinstance(value, Number):
            low = True if constraint.low is None else compare(">=", value.term, Fraction(constraint.low))
            high = True if constraint.high is None else compare("<=", value.term, Fraction(constraint.high))
            return both(low, high)
        if constraint.kind == "pattern" and isinstance(value, Text):
            language = expression_of(constraint.pattern or "") if self.world.strings else None
            if language is None:
                key = ("matches", self.world.key(value.term), constraint.pattern)
                return self.world.variable("Bool", key)
            return z3.InRe(value.term, language)
        return True

    # one method a kind of type

    def value(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        if depth > MAX_DEPTH:
            return Opaque(("input", path), {"List": "list", "Map": "map"}.get(kind.kind, ""))
        make = getattr(self, f"_{kind.kind.lower()}", None)
        return (
            self._dynamic(path, present, nullable=depth > 0) if make is None else make(kind, path, present, depth + 1)
        )

    def _int(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        term = self.world.given("Int", path, "int")
        self.world.define(both(term >= INT_MIN, term <= INT_MAX))
        return Number("int", term)

    _long = _int

    def _float(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        term = self.world.given("Real", path, "float")
        limit = z3.RealVal(str(Fraction(FLOAT_MAX)))
        self.world.define(both(term >= -limit, term <= limit))
        self.world.define(implies(self.world.exact, z3.IsInt(term * 64)))
        return Number("float", term)

    def _decimal(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        term = self.world.given("Real", path, "decimal")
        limit = z3.RealVal(str(10 * _LIMIT_OF_DECIMALS))
        self.world.define(both(term > -limit, term < limit))
        self.world.define(implies(self.world.exact, z3.IsInt(term * CENTS)))
        return Number("decimal", term)

    def _number(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        whole = self.world.given("Bool", path, "whole")
        return Several(
            ((whole, self._int(kind, path, present, depth)), (z3.Not(whole), self._float(kind, path, present, depth)))
        )

    def _bool(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        return Truth(self.world.given("Bool", path, "bool"))

    def _text(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        return Text(self.world.given("Text", path, "text"))

    def _datetime(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        term = self.world.given("Text", path, "text")
        if self.world.strings:
            digit = z3.Range("0", "9")
            parts = (
                [digit] * 4
                + [z3.Re("-")]
                + [digit] * 2
                + [z3.Re("-")]
                + [digit] * 2
                + [z3.Full(z3.ReSort(z3.StringSort()))]
            )
            self.world.define(z3.InRe(term, z3.Concat(*parts)))
        return Text(term)

    def _enum(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        term = self.world.given("Int", path, "variant")
        numbers = [self.world.name_of(name) for name in self._enums[kind.name].variants]
        self._demand(implies(present, either(term == index for index in numbers)))
        return Constant(kind.name, term)

    def _record(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        fields = self._records[kind.name].fields
        return Record(
            kind.name,
            False,
            {field.name: self.argument(field, f"{path}.{field.name}", present, depth) for field in fields},
        )

    def _maybe(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        absent = self.world.given("Bool", path, "null")
        inner = self.value(kind.args[0], path, both(present, z3.Not(absent)), depth)
        alternatives = inner.alternatives if isinstance(inner, Several) else ((True, inner),)
        return Several(((absent, NULL), *((both(z3.Not(absent), guard), value) for guard, value in alternatives)))

    def _option(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        absent = self.world.given("Bool", path, "null")
        inner = self.value(kind.args[0], path, both(present, z3.Not(absent)), depth)
        return Several(((absent, NULL), (z3.Not(absent), Wrapped("Some", inner))))

    def _result(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        good = self.world.given("Bool", path, "ok")
        ok = self.value(kind.args[0], f"{path}!ok", both(present, good), depth)
        error = self.value(kind.args[1], f"{path}!err", both(present, z3.Not(good)), depth)
        return Several(((good, Wrapped("Ok", ok)), (z3.Not(good), Wrapped("Err", error))))

    def _list(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        length = self.world.given("Int", path, "length")
        self.world.define(length >= 0)
        found: list[tuple[Condition, Value]] = []
        items: list[Value] = []
        for size in range(LIST_BOUND + 1):
            found.append((length == size, Items(tuple(items))))
            longer = both(present, length > size)
            items.append(self.value(kind.args[0], f"{path}[{size}]", longer, depth) if size < LIST_BOUND else NULL)
        found.append((length > LIST_BOUND, Opaque(("input", path), "list")))
        return Several(tuple(found))

    def _map(self, kind: Type, path: str, present: Condition, depth: int) -> Value:
        return Opaque(("input", path), "map")

    def _dynamic(self, path: str, present: Condition, *, nullable: bool) -> Value:
        """A value of no declared type: one of the JSON kinds."""
        sort = self.world.given("Int", path, "sort")
        self.world.define(both(sort >= 0, sort < len(_DYNAMIC)))
        if not nullable:
            self._demand(implies(present, sort != 0))
        kind = Type("")
        values = (
            NULL,
            self._bool(kind, path, True, 0),
            self._int(kind, path, True, 0),
            self._float(kind, path, True, 0),
            self._text(kind, path, True, 0),
            Opaque(("input", path)),
        )
        return Several(tuple((sort == index, value) for index, value in enumerate(values)))


class Example:
    """An input in JSON form, read from a model."""

    def __init__(self, world: World, model: Any, module: CheckedModule) -> None:
        self.world = world
        self.model = model
        self._records = {record.name: record for record in module.records}
        self._enums = {enum.name: enum for enum in module.enums}

    def argument(self, field: FieldInfo, path: str, depth: int = 0) -> Any:
        if field.declared is None:
            return self._dynamic(path)
        return self.value(field.declared, path, depth)

    def value(self, kind: Type, path: str, depth: int = 0) -> Any:
        if depth > MAX_DEPTH:
            return _LEAST.get(kind.kind)
        make = getattr(self, f"_{kind.kind.lower()}", None)
        return self._dynamic(path) if make is None else make(kind, path, depth + 1)

    def _ask(self, sort: str, path: str, kind: str) -> Any:
        return self.model.eval(self.world.given(sort, path, kind), model_completion=True)

    def _is(self, path: str, kind: str) -> bool:
        return bool(z3.is_true(self._ask("Bool", path, kind)))

    def _whole(self, path: str, kind: str) -> int:
        return int(self._ask("Int", path, kind).as_long())

    def _fraction(self, path: str, kind: str) -> Fraction:
        found = self._ask("Real", path, kind)
        if z3.is_algebraic_value(found):
            found = found.approx(20)
        return Fraction(found.numerator_as_long(), found.denominator_as_long())

    def _int(self, kind: Type, path: str, depth: int) -> Any:
        return self._whole(path, "int")

    def _long(self, kind: Type, path: str, depth: int) -> Any:
        found = self._whole(path, "int")
        return found if abs(found) <= SAFE_INTEGER else str(found)

    def _float(self, kind: Type, path: str, depth: int) -> Any:
        found = self._fraction(path, "float")
        number = max(-FLOAT_MAX, min(FLOAT_MAX, float(found)))
        return int(number) if number.is_integer() and abs(number) <= SAFE_INTEGER else number

    def _decimal(self, kind: Type, path: str, depth: int) -> Any:
        return decimal_text(self._fraction(path, "decimal"))

    def _number(self, kind: Type, path: str, depth: int) -> Any:
        return self._int(kind, path, depth) if self._is(path, "whole") else self._float(kind, path, depth)

    def _bool(self, kind: Type, path: str, depth: int) -> Any:
        return self._is(path, "bool")

    def _text(self, kind: Type, path: str, depth: int) -> Any:
        found = self._ask("Text", path, "text")
        day = written(self.world, self.model, self.world.given("Text", path, "text"))
        if day is not None:
            return day
        if self.world.strings:
            return unescaped(found.as_string())
        index = int(found.as_long())
        known = self.world.text_of(index)
        return self._other_text(index) if known is None else known

    def _other_text(self, index: int) -> str:
        text = f"text{index or ''}" if index >= 0 else f"text_{-index}"
        while text in self.world.names:
            text += "_"
        return text

    def _datetime(self, kind: Type, path: str, depth: int) -> Any:
        found = str(self._text(kind, path, depth))
        if parse_iso(found[:10]) is not None:
            return found
        number = crc32(found.encode())
        day = f"{1970 + number % 90:04}-{1 + number % 12:02}-01"
        read = self.world.is_known("Bool", ("is date", self.world.key(self.world.given("Text", path, "text"))))
        return f"{day}T00:00:00" if read else day  # a moment is no date: what is read as one has been written above

    def _enum(self, kind: Type, path: str, depth: int) -> Any:
        index = self._whole(path, "variant")
        variants = self._enums[kind.name].variants
        known = self.world.text_of(index)
        return known if known in self.world.variants else variants[0]

    def _record(self, kind: Type, path: str, depth: int) -> Any:
        fields = self._records[kind.name].fields
        return {field.name: self.argument(field, f"{path}.{field.name}", depth) for field in fields}

    def _maybe(self, kind: Type, path: str, depth: int) -> Any:
        return None if self._is(path, "null") else self.value(kind.args[0], path, depth)

    def _option(self, kind: Type, path: str, depth: int) -> Any:
        return self._maybe(kind, path, depth)

    def _result(self, kind: Type, path: str, depth: int) -> Any:
        if self._is(path, "ok"):
            return {"__type": "Ok", "value": self.value(kind.args[0], f"{path}!ok", depth)}
        return {"__type": "Err", "value": self.value(kind.args[1], f"{path}!err", depth)}

    def _list(self, kind: Type, path: str, depth: int) -> Any:
        length = min(self._whole(path, "length"), LONGEST_LIST)
        return [self.value(kind.args[0], f"{path}[{index}]", depth) for index in range(length)]

    def _map(self, kind: Type, path: str, depth: int) -> Any:
        return {}

    def _dynamic(self, path: str) -> Any:
        sort = _DYNAMIC[self._whole(path, "sort") % len(_DYNAMIC)]
        if sort == "null":
            return None
        return {} if sort == "other" else getattr(self, f"_{sort}")(Type(""), path, 0)


def context_at(module: CheckedModule, rule: RuleInfo, example: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """A typical input of a rule in JSON form, with the given values at some paths."""
    context = next(samples(module, rule))
    for (*names, last), value in example.items():
        holder = context
        for name in names:
            holder = holder[name]
        holder[last] = _json_form(value)
    return context


def _json_form(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > SAFE_INTEGER:
        return str(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= SAFE_INTEGER else value


_LEAST: dict[str, Any] = {"List": [], "Map": {}}
_ESCAPE = re.compile(r"\\u\{([0-9a-fA-F]+)\}")


def unescaped(text: str) -> str:
    """A text as the solver writes it, with its characters instead of their numbers."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def decimal_text(value: Fraction) -> str:
    """A number in plain notation, to at most 30 places."""
    scaled = round(value * 10**30)
    whole, rest = divmod(abs(scaled), 10**30)
    places = f"{rest:030}".rstrip("0")
    return f"{'-' if scaled < 0 else ''}{whole}{'.' if places else ''}{places}"
