"""The decision trace (policy service specification §3.7): what was asked, of which values, and which way it went.

A trace depends on the program and the arguments only, so that its hash can be reproduced: no times, no addresses.
Values that carry PII are masked.
"""

import json
from typing import Any

from aster.policy.language import core
from aster.policy.language.budget import expressions_of
from aster.policy.language.core import CheckedModule, Expr, RuleInfo
from aster.policy.language.encoding import encode
from aster.policy.language.faults import Fault
from aster.policy.language.source import SourceText

MAX_STEPS = 500
MAX_VALUE = 65_536
"""Parts of one value that is shown, and characters of it as JSON."""

MAX_SHOWN = 2 * MAX_VALUE
"""Parts of all values of a trace: a value that every step holds would else be written out some thousand times."""

MASK = "***"


class Mark:
    """A step being recorded."""

    __slots__ = ("children", "condition", "kind", "not_evaluated", "operands", "sequence", "span", "taken")

    def __init__(self, sequence: int, kind: str, span: tuple[int, int], wanted: list[str]) -> None:
        self.sequence = sequence
        self.kind = kind
        self.span = span
        self.not_evaluated = wanted
        self.operands: dict[str, Any] = {}
        self.children: list[dict[str, Any]] = []
        self.condition: bool | None = None
        self.taken = True


class Recorder:
    """Collects the steps of one evaluation."""

    def __init__(self, module: CheckedModule, source: SourceText) -> None:
        self._module = module
        self._source = source
        self._steps: list[dict[str, Any]] = []
        self._open: list[Mark] = []
        self._sequence = 0
        self._depth = 0
        self._truncated = False
        self._room = MAX_SHOWN
        self._secret_result = False
        self._rule: RuleInfo | None = None
        fields = (field for record in module.records for field in record.fields)
        self._secret_fields = frozenset(field.name for field in fields if field.secret)

    def words(self, start: int, end: int) -> str:
        """The user's own words."""
        return self._source.excerpt(start, end)

    # rules

    def enter_rule(self, rule: RuleInfo) -> None:
        if self._rule is None:
            self._rule = rule
        self._depth += 1

    def leave_rule(self) -> None:
        self._depth -= 1

    # steps

    def begin(self, kind: str, start: int, end: int, condition: Expr | None = None) -> Mark:
        self._sequence += 1
        wanted = [] if condition is None else self._operands_of(condition)
        mark = Mark(self._sequence, kind, (start, end), wanted)
        self._open.append(mark)
        return mark

    def _operands_of(self, condition: Expr) -> list[str]:
        names = []
        for node in expressions_of(condition):
            if isinstance(node, core.Local | core.FieldOf | core.CallRule):
                name = self.words(node.start, node.end)
                if name not in names:
                    names.append(name)
        return names

    def seen(self, node: Expr, value: Any) -> Any:
        """Note an operand of the step at hand, and pass it on."""
        if self._open:
            self.operand(self._open[-1], node, value)
        return value

    def operand(self, mark: Mark, node: Expr, value: Any) -> None:
        name = self.words(node.start, node.end)
        mark.operands[name] = MASK if node.secret else self._shown(value)
        if name in mark.not_evaluated:
            mark.not_evaluated.remove(name)

    def decided(self, mark: Mark, taken: bool) -> None:
        mark.condition = mark.taken = taken

    def chose(self, mark: Mark, arm: core.Arm) -> None:
        """The arm of a match that applies."""
        self.decided(mark, True)

    def end(self, mark: Mark, result: Any, branch: str | None, *, secret: bool) -> None:
        if mark.kind in {"return", "let", "call"}:
            self._secret_result = secret
        if mark in self._open:
            del self._open[self._open.index(mark) :]
        if mark.sequence > MAX_STEPS:
            self._truncated = True
            return
        hidden = result is not None and (secret or (mark.kind in {"if", "match"} and self._secret_result))
        line, column = self._source.position(mark.span[0])
        step: dict[str, Any] = {
            "sequence": mark.sequence,
            "kind": mark.kind,
            "expression": self.words(*mark.span),
            "result": MASK if hidden else self._shown(result),
            "matched": mark.taken,
            "line": line,
            "column": column,
            "depth": self._depth,
            "operands": mark.operands,
            "children": mark.children,
        }
        if mark.condition is not None:
            step["condition"] = mark.condition
            step["branch"] = branch
            step["notEvaluated"] = mark.not_evaluated
        (self._open[-1].children if self._open else self._steps).append(step)

    def _shown(self, value: Any) -> Any:
        if value is None or type(value) is bool:
            return value
        allowed = min(MAX_VALUE, self._room)
        room = [allowed]
        try:
            shown = encode(value, room=room)
        except Fault as fault:
            if fault.code == "SIZE_LIMIT":
                self._truncated = True
                return {"truncated": True}
            return "function"
        finally:
            self._room -= allowed - max(room[0], 0)
        if isinstance(shown, str | list | dict) and len(json.dumps(shown)) > MAX_VALUE:
            self._truncated = True
            return {"truncated": True}
        return self._masked(shown)

    def _masked(self, shown: Any) -> Any:
        """A value in JSON form whose fields of personal data are hidden, wherever they are in it."""
        if not self._secret_fields or not isinstance(shown, dict | list):
            return shown
        if isinstance(shown, list):
            return [self._masked(item) for item in shown]
        secret = self._secret_fields
        return {
            name: MASK if name in secret and value is not None else self._masked(value) for name, value in shown.items()
        }

    def finish(self, value: Any) -> dict[str, Any]:
        """The whole trace. ``value`` is the decision in JSON form."""
        return {
            "moduleName": self._module.name,
            "functionName": self._rule.name if self._rule is not None else None,
            "steps": self._steps,
            "finalResult": MASK if self._secret_result and value is not None else self._masked(value),
            "truncated": self._truncated,
        }
