"""JSON Schema (draft 2020-12) of what a rule takes and what it yields (specification §10, §11.4)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from aster.policy.language.core import CheckedModule, FieldInfo, RecordInfo, RuleInfo
from aster.policy.language.tree import Constraint
from aster.policy.language.types import Type
from aster.policy.language.values import INT_MAX, INT_MIN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WHOLE = "^-?[0-9]{1,19}$"
_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"

Schema = dict[str, Any]


def input_schema(module: CheckedModule, rule: RuleInfo) -> Schema:
    """The contexts a rule accepts: an object with its parameters."""
    return _Writer(module, "input").document(rule.name, rule.parameters)


def output_schema(module: CheckedModule, rule: RuleInfo) -> Schema:
    """The values a rule yields, as JSON."""
    writer = _Writer(module, "output")
    schema = writer.of(rule.declared_returns or rule.returns)
    return {"$schema": DIALECT, "title": rule.name, **schema, **writer.definitions()}


class _Writer:
    """Schemas for one direction; records and enums go to ``$defs``."""

    def __init__(self, module: CheckedModule, direction: str) -> None:
        self.records = {record.name: record for record in module.records}
        self.enums = {enum.name: enum for enum in module.enums}
        self.is_input = direction == "input"
        self.defined: dict[str, Schema] = {}

    def document(self, title: str, fields: Sequence[FieldInfo]) -> Schema:
        return {"$schema": DIALECT, "title": title, **self.fields(fields), **self.definitions()}

    def definitions(self) -> Schema:
        return {"$defs": self.defined} if self.defined else {}

    def fields(self, fields: Sequence[FieldInfo]) -> Schema:
        properties = {field.name: self.field(field) for field in fields}
        schema: Schema = {"type": "object", "properties": properties}
        required = [field.name for field in fields if self.is_required(field)]
        return {**schema, "required": required} if required else schema

    def is_required(self, field: FieldInfo) -> bool:
        if any(constraint.kind == "required" for constraint in field.constraints):
            return True
        return self.is_input and field.declared is not None and field.declared.kind not in {"Maybe", "Option"}

    def field(self, field: FieldInfo) -> Schema:
        schema = self.of(field.declared) if field.declared is not None else {}
        if self.is_input:
            for constraint in field.constraints:
                schema = {**schema, **_constraint(constraint)}
        return {**schema, "x-pii": True} if field.secret else schema

    def of(self, kind: Type) -> Schema:
        arguments = kind.args
        if kind.kind == "Record":
            return self.record(self.records[kind.name])
        if kind.kind == "Enum":
            return self.enum(kind.name)
        if kind.kind == "List":
            return {"type": "array", "items": self.of(arguments[0])}
        if kind.kind == "Map":
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if kind.kind == "Maybe":
            return {"anyOf": [self.of(arguments[0]), {"type": "null"}]}
        if kind.kind == "Option":
            plain = [self.of(arguments[0])] if self.is_input else []
            return {"anyOf": [*plain, self.wrapped("Some", arguments[0]), {"type": "null"}]}
        if kind.kind == "Result":
            return {"anyOf": [self.wrapped("Ok", arguments[0]), self.wrapped("Err", arguments[1])]}
        return dict((_INPUTS if self.is_input else _OUTPUTS).get(kind.kind, {}))

    def wrapped(self, name: str, kind: Type) -> Schema:
        properties = {"__type": {"const": name}, "value": self.of(kind)}
        return {"type": "object", "properties": properties, "required": ["__type", "value"]}

    def record(self, record: RecordInfo) -> Schema:
        if record.name not in self.defined:
            self.defined[record.name] = {}  # so that a record which holds itself ends
            schema = self.fields(record.fields)
            schema["properties"]["__type"] = {"const": record.name.rpartition(".")[2]}
            self.defined[record.name] = schema
        return {"$ref": f"#/$defs/{record.name}"}

    def enum(self, name: str) -> Schema:
        if name not in self.defined:
            variants = list(self.enums[name].variants)
            told: Schema = {
                "type": "object",
                "properties": {"_enum": {"const": name.rpartition(".")[2]}, "variant": {"enum": variants}},
                "required": ["variant"],
            }
            self.defined[name] = {"anyOf": [{"enum": variants}, told]} if self.is_input else told
        return {"$ref": f"#/$defs/{name}"}


_BIG = {"type": "string", "pattern": _WHOLE}
_INT = {"type": "integer", "minimum": INT_MIN, "maximum": INT_MAX}
_INPUTS: dict[str, Schema] = {
    "Int": _INT,
    "Long": {"anyOf": [_INT, _BIG]},
    "Float": {"type": "number"},
    "Number": {"type": "number"},
    "Decimal": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": _DECIMAL}]},
    "Bool": {"type": "boolean"},
    "Text": {"type": "string"},
    "DateTime": {"type": "string", "pattern": _DATE},
    "Null": {"type": "null"},
}
_OUTPUTS: dict[str, Schema] = {
    **_INPUTS,
    "Int": {"anyOf": [{"type": "integer"}, _BIG]},
    "Long": {"anyOf": [{"type": "integer"}, _BIG]},
    "Number": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": _DECIMAL}]},
    "Decimal": {"type": "string", "pattern": _DECIMAL},
    "DateTime": {"type": "string"},
}


def _constraint(constraint: Constraint) -> Schema:
    if constraint.kind == "pattern":
        return {"pattern": constraint.pattern}
    bounds = {"minimum": constraint.low, "maximum": constraint.high}
    return {name: _number(bound) for name, bound in bounds.items() if bound is not None}


def _number(bound: Any) -> int | float:
    if isinstance(bound, Decimal):
        return int(bound) if bound == bound.to_integral_value() else float(bound)
    found: int | float = bound
    return found
