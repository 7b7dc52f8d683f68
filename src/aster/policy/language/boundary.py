"""The boundary: values from outside become values of the declared types, with every violation told (§11.4, §13).

Where all types allow it, `msgspec` converts a context straight into the generated record classes. Whatever it refuses,
and types it does not know, take the patient way, which converts what may be converted and lists what may not.
"""

import math
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec

from aster.policy.language.core import CheckedModule, FieldInfo, RuleInfo
from aster.policy.language.dates import parse_iso
from aster.policy.language.operations import Fault, kind_of
from aster.policy.language.patterns import compile_pattern
from aster.policy.language.tree import Constraint
from aster.policy.language.types import Type, show
from aster.policy.language.values import (
    FLOAT_MAX,
    INT_MAX,
    INT_MIN,
    WRAPPERS,
    Closure,
    RecordValue,
    Some,
    VariantValue,
    record_class,
)

MAX_INPUT_DEPTH = 64
MAX_VIOLATIONS = 50
MAX_MATCHING = 1_000_000
"""Characters times states of all the patterns that one call's arguments are held to: about a third of a second."""

LONG_KEY = 80

_SWIFT: dict[str, Any] = {"Bool": bool, "Text": str}
_BARE: dict[str, Any] = {"Int": int, "Long": int, "Float": float}
_LIMITS: dict[str, dict[str, Any]] = {
    "Int": {"ge": INT_MIN, "le": INT_MAX},
    "Long": {"ge": INT_MIN, "le": INT_MAX},
    "Float": {"ge": -FLOAT_MAX, "le": FLOAT_MAX},
}
_MISSING = object()


class Classes:
    """The generated classes of a module's records and enums."""

    def __init__(self, module: CheckedModule) -> None:
        self.module = module
        make: Any = VariantValue  # the functional form of Enum, which type checkers do not follow for subclasses
        self.enums: list[Any] = [
            make(enum.name, {f"m{index}": variant for index, variant in enumerate(enum.variants)})
            for enum in module.enums
        ]
        self._enum_of = {enum.name: made for enum, made in zip(module.enums, self.enums, strict=True)}
        self._record_index = {record.name: record.index for record in module.records}
        self._records: dict[int, tuple[type[RecordValue], type[RecordValue]]] = {}
        self._swift: dict[str, bool] = {}

    def variant(self, enum: int, name: str) -> Any:
        return self.enums[enum](name)

    def made(self, record: int) -> type[RecordValue]:
        """The class of constructed records of a type."""
        return self._record(record)[1]

    def enum_named(self, name: str) -> Any:
        return self._enum_of[name]

    def record_named(self, name: str) -> tuple[type[RecordValue], type[RecordValue]]:
        return self._record(self._record_index[name])

    def _record(self, index: int) -> tuple[type[RecordValue], type[RecordValue]]:
        if index not in self._records:
            record = self.module.records[index]
            columns = []
            required_first = all(not _is_optional(field) for field in record.fields)
            for field in record.fields:
                kind = self.swift_type(field, (record.name,))
                default = msgspec.NODEFAULT if required_first or not _is_optional(field) else None
                columns.append((field.name, Any if kind is None else kind, default))
            self._records[index] = record_class(record.name, _defaults_last(columns))
        return self._records[index]

    def swift_type(self, field: FieldInfo, inside: tuple[str, ...] = ()) -> Any:
        """The type `msgspec` converts a field to, None if it can't."""
        kind = self._swift_kind(field.type, inside)
        if kind is None:
            return None
        limits: dict[str, Any] = dict(_LIMITS.get(field.type.kind, {}))
        for constraint in field.constraints:
            bounds = _meta(constraint, field.type)
            if bounds is None:
                return None
            for name, bound in bounds.items():
                limits[name] = (max if name == "ge" else min)(bound, limits[name])
        return Annotated[_BARE[field.type.kind], msgspec.Meta(**limits)] if limits else kind

    def _swift_kind(self, kind: Type, inside: tuple[str, ...]) -> Any:
        if kind.kind in _LIMITS:
            return Annotated[_BARE[kind.kind], msgspec.Meta(**_LIMITS[kind.kind])]
        if kind.kind in _SWIFT:
            return _SWIFT[kind.kind]
        if kind.kind == "Enum":
            return self._enum_of[kind.name]
        if kind.kind == "Record":
            if kind.name in inside:
                return None
            return self._swift_record(kind.name, inside)
        if kind.kind == "Maybe":
            inner = self._swift_kind(kind.args[0], inside)
            return None if inner is None else inner | None
        if kind.kind == "List":
            inner = self._swift_kind(kind.args[0], inside)
            return None if inner is None else list[inner]  # type: ignore[valid-type]  # a type made at run time
        return None

    def _swift_record(self, name: str, inside: tuple[str, ...]) -> Any:
        record = self.module.records[self._record_index[name]]
        known = self._swift.get(name)
        if known is None:
            known = all(self.swift_type(field, (*inside, name)) is not None for field in record.fields)
            known = known and all(not _is_optional(field) for field in record.fields)
            if not inside or name not in inside:
                self._swift[name] = known
        return self.record_named(name)[0] if known else None


def _defaults_last(columns: list[tuple[str, Any, Any]]) -> list[tuple[str, Any, Any]]:
    """Struct fields after one with a default need one too; such records are made by hand, always completely."""
    seen = False
    made = []
    for name, kind, default in columns:
        seen = seen or default is None
        made.append((name, kind, None if seen else default))
    return made


def _is_optional(field: FieldInfo) -> bool:
    required = any(constraint.kind == "required" for constraint in field.constraints)
    return not required and field.declared is not None and field.declared.kind in {"Maybe", "Option"}


def _meta(constraint: Constraint, kind: Type) -> dict[str, Any] | None:
    """What `msgspec.Meta` checks of a constraint, None if it can't."""
    if constraint.kind == "required":
        return {} if kind.kind not in {"Maybe", "Option"} else None
    if constraint.kind != "range" or kind.kind not in {"Int", "Long", "Float"}:
        return None
    bounds: dict[str, Any] = {}
    for name, bound in (("ge", constraint.low), ("le", constraint.high)):
        if bound is None:
            continue
        if kind.kind != "Float" and bound != int(bound):
            return None
        bounds[name] = float(bound) if kind.kind == "Float" else int(bound)
    return bounds


class Boundary:
    """The way in for one rule's arguments."""

    def __init__(self, rule: RuleInfo, classes: Classes, *, lenient: bool) -> None:
        self.rule = rule
        self.classes = classes
        self.lenient = lenient
        self.names = [parameter.name for parameter in rule.parameters]
        self.swift: type[msgspec.Struct] | None = None
        kinds = [None if lenient else classes.swift_type(parameter) for parameter in rule.parameters]
        optional = any(_is_optional(parameter) for parameter in rule.parameters)
        if rule.parameters and all(kind is not None for kind in kinds) and not optional:
            columns = [(f"p{index}", kind) for index, kind in enumerate(kinds)]
            rename = {f"p{index}": name for index, name in enumerate(self.names)}
            self.swift = msgspec.defstruct("Arguments", columns, rename=rename, gc=False)

    def named(self, context: dict[str, Any]) -> list[Any]:
        """The arguments of a context keyed by parameter name. Raises `Violations`."""
        values = [context.get(name, _MISSING) for name in self.names]
        shorthand = self._shorthand(context)
        return self._convert([context] if shorthand else values, shorthand)

    def _shorthand(self, context: dict[str, Any]) -> bool:
        """Whether the whole object stands for the rule's single record (specification §13)."""
        if len(self.names) != 1 or self.names[0] in context or not context:
            return False
        parameter = self.rule.parameters[0]
        if parameter.declared is None:
            return True
        if parameter.declared.kind != "Record":
            return False
        record = self.classes.module.records[self.classes._record_index[parameter.declared.name]]
        return any(field.name in context for field in record.fields)

    def positional(self, values: list[Any]) -> list[Any]:
        if len(values) > len(self.names):
            raise Violations([f"expected {len(self.names)} arguments, got {len(values)}"])
        return self._convert([*values, *[_MISSING] * (len(self.names) - len(values))], False)

    def _convert(self, values: list[Any], shorthand: bool) -> list[Any]:
        patient = Patient(self.classes, self.lenient)
        converted = []
        for parameter, value in zip(self.rule.parameters, values, strict=True):
            path = "" if shorthand else parameter.name
            converted.append(patient.field(parameter, value, path))
        if patient.violations:
            raise Violations(patient.violations)
        return converted


class Violations(Exception):
    """Arguments that do not fit; each entry is `path: reason`."""

    def __init__(self, found: list[str]) -> None:
        super().__init__("; ".join(found))
        self.found = tuple(found)


class Patient:
    """Converts value by value and collects what does not fit."""

    def __init__(self, classes: Classes, lenient: bool) -> None:
        self.classes = classes
        self.lenient = lenient
        self.violations: list[str] = []
        self._matching = MAX_MATCHING

    def refuse(self, path: str, reason: str) -> Any:
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(f"{path}: {reason}" if path else reason)
        return None

    def expected(self, path: str, kind: Type, value: Any) -> Any:
        return self.refuse(path, f"expected {show(kind)}, got {_shown(value)}")

    def field(self, field: FieldInfo, value: Any, path: str, depth: int = 0) -> Any:
        """A parameter's (depth 0) or a record's field; a missing field of no declared type is null."""
        if value is _MISSING or value is None:
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
        if _is_optional(field) or (self.lenient and (value is None or depth)):
            return None
        if field.declared is None and not required and (value is None or depth):
            return None
        if value is _MISSING:
            return self.refuse(path, "is missing")
        return self.refuse(path, f"expected {show(field.type)}, got null")

    def constraint(self, constraint: Constraint, value: Any, path: str) -> None:
        if constraint.kind == "range" and type(value) in {int, float, Decimal}:
            low, high = constraint.low, constraint.high
            if (low is not None and value < low) or (high is not None and value > high):
                limits = (
                    f"between {low} and {high}"
                    if None not in {low, high}
                    else (f"at least {low}" if high is None else f"at most {high}")
                )
                self.refuse(path, f"must be {limits}, got {value}")
        elif constraint.kind == "pattern" and type(value) is str:
            try:
                pattern = compile_pattern(constraint.pattern or "")
                self._matching -= pattern.size * len(value)
                if self._matching < 0:
                    self.refuse(path, "is too long for its pattern")
                elif not pattern.matches(value):
                    self.refuse(path, f"must match the pattern {constraint.pattern!r}")
            except Fault as fault:
                self.refuse(path, str(fault.values.get("reason", fault.code)))

    def typed(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if depth > MAX_INPUT_DEPTH:
            return self.refuse(path, f"nested deeper than {MAX_INPUT_DEPTH} levels")
        convert = _CONVERSIONS.get(kind.kind)
        return self.plain(value, path, depth) if convert is None else convert(self, kind, value, path, depth + 1)

    def plain(self, value: Any, path: str, depth: int) -> Any:
        """A JSON value of no declared type."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if INT_MIN <= value <= INT_MAX else self.refuse(path, "does not fit 64 bits")
        if kind is float:
            return value if math.isfinite(value) else self.refuse(path, "is not a finite number")
        if kind is Decimal and value.is_finite():
            return value
        if depth > MAX_INPUT_DEPTH:
            return self.refuse(path, f"nested deeper than {MAX_INPUT_DEPTH} levels")
        if kind is list or kind is tuple:
            return [self.plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        if kind is dict:
            return self._plain_object(value, path, depth)
        return self.refuse(path, f"{kind.__name__} is not a JSON value")

    def _plain_object(self, value: dict[Any, Any], path: str, depth: int) -> Any:
        found = {}
        for key, item in value.items():
            if type(key) is not str:
                return self.refuse(path, "keys must be texts")
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
        if kind.kind == "Long" and type(value) is str and value.removeprefix("-").isdigit() and len(value) <= 20:
            value = int(value)
        if type(value) is not int:
            return self.expected(path, kind, value)
        return value if INT_MIN <= value <= INT_MAX else self.refuse(path, "does not fit 64 bits")

    def _float(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) not in {int, float, Decimal}:
            return self.expected(path, kind, value)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        return number if math.isfinite(number) else self.refuse(path, "is not a finite number")

    def _decimal(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if type(value) not in {int, float, str, Decimal} or (type(value) is str and len(value) > 80):
            return self.expected(path, kind, value)
        try:
            number = Decimal(repr(value) if type(value) is float else value)
        except InvalidOperation:
            return self.expected(path, kind, value)
        if not number.is_finite() or len(number.as_tuple().digits) > 38 or abs(number.adjusted()) > 40:
            return self.refuse(path, "a Decimal has at most 38 significant digits")
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
            return self.refuse(path, f"expected an ISO date, got {_shown(value)}")
        return value

    def _enum(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        made = self.classes.enum_named(kind.name)
        name = value.get("variant", value.get("value")) if type(value) is dict else value
        if isinstance(name, VariantValue):
            name = name.value
        if type(name) is str and name in {member.value for member in made}:
            return made(name)
        variants = ", ".join(member.value for member in made)
        return self.refuse(path, f"expected {kind.name} ({variants}), got {_shown(value)}")

    def _record(self, kind: Type, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, RecordValue) and value.record_name == kind.name:
            return value
        if type(value) is not dict:
            return self.expected(path, kind, value)
        tag = value.get("__type")
        if tag is not None and tag != kind.name:
            return self.refuse(path, f"expected {kind.name}, got {str(tag)[:40]}")
        record = self.classes.module.records[self.classes._record_index[kind.name]]
        given, made = self.classes.record_named(kind.name)
        values = []
        for found in record.fields:
            inner = f"{path}.{found.name}" if path else found.name
            values.append(self.field(found, value.get(found.name, _MISSING), inner, depth))
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


def _shown(value: Any) -> str:
    """A short form of an offending value: texts and numbers as they are, the rest by kind."""
    if type(value) is str:
        return f'"{value[:40]}"'
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in {int, float, Decimal}:
        return str(value)[:40]
    return "a function" if type(value) is Closure else kind_of(value)
