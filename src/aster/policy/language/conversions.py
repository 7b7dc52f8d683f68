"""Arguments converted value by value, with every violation told (specification §11.4)."""

import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from aster.policy.language.classes import Classes, is_optional, short_name
from aster.policy.language.core import FieldInfo
from aster.policy.language.dates import parse_iso
from aster.policy.language.diagnostics import localized
from aster.policy.language.encoding import kind_of
from aster.policy.language.faults import Fault
from aster.policy.language.lexicon import Lexicon
from aster.policy.language.patterns import compile_pattern
from aster.policy.language.terms import Term
from aster.policy.language.tree import Constraint
from aster.policy.language.types import Type
from aster.policy.language.values import (
    INT_MAX,
    INT_MIN,
    SAFE_INTEGER,
    WRAPPERS,
    Closure,
    Some,
    VariantValue,
)

MAX_INPUT_DEPTH = 64
MAX_VIOLATIONS = 50
MAX_MATCHING = 1_000_000
"""Characters times states of all the patterns that one call's arguments are held to: about a third of a second."""

LONG_KEY = 80

MISSING = object()

_WHOLE = re.compile(r"-?[0-9]{1,20}")

VIOLATIONS: Mapping[str, str] = {
    "V001": "is missing",
    "V002": "expected {expected}, got {actual}",
    "V003": "must be between {low} and {high}, got {actual}",
    "V004": "must be at least {low}, got {actual}",
    "V005": "must be at most {high}, got {actual}",
    "V006": "must match the pattern {pattern}",
    "V007": "is too long for its pattern",
    "V008": "has a pattern that is none: {reason}",
    "V009": "nested deeper than {limit} levels",
    "V010": "does not fit 64 bits",
    "V011": "is not a finite number",
    "V012": "{actual} is not a JSON value",
    "V013": "keys must be texts",
    "V014": "a Decimal has at most 38 significant digits",
    "V015": "expected an ISO date, got {actual}",
    "V016": "expected {expected} ({variants}), got {actual}",
    "V017": "expected {expected} arguments, got {actual}",
}
"""Why an argument does not fit; a locale's data file may translate any of them."""


class Violations(Exception):
    """Arguments that do not fit; each entry is `path: reason`."""

    def __init__(self, found: list[str]) -> None:
        super().__init__("; ".join(found))
        self.found = tuple(found)


class Patient:
    """Converts value by value and collects what does not fit."""

    def __init__(self, classes: Classes, lexicon: Lexicon, lenient: bool) -> None:
        self.classes = classes
        self.lexicon = lexicon
        self.lenient = lenient
        self.violations: list[str] = []
        self._matching = MAX_MATCHING

    def refuse(self, path: str, code: str, **values: Any) -> Any:
        if len(self.violations) < MAX_VIOLATIONS:
            reason = violation(code, self.lexicon, **values)
            self.violations.append(f"{path}: {reason}" if path else reason)
        return None

    def expected(self, path: str, kind: Type, value: Any) -> Any:
        return self.refuse(path, "V002", expected=kind, actual=_shown(value))

    def field(self, field: FieldInfo, value: Any, path: str, depth: int = 0) -> Any:
        """A parameter's (depth 0) or a record's field; a missing field of no declared type is null."""
        if value is MISSING or value is None:
            return self._absent(field, value, path, depth)
        if self.lenient or field.declared is None:
            return self.plain(value, path, depth)
        before = len(self.violations)
        converted = self.typed(field.declared, value, path, depth)
        if len(self.violations) == before:
            for constraint in field.constraints:
                self.constraint(constraint, converted, path)
        return converted

    def _absent(self, field: FieldInfo, value: Any, path: str, depth: int) -> Any:
        required = any(constraint.kind == "required" for constraint in field.constraints)
        if is_optional(field) or (self.lenient and (value is None or depth)):
            return None
        if field.declared is None and not required and (value is None or depth):
            return None
        if value is MISSING:
            return self.refuse(path, "V001")
        return self.refuse(path, "V002", expected=field.type, actual=Term("null"))

    def constraint(self, constraint: Constraint, value: Any, path: str) -> None:
        if constraint.kind == "range" and type(value) in {int, float, Decimal}:
            low, high = constraint.low, constraint.high
            if (low is not None and value < low) or (high is not None and value > high):
                code = "V003" if None not in {low, high} else "V004" if high is None else "V005"
                self.refuse(path, code, low=low, high=high, actual=value)
        elif constraint.kind == "pattern" and type(value) is str:
            try:
                pattern = compile_pattern(constraint.pattern or "")
                self._matching -= pattern.size * len(value)
                if self._matching < 0:
                    self.refuse(path, "V007")
                elif not pattern.matches(value):
                    self.refuse(path, "V006", pattern=repr(constraint.pattern))
            except Fault as fault:
                self.refuse(path, "V008", reason=fault.values.get("reason", fault.code))

    def typed(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if depth > MAX_INPUT_DEPTH:
            return self.refuse(path, "V009", limit=MAX_INPUT_DEPTH)
        convert = _CONVERSIONS.get(kind.kind)
        return self.plain(value, path, depth) if convert is None else convert(self, kind, value, path, depth + 1)

    def plain(self, value: Any, path: str, depth: int) -> Any:
        """A JSON value of no declared type."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if INT_MIN <= value <= INT_MAX else self.refuse(path, "V010")
        if kind is float:
            return value if math.isfinite(value) else self.refuse(path, "V011")
        if kind is Decimal and value.is_finite():
            return value
        if depth > MAX_INPUT_DEPTH:
            return self.refuse(path, "V009", limit=MAX_INPUT_DEPTH)
        if kind is list or kind is tuple:
            return [self.plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        if kind is dict:
            return self._plain_object(value, path, depth)
        return self.refuse(path, "V012", actual=kind.__name__)

    def _plain_object(self, value: dict[Any, Any], path: str, depth: int) -> Any:
        found = {}
        for key, item in value.items():
            if type(key) is not str:
                return self.refuse(path, "V013")
            name = key[:LONG_KEY]
            found[key] = self.plain(item, f"{path}.{name}" if path else name, depth + 1)
        wrapper = WRAPPERS.get(str(found.get("__type")))
        if wrapper is not None and found.keys() == {"__type", "value"}:
            return wrapper(found["value"])
        return found

    # one method a kind of type

    def _int(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is str and _WHOLE.fullmatch(value) and (kind.kind == "Long" or abs(int(value)) > SAFE_INTEGER):
            value = int(value)  # as `encode` writes whole numbers that JSON readers would round
        if type(value) is not int:
            return self.expected(path, kind, value)
        return value if INT_MIN <= value <= INT_MAX else self.refuse(path, "V010")

    def _float(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) not in {int, float, Decimal}:
            return self.expected(path, kind, value)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        return number if math.isfinite(number) else self.refuse(path, "V011")

    def _decimal(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) not in {int, float, str, Decimal} or (type(value) is str and len(value) > 80):
            return self.expected(path, kind, value)
        try:
            number = Decimal(repr(value) if type(value) is float else value)
        except InvalidOperation:
            return self.expected(path, kind, value)
        if not number.is_finite() or len(number.as_tuple().digits) > 38 or abs(number.adjusted()) > 40:
            return self.refuse(path, "V014")
        return number

    def _number(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) not in {int, float, Decimal}:
            return self.expected(path, kind, value)
        return self.plain(value, path, depth)

    def _bool(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        return value if type(value) is bool else self.expected(path, kind, value)

    def _text(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        return value if type(value) is str else self.expected(path, kind, value)

    def _datetime(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) is not str:
            return self.expected(path, kind, value)
        if parse_iso(value[:10]) is None:
            return self.refuse(path, "V015", actual=_shown(value))
        return value

    def _enum(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        made = self.classes.enum_named(kind.name)
        name = value.get("variant", value.get("value")) if type(value) is dict else value
        if isinstance(name, VariantValue):
            name = name.value
        if type(name) is str and name in {member.value for member in made}:
            return made(name)
        variants = ", ".join(member.value for member in made)
        return self.refuse(path, "V016", expected=kind, variants=variants, actual=_shown(value))

    def _record(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, self.classes.record_named(kind.name)[0]):
            return value
        if type(value) is not dict:
            return self.expected(path, kind, value)
        tag = value.get("__type")
        if tag is not None and tag != short_name(kind.name):
            return self.refuse(path, "V002", expected=kind, actual=str(tag)[:40])
        record = self.classes.module.records[self.classes.record_index[kind.name]]
        given, made = self.classes.record_named(kind.name)
        values = []
        for found in record.fields:
            inner = f"{path}.{found.name}" if path else found.name
            values.append(self.field(found, value.get(found.name, MISSING), inner, depth))
        return (made if tag is not None else given)(*values)

    def _maybe(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        return None if value is None else self.typed(kind.args[0], value, path, depth)

    def _option(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if value is None:
            return None
        if type(value) is dict and value.get("__type") == "Some":
            value = value.get("value")
        return Some(self.typed(kind.args[0], value, path, depth))

    def _result(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) is dict and value.get("__type") in {"Ok", "Err"}:
            name = value["__type"]
            return WRAPPERS[name](self.typed(kind.args[name == "Err"], value.get("value"), path, depth))
        return self.expected(path, kind, value)

    def _list(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) is not list and type(value) is not tuple:
            return self.expected(path, kind, value)
        return [self.typed(kind.args[0], item, f"{path}[{index}]", depth) for index, item in enumerate(value)]

    def _map(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) is not dict:
            return self.expected(path, kind, value)
        return {
            str(key): self.typed(kind.args[1], item, f"{path}.{str(key)[:LONG_KEY]}", depth)
            for key, item in value.items()
        }


_CONVERSIONS = {
    "Int": Patient._int,
    "Long": Patient._int,
    "Float": Patient._float,
    "Decimal": Patient._decimal,
    "Number": Patient._number,
    "Bool": Patient._bool,
    "Text": Patient._text,
    "DateTime": Patient._datetime,
    "Enum": Patient._enum,
    "Record": Patient._record,
    "Maybe": Patient._maybe,
    "Option": Patient._option,
    "Result": Patient._result,
    "List": Patient._list,
    "Map": Patient._map,
}


def violation(code: str, lexicon: Lexicon, **values: Any) -> str:
    """Why an argument does not fit, in the words of a locale."""
    return lexicon.messages.get(code, VIOLATIONS[code]).format_map(localized(values, lexicon))


def _shown(value: Any) -> str:
    """A short form of an offending value: texts and numbers as they are, the rest by kind."""
    if type(value) is str:
        return f'"{value[:40]}"'
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in {int, float, Decimal}:
        return str(value)[:40]
    return Term("a function") if type(value) is Closure else kind_of(value)
