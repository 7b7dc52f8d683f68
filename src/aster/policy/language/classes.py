"""The generated classes of a module's records and enums, and what `msgspec` can convert into them."""

from typing import Annotated, Any

import msgspec

from aster.policy.language.core import CheckedModule, FieldInfo
from aster.policy.language.tree import Constraint
from aster.policy.language.types import Type
from aster.policy.language.values import (
    FLOAT_MAX,
    INT_MAX,
    INT_MIN,
    RecordValue,
    VariantValue,
    record_class,
)

_SWIFT: dict[str, Any] = {"Bool": bool, "Text": str}
_BARE: dict[str, Any] = {"Int": int, "Long": int, "Float": float}
_LIMITS: dict[str, dict[str, Any]] = {
    "Int": {"ge": INT_MIN, "le": INT_MAX},
    "Long": {"ge": INT_MIN, "le": INT_MAX},
    "Float": {"ge": -FLOAT_MAX, "le": FLOAT_MAX},
}


class Classes:
    """The generated classes of a module's records and enums."""

    def __init__(self, module: CheckedModule) -> None:
        self.module = module
        make: Any = VariantValue  # the functional form of Enum, which type checkers do not follow for subclasses
        self.enums: list[Any] = [
            make(short_name(enum.name), {f"m{index}": variant for index, variant in enumerate(enum.variants)})
            for enum in module.enums
        ]
        self._enum_of = {enum.name: made for enum, made in zip(module.enums, self.enums, strict=True)}
        self.record_index = {record.name: record.index for record in module.records}
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
        return self._record(self.record_index[name])

    def _record(self, index: int) -> tuple[type[RecordValue], type[RecordValue]]:
        if index not in self._records:
            record = self.module.records[index]
            columns = []
            required_first = all(not is_optional(field) for field in record.fields)
            for field in record.fields:
                kind = self.swift_type(field, (record.name,))
                default = msgspec.NODEFAULT if required_first or not is_optional(field) else None
                columns.append((field.name, Any if kind is None else kind, default))
            self._records[index] = record_class(short_name(record.name), _defaults_last(columns))
        return self._records[index]

    def swift_type(self, field: FieldInfo, inside: tuple[str, ...] = ()) -> Any:
        """The type `msgspec` converts a field to, None if it can't."""
        kind = self._swift_kind(field.type, inside)
        limits = _limits(field)
        if kind is None or limits is None:
            return None
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
        record = self.module.records[self.record_index[name]]
        known = self._swift.get(name)
        if known is None:
            known = all(self.swift_type(field, (*inside, name)) is not None for field in record.fields)
            known = known and all(not is_optional(field) for field in record.fields)
            if not inside or name not in inside:
                self._swift[name] = known
        return self.record_named(name)[0] if known else None


def short_name(name: str) -> str:
    """The name of a record or enum in its own module."""
    return name.rpartition(".")[2]


def _defaults_last(columns: list[tuple[str, Any, Any]]) -> list[tuple[str, Any, Any]]:
    """Struct fields after one with a default need one too; such records are made by hand, always completely."""
    seen = False
    made = []
    for name, kind, default in columns:
        seen = seen or default is None
        made.append((name, kind, None if seen else default))
    return made


def is_optional(field: FieldInfo) -> bool:
    required = any(constraint.kind == "required" for constraint in field.constraints)
    return not required and field.declared is not None and field.declared.kind in {"Maybe", "Option"}


def _limits(field: FieldInfo) -> dict[str, Any] | None:
    """What `msgspec.Meta` checks of a field's values, None if it can't check all that is declared."""
    limits: dict[str, Any] = dict(_LIMITS.get(field.type.kind, {}))
    for constraint in field.constraints:
        bounds = _meta(constraint, field.type)
        if bounds is None:
            return None
        for name, bound in bounds.items():
            limits[name] = (max if name == "ge" else min)(bound, limits[name])
    return limits


def value_bounds(field: FieldInfo) -> tuple[Any, Any] | None:
    """The least and the greatest value of a field of numbers that `msgspec` can check."""
    limits = _limits(field)
    return (limits["ge"], limits["le"]) if limits else None


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
