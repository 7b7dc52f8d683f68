"""What a rule takes and yields, for forms and tools (specification §18)."""

from decimal import Decimal
from typing import Any

from aster.policy.language.core import CheckedModule, FieldInfo, RuleInfo
from aster.policy.language.tree import Constraint
from aster.policy.language.types import Type, show

_KINDS = {
    "Record": "STRUCT",
    "Enum": "ENUM",
    "List": "LIST",
    "Map": "MAP",
    "Option": "OPTION",
    "Maybe": "OPTION",
    "Result": "RESULT",
    "Function": "FUNCTION",
    "Unknown": "UNKNOWN",
}
MAX_DEPTH = 8


def describe_rule(module: CheckedModule, rule: RuleInfo) -> dict[str, Any]:
    """The parameters and result of a rule, records described to their leaves."""
    returns = rule.declared_returns or rule.returns
    return {
        "success": True,
        "moduleName": module.name,
        "functionName": rule.name,
        "functions": [found.name for found in module.rules[: module.own]],
        "parameters": [
            {**_field(module, parameter, 0), "position": index} for index, parameter in enumerate(rule.parameters)
        ],
        "returnType": show(returns),
        "annotations": [{"name": note.name, "arguments": dict(note.arguments)} for note in rule.annotations],
        "error": None,
    }


def _field(module: CheckedModule, field: FieldInfo, depth: int) -> dict[str, Any]:
    kind = field.declared or field.guessed
    required = any(constraint.kind == "required" for constraint in field.constraints)
    described: dict[str, Any] = {
        "name": field.name,
        "type": show(kind),
        "typeKind": _KINDS.get(kind.kind, "PRIMITIVE"),
        "optional": kind.kind in {"Maybe", "Option"} and not required,
        "inferred": field.declared is None,
        "pii": field.secret,
        "constraints": [_constraint(constraint) for constraint in field.constraints],
    }
    described.update(_inside(module, kind, depth))
    return described


def _inside(module: CheckedModule, kind: Type, depth: int) -> dict[str, Any]:
    while kind.kind in {"Maybe", "Option", "List"}:
        kind = kind.args[0]
    if kind.kind == "Enum":
        return {"enumVariants": list(next(enum.variants for enum in module.enums if enum.name == kind.name))}
    if kind.kind == "Record" and depth < MAX_DEPTH:
        record = next(found for found in module.records if found.name == kind.name)
        return {"fields": [_field(module, field, depth + 1) for field in record.fields]}
    return {}


def _constraint(constraint: Constraint) -> dict[str, Any]:
    if constraint.kind == "required":
        return {"kind": "required"}
    if constraint.kind == "pattern":
        return {"kind": "pattern", "pattern": constraint.pattern}
    bounds = {"min": constraint.low, "max": constraint.high}
    return {"kind": "range", **{key: _number(bound) for key, bound in bounds.items() if bound is not None}}


def _number(bound: Any) -> Any:
    return format(bound, "f") if isinstance(bound, Decimal) else bound
