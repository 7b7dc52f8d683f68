"""What `analyze` may say of a rule, with the inputs that show it."""

from typing import Any, Literal

import msgspec

from aster.policy.analysis.replay import Answer, differ
from aster.policy.language.core import Expr, RuleInfo
from aster.policy.language.program import Program

Kind = Literal["unreachable", "always", "gap", "overlap", "fault"]
GAP = "no branch returns for some inputs; the rule then yields nothing"
SEVERITIES: dict[str, Literal["warning", "info"]] = {
    "unreachable": "warning",
    "always": "info",
    "gap": "warning",
    "overlap": "warning",
    "fault": "info",
}


class Witness(msgspec.Struct, frozen=True):
    """An input that shows a finding, and what the program answers to it; ``otherwise``, what the later branch would."""

    context: dict[str, Any]
    outcome: Answer
    otherwise: Answer | None = None


class Finding(msgspec.Struct, frozen=True):
    """One claim about a rule. Those of "gap", "overlap" and "fault" have a witness, which has been replayed.

    ``module`` is the used module that the place is in, None for the policy itself.
    """

    kind: Kind
    severity: Literal["warning", "info"]
    rule: str
    message: str
    line: int
    column: int
    end_line: int
    end_column: int
    witness: Witness | None = None
    related_line: int | None = None
    module: str | None = None


class NotAnalysed(msgspec.Struct, frozen=True):
    """A place about which nothing is said, and why."""

    line: int
    column: int
    what: str
    module: str | None = None


class RuleAnalysis(msgspec.Struct, frozen=True):
    """What is known about one rule. ``complete`` is false when anything was left open."""

    rule: str
    findings: tuple[Finding, ...]
    not_analysed: tuple[NotAnalysed, ...]

    @property
    def complete(self) -> bool:
        return not self.not_analysed


class Claims:
    """Collects what is said of one rule."""

    def __init__(self, program: Program, rule: RuleInfo) -> None:
        self.program = program
        self.rule = rule
        self._findings: list[Finding] = []
        self._open: dict[NotAnalysed, None] = {}

    def add(
        self, kind: Kind, start: int, end: int, message: str, witness: Witness | None = None, related: int | None = None
    ) -> None:
        line, column = self.program.position(start)
        end_line, end_column = self.program.position(end)
        place = line, column, end_line, end_column
        module = self.program.module_at(start)
        self._findings.append(
            Finding(kind, SEVERITIES[kind], self.rule.name, message, *place, witness, related, module)
        )

    def overlap(self, row: Expr, other: Expr, witness: Witness) -> None:
        """Claim that a row holds together with an earlier one that answers differently, if its input shows it."""
        answer, otherwise = witness.outcome, witness.otherwise
        if otherwise is None or answer.error or otherwise.error or not differ(answer, otherwise):
            self.leave_open(row.start, "an overlap that could not be shown")
            return
        line = self.program.position(other.start)[0]
        message = f"holds together with the condition in line {line}, which wins and answers differently"
        self.add("overlap", row.start, row.end, message, witness, line)

    def leave_open(self, at: int, what: str) -> None:
        """Say of a place that nothing is said."""
        self._open[NotAnalysed(*self.program.position(at), what, self.program.module_at(at))] = None

    def analysis(self) -> RuleAnalysis:
        """Everything said, in the order of the text."""
        findings = sorted(self._findings, key=lambda found: (found.module or "", found.line, found.column))
        return RuleAnalysis(self.rule.name, tuple(findings), tuple(sorted(self._open, key=lambda place: place.line)))


def is_nothing(answer: Answer) -> bool:
    return answer.error is None and answer.value is None
