"""Which branches evaluations took: both ways of every condition, and every arm of every match."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from aster.policy.language import core
from aster.policy.language.budget import DEFAULT_SECONDS, DEFAULT_STEPS, walk
from aster.policy.language.core import CheckedModule, Expr
from aster.policy.language.source import SourceText
from aster.policy.language.trace import Mark, Recorder

if TYPE_CHECKING:
    from aster.policy.language.program import Program

HOLDS, FAILS, APPLIES = "holds", "does not hold", "applies"


class Branch(msgspec.Struct, frozen=True):
    """One way a rule can go; ``way`` is what was asked of ``text``: it holds, does not hold, or (an arm) applies."""

    rule: str
    line: int
    column: int
    text: str
    way: str


class Coverage:
    """Collects the branches that evaluations of one program take."""

    def __init__(self, program: "Program") -> None:
        self._program = program
        self._taken: set[tuple[int, str]] = set()
        self._all = _branches(program._checked, program._source)

    def evaluate(self, rule: str | None, context: Any = None, args: Sequence[Any] | None = None) -> Any:
        """The value of a rule, its branches noted. Raises `PolicyEvaluationError`."""
        recorder = _BranchRecorder(self._program._checked, self._program._source, self._taken)
        entry = self._program._entry(rule)
        return entry.trace(context, args, DEFAULT_STEPS, DEFAULT_SECONDS, recorder).value

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Every branch of the module's own rules, in the order of the text."""
        return tuple(branch for _, branch in sorted(self._all.items(), key=lambda item: item[0][0]))

    @property
    def missed(self) -> tuple[Branch, ...]:
        """The branches no evaluation took."""
        return tuple(branch for place, branch in sorted(self._all.items(), key=lambda item: item[0][0])
                     if place not in self._taken)  # fmt: skip

    @property
    def percent(self) -> float:
        """Branches taken of all branches; 100 where there are none."""
        total = len(self._all)
        return 100.0 if not total else 100.0 * (total - len(self.missed)) / total


class _BranchRecorder(Recorder):
    """Notes which way conditions went and which arms applied; tells no story."""

    def __init__(self, module: CheckedModule, source: SourceText, taken: set[tuple[int, str]]) -> None:
        super().__init__(module, source)
        self._ways = taken

    def begin(self, kind: str, start: int, end: int, condition: Expr | None = None) -> Mark:
        return Mark(0, kind, (start, end), [])

    def seen(self, node: Expr, value: Any) -> Any:
        return value

    def operand(self, mark: Mark, node: Expr, value: Any) -> None:
        """No story, no operands."""

    def decided(self, mark: Mark, taken: bool) -> None:
        mark.condition = mark.taken = taken
        if mark.kind != "match":
            self._ways.add((mark.span[0], HOLDS if taken else FAILS))

    def chose(self, mark: Mark, arm: core.Arm) -> None:
        self._ways.add((arm.start, APPLIES))

    def end(self, mark: Mark, result: Any, branch: str | None, *, secret: bool) -> None:
        """No story, no steps."""


def _branches(module: CheckedModule, source: SourceText) -> dict[tuple[int, str], Branch]:
    found: dict[tuple[int, str], Branch] = {}

    def add(rule: str, start: int, end: int, way: str) -> None:
        found[start, way] = Branch(rule, *source.position(start), source.excerpt(start, end), way)

    for rule in module.rules[: module.own]:
        for node in walk(rule.body):
            if isinstance(node, core.If | core.Choose):
                for test, _ in node.branches:
                    if not (isinstance(test, core.Const) and type(test.value) is bool):
                        add(rule.name, test.start, test.end, HOLDS)
                        add(rule.name, test.start, test.end, FAILS)
            elif isinstance(node, core.Match):
                for arm in node.arms:
                    add(rule.name, arm.start, arm.end, APPLIES)
    return found
