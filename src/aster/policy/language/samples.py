"""Inputs that fit a rule: within its constraints, typical first, then towards the edges; the same ones every time."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from aster.policy.language.core import CheckedModule, FieldInfo, RuleInfo
from aster.policy.language.faults import Fault
from aster.policy.language.patterns import compile_pattern
from aster.policy.language.tree import Constraint
from aster.policy.language.types import Type

MAX_DEPTH = 24
OPTIONAL_DEPTH = 3
ATTEMPTS = 50
"""Samples to try beyond those wanted: some may not evaluate, or be the same."""

_TYPICAL = {"age": 35, "score": 700, "amount": 1000, "income": 50_000, "count": 3, "year": 2024}
_TEXTS = ("sample", "other", "")
_DATES = ("2024-05-17", "1999-12-31", "2030-01-01")


def samples(module: CheckedModule, rule: RuleInfo) -> Iterator[dict[str, Any]]:
    """Contexts for a rule, without end. Whoever wants some takes as many, and skips those that do not evaluate."""
    number = 0
    while True:
        sampler = _Sampler(module, number)
        yield {field.name: sampler.field(field, 0) for field in rule.parameters}
        number += 1


class _Sampler:
    """The sample of one number; number 0 is the typical one."""

    def __init__(self, module: CheckedModule, number: int) -> None:
        self.records = {record.name: record for record in module.records}
        self.enums = {enum.name: enum for enum in module.enums}
        self.number = number
        self.chance = random.Random(number)  # noqa: S311 - samples, not secrets

    def field(self, field: FieldInfo, depth: int) -> Any:
        kind = field.declared or field.guessed
        if any(constraint.kind == "required" for constraint in field.constraints) and kind.kind == "Maybe":
            kind = kind.args[0]
        for constraint in field.constraints:
            if constraint.kind == "pattern":
                return _text_for(constraint.pattern or "")
        return self.of(kind, field.name, field.constraints, depth)

    def of(self, kind: Type, name: str, constraints: tuple[Constraint, ...], depth: int) -> Any:
        if kind.kind in {"Int", "Long", "Float", "Number", "Decimal"}:
            return self.number_of(kind.kind, name, constraints)
        if kind.kind == "Enum":
            variants = self.enums[kind.name].variants
            return variants[self.number % len(variants)]
        if kind.kind == "Record":
            fields = self.records[kind.name].fields if depth < MAX_DEPTH else ()
            return {field.name: self.field(field, depth + 1) for field in fields}
        if kind.kind in {"Maybe", "Option"}:
            absent = depth >= OPTIONAL_DEPTH or self.number % 3 == 2
            return None if absent else self.of(kind.args[0], name, constraints, depth + 1)
        if kind.kind == "List":
            count = 0 if depth >= OPTIONAL_DEPTH else (2, 0, 3)[self.number % 3]
            return [self.of(kind.args[0], name, (), depth + 1) for _ in range(count)]
        if kind.kind == "Map":
            return {} if depth >= OPTIONAL_DEPTH else {"key": self.of(kind.args[1], name, (), depth + 1)}
        if kind.kind == "Result":
            return {"__type": "Ok", "value": self.of(kind.args[0], name, (), depth + 1)}
        return self.plain(kind.kind)

    def plain(self, kind: str) -> Any:
        choices: dict[str, tuple[Any, ...]] = {"Bool": (True, False), "Text": _TEXTS, "DateTime": _DATES}
        found = choices.get(kind, (None,))
        return found[self.number % len(found)]

    def number_of(self, kind: str, name: str, constraints: tuple[Constraint, ...]) -> Any:
        ranges = [constraint for constraint in constraints if constraint.kind == "range"]
        low = max((found.low for found in ranges if found.low is not None), default=None)
        high = min((found.high for found in ranges if found.high is not None), default=None)
        value = self._between(name.lower(), low, high)
        if kind in {"Int", "Long"}:
            whole = int(value)
            return whole + 1 if low is not None and whole < low else whole
        return str(value) if kind == "Decimal" and isinstance(value, Decimal) else value

    def _between(self, name: str, low: Any, high: Any) -> Any:
        if self.number == 0:
            typical: Any = next((value for word, value in _TYPICAL.items() if name.endswith(word)), 10)
            typical = low if low is not None and typical < low else typical
            return high if high is not None and typical > high else typical
        if self.number == 1 and low is not None:
            return low
        if self.number == 2 and high is not None:
            return high
        bottom = low if low is not None else (0 if high is None else min(0, int(high) - 100))
        top = high if high is not None else int(bottom) + 10 ** (1 + self.number % 6)
        return bottom + (top - bottom) * Decimal(self.chance.randrange(101)) / 100 if _exact(bottom, top) else bottom


def _exact(*bounds: Any) -> bool:
    return all(isinstance(bound, int | Decimal) for bound in bounds)


def _text_for(pattern: str) -> str:
    try:
        return compile_pattern(pattern).example() or ""
    except Fault:
        return ""
