"""What `analyze` says of a decision table, without a solver."""

import time
from collections.abc import Mapping
from typing import Any

from aster.policy.analysis.cells import Domain, NotSettled, Path, implies, some_value, walk
from aster.policy.analysis.decision_table import NOTHING, DecisionTable
from aster.policy.analysis.findings import GAP, Claims, Witness, is_nothing
from aster.policy.analysis.inputs import context_at
from aster.policy.analysis.replay import Answer, replay
from aster.policy.analysis.variants import with_body
from aster.policy.language import core

Example = Mapping[Path, Any]


def settle_table(claims: Claims, table: DecisionTable, *, constrained: bool, until: float) -> bool:
    """Say all there is to say of a table, or nothing: whether it could be settled until a moment of the clock."""
    walked = _Walk(table, table.within() if constrained else table.domains)
    try:
        walked.run(until)
    except NotSettled:
        return False
    _Telling(claims, table, walked).run()
    return True


class _Walk:
    """Where each row wins first (the last "row" is the end of the rule), and which rows hold where another wins."""

    def __init__(self, table: DecisionTable, domains: Mapping[Path, Domain]) -> None:
        self.rows = table.rows
        self.domains = domains
        self.taken: dict[int, Example] = {}
        self.overlaps: dict[int, tuple[int, Example]] = {}
        self._cases: dict[tuple[int, int], bool] = {}

    def run(self, until: float) -> None:
        for cell in walk([self.rows], self.domains):
            if time.monotonic() > until:
                raise NotSettled("the time is over")
            active = cell.active[0]
            first = active[0] if active else len(self.rows)
            self.taken.setdefault(first, cell.example)
            for later in active[1:]:
                if later not in self.overlaps and self._clash(first, later):
                    example = None if self._is_case(first, later) else self._where(later, cell.example)
                    if example is not None:
                        self.overlaps[later] = first, example

    def _clash(self, first: int, later: int) -> bool:
        """Whether rows answer differently and ask about the same: one that asks about more is put first on purpose."""
        mine, other = self.rows[first], self.rows[later]
        return mine.result != other.result and mine.tests.keys() == other.tests.keys()

    def _is_case(self, first: int, later: int) -> bool:
        """Whether a row only holds where a later one does: an exception to it, which is no accident."""
        known = self._cases.get((first, later))
        if known is None:
            mine, others = self.rows[first].tests, self.rows[later].tests
            known = all(implies(mine.get(path, ()), tests, self.domains[path]) for path, tests in others.items())
            self._cases[first, later] = known
        return known

    def _where(self, row: int, example: Example) -> Example | None:
        """An example in which a row holds as well."""
        found = dict(example)
        for path, tests in self.rows[row].tests.items():
            if path not in found:
                value = some_value(tests, self.domains[path])
                if value is None:
                    return None
                found[path] = value
        return found


class _Telling:
    """Turns what was found into claims, with inputs that have been replayed."""

    def __init__(self, claims: Claims, table: DecisionTable, walked: _Walk) -> None:
        self.claims = claims
        self.table = table
        self.walked = walked

    def run(self) -> None:
        taken, places = self.walked.taken, self.table.statements
        last = max(taken, default=0)
        for index, (test, _) in enumerate(places[: last + 1]):
            if index not in taken:
                self.claims.add("unreachable", test.start, test.end, "this condition never holds where it is asked")
            elif index == last:
                self.claims.add("always", test.start, test.end, "this condition always holds where it is asked")
        if last == len(places) and self.table.otherwise == NOTHING:
            self._tell_gap(taken[last])
        for later, (first, example) in sorted(self.walked.overlaps.items()):
            if later in taken:
                self._tell_overlap(first, later, example)

    def _tell_gap(self, example: Example) -> None:
        claims, rule = self.claims, self.claims.rule
        returns = rule.declared_returns
        if returns is not None and returns.kind in {"Maybe", "Option"}:
            return
        context, answer = self._replayed(example)
        if is_nothing(answer):
            claims.add("gap", rule.start, rule.start + len(rule.name), GAP, Witness(context, answer))
        else:
            claims.leave_open(rule.start, "whether every input is answered: no input was found that shows it")

    def _tell_overlap(self, first: int, later: int, example: Example) -> None:
        claims = self.claims
        (other, _), (test, result) = self.table.statements[first], self.table.statements[later]
        context, answer = self._replayed(example)
        alone = core.If(test.start, test.end, ((test, (result,)),), ())
        without = with_body(claims.program, claims.rule.index, (alone,))
        claims.overlap(test, other, Witness(context, answer, replay(without, claims.rule.name, context)))

    def _replayed(self, example: Example) -> tuple[dict[str, Any], Answer]:
        claims = self.claims
        context = context_at(claims.program.checked, claims.rule, example)
        return context, replay(claims.program, claims.rule.name, context)
