"""`analyze`: what can never happen in a rule, what always does, where it ends without an answer, where it can fail."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from aster.policy.analysis.decision_table import decision_table
from aster.policy.analysis.equality import equal
from aster.policy.analysis.execution import Execution, Observer
from aster.policy.analysis.findings import GAP, Claims, Kind, RuleAnalysis, Witness, is_nothing
from aster.policy.analysis.inputs import Example, Inputs
from aster.policy.analysis.logic import AnalysisTooLarge, Condition, World, both, either, negated, z3
from aster.policy.analysis.replay import Answer, replay
from aster.policy.analysis.signatures import landmarks_of, looks_into_texts
from aster.policy.analysis.solving import OutOfTime, Solver, Undecided, holds
from aster.policy.analysis.table_coverage import settle_table
from aster.policy.analysis.values import Value
from aster.policy.analysis.variants import without_branches
from aster.policy.language import core
from aster.policy.language.budget import expressions_of, walk
from aster.policy.language.core import Expr, RuleInfo
from aster.policy.language.decision_index import path_key
from aster.policy.language.program import Program

DEFAULT_SECONDS = 30.0
MAX_ATTEMPTS = 8
LEAST_ROWS = 2


def analyze_program(
    program: Program, rule: str | None = None, *, seconds: float = DEFAULT_SECONDS
) -> tuple[RuleAnalysis, ...]:
    """Analyse one rule, or all of them, each for the inputs that its declared types and ranges admit.

    A rule that others call is analysed for every value of its types: calls inside a program are not held to ranges.
    ``seconds`` is the time for each rule. Raises `RuleNotFound`.
    """
    rules = program.checked.rules[: program.checked.own] if rule is None else (program.checked_rule(rule),)
    called = {
        node.rule
        for each in program.checked.rules
        for node in walk(each.body)
        if isinstance(node, core.CallRule | core.RuleValue)
    }
    return tuple(_Analysis(program, each, each.index in called, seconds).run() for each in rules)


class _Branch(NamedTuple):
    """A condition or a pattern: where it is asked, where it holds."""

    start: int
    end: int
    reached: Condition
    holds: Condition
    is_arm: bool


class _Branches(Observer):
    """Keeps what is decided in the rule itself."""

    def __init__(self) -> None:
        self.branches: list[_Branch] = []
        self.values: dict[int, tuple[Condition, Value]] = {}

    def branch(self, node: Expr, reached: Condition, holds: Condition) -> None:
        self.branches.append(_Branch(node.start, node.end, reached, holds, False))

    def arm(self, arm: core.Arm, reached: Condition, matches: Condition) -> None:
        self.branches.append(_Branch(arm.pattern.start, arm.pattern.end, reached, matches, True))

    def returned(self, statement: core.Return, reached: Condition, value: Value) -> None:
        self.values[statement.start] = (reached, value)


class _Analysis:
    def __init__(self, program: Program, rule: RuleInfo, called: bool, seconds: float) -> None:
        self.program = program
        self.rule = rule
        self.called = called
        module = program.checked
        self.world = World(strings=looks_into_texts(module, rule), landmarks=landmarks_of(module, rule))
        self.solver = Solver(self.world, seconds)
        self.claims = Claims(program, rule)
        self.unreachable: set[int] = set()

    def run(self) -> RuleAnalysis:
        try:
            self._analyse()
        except OutOfTime:
            self.claims.leave_open(self.rule.start, "the rest of the rule: the time is over (--timeout)")
        except AnalysisTooLarge as error:
            self.claims.leave_open(self.rule.start, f"the rule: {error.message}")
        except z3.Z3Exception as error:
            self.claims.leave_open(self.rule.start, f"the rest of the rule: the solver gave up: {error}")
        return self.claims.analysis()

    def _analyse(self) -> None:
        module = self.program.checked
        table = decision_table(module, self.rule)
        if table is not None and settle_table(self.claims, table, constrained=not self.called, until=self.solver.until):
            return
        inputs = Inputs(self.world, module, constrained=not self.called)
        arguments = [
            inputs.argument(self._within(index), parameter.name) for index, parameter in enumerate(self.rule.parameters)
        ]
        self.solver.tell(both(*inputs.accepted))
        execution = Execution(self.world, module, self.solver.may_hold)
        observed = _Branches()
        execution.call_rule(self.rule.index, arguments, observed)
        for skipped in execution.skipped:
            self.claims.leave_open(skipped.at, skipped.what)
        self._judge_branches(observed.branches)
        self._judge_end(execution)
        self._judge_overlaps(observed)
        self._judge_faults(execution)

    def _within(self, index: int) -> core.FieldInfo:
        """A parameter with what may be relied on: of a rule that others call, only promises that hold inside too."""
        parameter = self.rule.parameters[index]
        if self.called and not self.rule.trusted[index]:
            return msgspec.structs.replace(parameter, declared=None)
        return parameter

    # claims

    def _judge_branches(self, branches: list[_Branch]) -> None:
        """One question for most: an input that takes a branch often shows that the one before need not be taken."""
        before: _Branch | None = None
        for branch in branches:
            taken = self._judge(branch)
            if before is not None:
                self._judge_always(before, taken)
            before = branch if taken is not None else None
        if before is not None:
            self._judge_always(before, None)

    def _judge(self, branch: _Branch) -> Any | None:
        """What is to be said of a branch, and a model in which it is taken."""
        what = "pattern" if branch.is_arm else "condition"
        try:
            taken = self.solver.model(branch.reached, branch.holds)
            if taken is None and self.solver.model(branch.reached) is not None:
                self.unreachable.add(branch.start)
                self.claims.add("unreachable", branch.start, branch.end, f"this {what} never holds where it is asked")
        except Undecided as undecided:
            self.claims.leave_open(branch.start, f"this {what}: {undecided}")
            return None
        return taken

    def _judge_always(self, branch: _Branch, following: Any | None) -> None:
        """Whether a branch that can be taken always is; ``following`` is a model in which the next one is."""
        if branch.is_arm or (following is not None and _passes(following, branch)):
            return
        try:
            if self.solver.model(branch.reached, negated(branch.holds)) is None:
                self.claims.add("always", branch.start, branch.end, "this condition always holds where it is asked")
        except Undecided as undecided:
            self.claims.leave_open(branch.start, f"this condition: {undecided}")

    def _judge_end(self, execution: Execution) -> None:
        if execution.fell_through is False or not self.rule.body:
            return
        returns = self.rule.declared_returns
        if returns is not None and returns.kind in {"Maybe", "Option"}:
            return
        start, end = self.rule.start, self.rule.start + len(self.rule.name)
        self._show("gap", start, end, GAP, execution.fell_through, is_nothing)

    def _judge_faults(self, execution: Execution) -> None:
        told: set[tuple[str, int]] = set()
        for fault in execution.faults:
            line = self.program.position(fault.at)[0]
            if fault.code is None or (fault.code, line) in told:
                continue
            code = fault.code

            def shows(answer: Answer, code: str = code) -> bool:
                return answer.error == code

            if self._show("fault", fault.at, fault.at + 1, f"can fail: {code}", fault.condition, shows):
                told.add((code, line))

    def _judge_overlaps(self, observed: _Branches) -> None:
        """Rows that ask about the same inputs, hold together and answer differently, none being a case of the other."""
        conditions = {branch.start: branch for branch in observed.branches}
        for rows in _tables(self.rule.body):
            known = [row for row in rows if row.test.start in conditions and row.result.start in observed.values]
            groups: dict[Any, list[_Row]] = {}
            for row in known:
                groups.setdefault(row.paths, []).append(row)
            for group in groups.values():
                if len(group) >= LEAST_ROWS:
                    self._judge_table(group, conditions, observed)

    def _judge_table(self, rows: list["_Row"], conditions: dict[int, _Branch], observed: _Branches) -> None:
        first = conditions[rows[0].test.start].reached
        for index, row in enumerate(rows[1:], 1):
            mine = conditions[row.test.start]
            if row.test.start in self.unreachable:
                continue
            earlier = rows[:index]
            try:
                self._judge_row(first, row, mine, earlier, conditions, observed)
            except Undecided as undecided:
                self.claims.leave_open(row.test.start, f"overlaps of this condition: {undecided}")

    def _judge_row(
        self,
        first: Condition,
        row: "_Row",
        mine: _Branch,
        earlier: list["_Row"],
        conditions: dict[int, _Branch],
        observed: _Branches,
    ) -> None:
        others = [(other, conditions[other.test.start]) for other in earlier]
        value = observed.values[row.result.start][1]
        clashes = [
            (
                other,
                both(
                    branch.holds,
                    negated(equal(self.world, observed.values[other.result.start][1], value, as_json=True)),
                ),
            )
            for other, branch in others
        ]
        together = self.world.named(either(clash for _, clash in clashes))
        model = self.solver.possible(first, mine.holds, together)
        while model is not None:
            other = next(row for row, clash in clashes if holds(model, clash))
            theirs = conditions[other.test.start].holds
            if self.solver.model(first, theirs, negated(mine.holds)) is not None:
                self._tell_overlap(row, other, earlier, self._context(model))
                return
            clashes = [each for each in clashes if each[0] is not other]
            together = self.world.named(either(clash for _, clash in clashes))
            model = self.solver.possible(first, mine.holds, together)

    def _unlike(self, left: Value, right: Value) -> Condition:
        return negated(equal(self.world, left, right, as_json=True))

    # witnesses

    def _tell_overlap(self, row: "_Row", other: "_Row", earlier: list["_Row"], context: dict[str, Any]) -> None:
        """Claim an overlap if the program without the earlier rows answers an input differently."""
        answer = replay(self.program, self.rule.name, context)
        rest = without_branches(self.program, self.rule.index, frozenset(each.test.start for each in earlier))
        otherwise = replay(rest, self.rule.name, context)
        self.claims.overlap(row.test, other.test, Witness(context, answer, otherwise))

    def _context(self, model: Any) -> dict[str, Any]:
        example = Example(self.world, model, self.program.checked)
        return {
            parameter.name: example.argument(self._within(index), parameter.name)
            for index, parameter in enumerate(self.rule.parameters)
        }

    def _show(
        self, kind: Kind, start: int, end: int, message: str, condition: Condition, shows: Callable[[Answer], bool]
    ) -> bool:
        """Claim something if an input can be found that, replayed, shows it; whether it was."""
        blocked: list[Condition] = []
        try:
            for _ in range(MAX_ATTEMPTS):
                model = self.solver.possible(condition, *blocked)
                if model is None:
                    break
                context = self._context(model)
                answer = replay(self.program, self.rule.name, context)
                if shows(answer):
                    self.claims.add(kind, start, end, message, Witness(context, answer))
                    return True
                same = [given == model.eval(given, model_completion=True) for given in self.world.inputs.values()]
                blocked.append(negated(both(*same)) if same else False)
        except Undecided as undecided:
            self.claims.leave_open(start, f"{_OPEN[kind]}: {undecided}")
            return False
        if blocked:
            self.claims.leave_open(start, f"{_OPEN[kind]}: no input was found that shows it")
        return False


def _passes(model: Any, branch: _Branch) -> bool:
    """Whether a branch is reached and not taken in a model."""
    return holds(model, branch.reached) and not holds(model, branch.holds)


_OPEN = {"gap": "whether every input is answered", "fault": "whether this can fail", "overlap": "overlaps"}


class _Row(NamedTuple):
    """A branch that only returns: its condition, what it asks about, its result."""

    test: Expr
    paths: tuple[Any, ...]
    result: core.Return


def _tables(body: tuple[core.Stmt, ...]) -> Iterator[list[_Row]]:
    """Runs of branches that only return, in a body and in the bodies inside it."""
    rows: list[_Row] = []
    for statement in body:
        found = list(_rows(statement)) if isinstance(statement, core.If) else []
        if found and isinstance(statement, core.If) and len(found) == len(statement.branches):
            rows += found
            continue
        yield rows
        rows = []
        if isinstance(statement, core.If):
            for _, inner in statement.branches:
                yield from _tables(inner)
            yield from _tables(statement.otherwise)
        elif isinstance(statement, core.Match):
            for arm in statement.arms:
                yield from _tables(arm.body)
    yield rows


def _rows(statement: core.If) -> Iterator[_Row]:
    for test, body in statement.branches:
        if len(body) == 1 and isinstance(body[0], core.Return):
            yield _Row(test, _paths(test), body[0])


def _paths(test: Expr) -> tuple[Any, ...]:
    """The inputs a condition asks about."""
    return tuple(
        sorted({repr(key) for node in expressions_of(test) if isinstance(node, Expr) and (key := path_key(node))})
    )
