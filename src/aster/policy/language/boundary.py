"""The boundary: values from outside become values of the declared types, with every violation told (§11.4, §13).

Where all types allow it, `msgspec` converts a context straight into the generated record classes. Whatever it refuses,
and types it does not know, take the patient way, which converts what may be converted and lists what may not.
"""

from typing import Any

import msgspec

from aster.policy.language.classes import Classes, is_optional
from aster.policy.language.conversions import MISSING, Patient, Violations, violation
from aster.policy.language.core import RuleInfo
from aster.policy.language.lexicon import Lexicon


class Boundary:
    """The way in for one rule's arguments."""

    def __init__(self, rule: RuleInfo, classes: Classes, lexicon: Lexicon, *, lenient: bool) -> None:
        self.rule = rule
        self.classes = classes
        self.lexicon = lexicon
        self.lenient = lenient
        self.names = [parameter.name for parameter in rule.parameters]
        self.swift: type[msgspec.Struct] | None = None
        kinds = [None if lenient else classes.swift_type(parameter) for parameter in rule.parameters]
        optional = any(is_optional(parameter) for parameter in rule.parameters)
        if rule.parameters and all(kind is not None for kind in kinds) and not optional:
            columns = [(f"p{index}", kind) for index, kind in enumerate(kinds)]
            rename = {f"p{index}": name for index, name in enumerate(self.names)}
            self.swift = msgspec.defstruct("Arguments", columns, rename=rename, gc=False)

    def named(self, context: dict[str, Any]) -> list[Any]:
        """The arguments of a context keyed by parameter name. Raises `Violations`."""
        values = [context.get(name, MISSING) for name in self.names]
        shorthand = self._shorthand(context)
        return self._convert([context] if shorthand else values, shorthand)

    def _shorthand(self, context: dict[str, Any]) -> bool:
        """Whether the whole object stands for the rule's single record (specification §13)."""
        if len(self.names) != 1 or self.names[0] in context or not context:
            return False
        return self.rule.parameters[0].declared is None or any(name in context for name in self.shorthand_names)

    @property
    def shorthand_names(self) -> tuple[str, ...]:
        """The fields of the rule's single record."""
        declared = self.rule.parameters[0].declared if len(self.names) == 1 else None
        if declared is None or declared.kind != "Record":
            return ()
        record = self.classes.module.records[self.classes.record_index[declared.name]]
        return tuple(field.name for field in record.fields)

    def positional(self, values: list[Any]) -> list[Any]:
        if len(values) > len(self.names):
            raise Violations([violation("V017", self.lexicon, expected=len(self.names), actual=len(values))])
        return self._convert([*values, *[MISSING] * (len(self.names) - len(values))], False)

    def _convert(self, values: list[Any], shorthand: bool) -> list[Any]:
        patient = Patient(self.classes, self.lexicon, self.lenient)
        converted = []
        for parameter, value in zip(self.rule.parameters, values, strict=True):
            path = "" if shorthand else parameter.name
            converted.append(patient.field(parameter, value, path))
        if patient.violations:
            raise Violations(patient.violations)
        return converted
