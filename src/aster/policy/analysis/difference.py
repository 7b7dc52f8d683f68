"""`diff`: an input on which two versions of a rule decide differently, or the proof that there is none."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import msgspec

from aster.policy.analysis.cells import NotSettled
from aster.policy.analysis.equality import equal
from aster.policy.analysis.execution import Execution, Observer, Skipped
from aster.policy.analysis.inputs import Example, Inputs, context_at
from aster.policy.analysis.logic import AnalysisTooLarge, Condition, World, both, chosen, compare, either, negated, z3
from aster.policy.analysis.replay import Answer, differ, replay
from aster.policy.analysis.signatures import Change, Input, changes_of, inputs_of, landmarks_of, looks_into_texts
from aster.policy.analysis.solving import OutOfTime, Solver, Undecided, holds
from aster.policy.analysis.table_difference import disagreements, pair_of
from aster.policy.analysis.values import Value
from aster.policy.language import core
from aster.policy.language.core import RuleInfo
from aster.policy.language.program import Program

Verdict = Literal["same", "differ", "unknown"]
MAX_WITNESSES = 20
MAX_ATTEMPTS = 12
DEFAULT_SECONDS = 30.0


class Difference(msgspec.Struct, frozen=True):
    """An input and what either version answers to it."""

    context: dict[str, Any]
    old: Answer
    new: Answer


class Unmodelled(msgspec.Struct, frozen=True):
    """A place the analysis knows nothing about."""

    version: str
    line: int
    column: int
    what: str
    module: str | None = None


class Comparison(msgspec.Struct, frozen=True):
    """The result of `compare_programs`. ``reasons`` say why a verdict is "unknown"; ``inputs``, what it is about."""

    verdict: Verdict
    rule: str
    differences: tuple[Difference, ...] = ()
    signature: tuple[Change, ...] = ()
    reasons: tuple[str, ...] = ()
    unmodelled: tuple[Unmodelled, ...] = ()
    inputs: tuple[Input, ...] = ()


class _Ways(Observer):
    """Keeps where a rule returns."""

    def __init__(self) -> None:
        self.ways: list[Condition] = []

    def returned(self, statement: core.Return, reached: Condition, value: Value) -> None:
        self.ways.append(reached)


class _Version(NamedTuple):
    """One version, executed: where it accepts its input, where it fails and how, and its value."""

    name: str
    program: Program
    rule: RuleInfo
    accepted: Condition
    failed: Condition
    code: Any
    value: Value
    skipped: tuple[Skipped, ...]
    ways: tuple[Condition, ...]


def compare_programs(
    old: Program,
    new: Program,
    rule: str | None = None,
    *,
    find_all: bool = False,
    seconds: float = DEFAULT_SECONDS,
    limit: int = MAX_WITNESSES,
) -> Comparison:
    """Whether two versions of a rule decide alike on every input that either accepts.

    A difference is reported only when the two programs, run on it, really differ; "same" only when the solver proved
    that there is none. ``find_all`` looks for one in every pair of branches, up to ``limit``. Raises `RuleNotFound` and
    `EntryAmbiguous` as `Program.evaluate` does.
    """
    mine, other = old.checked_rule(rule), new.checked_rule(rule)
    changes = changes_of(old.checked, mine, new.checked, other)
    return _Search(old, new, mine, other, changes, seconds, limit if find_all else 1).run()


class _Search:
    def __init__(
        self,
        old: Program,
        new: Program,
        old_rule: RuleInfo,
        new_rule: RuleInfo,
        changes: tuple[Change, ...],
        seconds: float,
        limit: int,
    ) -> None:
        modules = (old.checked, new.checked)
        rules = (old_rule, new_rule)
        self.world = World(
            strings=any(map(looks_into_texts, modules, rules)),
            landmarks=set[Fraction]().union(*map(landmarks_of, modules, rules)),
        )
        self.programs = (old, new)
        self.rules = rules
        self.changes = changes
        self.limit = limit
        self.solver = Solver(self.world, seconds)
        self.found: list[Difference] = []
        self.blocked: list[Condition] = []
        self.reasons: list[str] = []
        self.unmodelled: tuple[Unmodelled, ...] = ()

    def run(self) -> Comparison:
        verdict: Verdict = "unknown"
        try:
            verdict = self._search()
        except OutOfTime:
            self.reasons.append("the time is over (--timeout)")
        except AnalysisTooLarge as error:
            self.reasons.append(error.message)
        except z3.Z3Exception as error:
            self.reasons.append(f"the solver gave up: {error}")
        if self.found:
            verdict = "differ"
        return Comparison(
            verdict,
            self.rules[0].name,
            tuple(self.found),
            self.changes,
            tuple(self.reasons),
            self.unmodelled,
            inputs_of(self.programs[1].checked, self.rules[1]),
        )

    def _settle(self) -> Verdict | None:
        """The verdict on two decision tables, None if they are none or can't be settled so."""
        (old, new), (mine, other) = self.programs, self.rules
        pair = pair_of(old.checked, mine, new.checked, other, self.changes)
        if pair is None:
            return None
        doubtful = False
        try:
            for example in disagreements(pair, self.solver.until):
                if not self._confirm(context_at(old.checked, mine, example)):
                    doubtful = True
                elif len(self.found) >= self.limit:
                    return "differ"
        except NotSettled:
            return None
        if doubtful and not self.found:
            return None
        return "differ" if self.found else "same"

    def _search(self) -> Verdict:
        settled = self._settle()
        if settled is not None:
            return settled
        accepted = [self._accept(program, rule) for program, rule in zip(self.programs, self.rules, strict=True)]
        self.solver.tell(either(condition for condition, _ in accepted))
        old, new = versions = [
            self._execute(name, program, rule, *found)
            for name, program, rule, found in zip(_NAMES, self.programs, self.rules, accepted, strict=True)
        ]
        self.unmodelled = tuple(_places(versions))
        different = self.world.named(self._different(old, new))
        if any(change.incompatible for change in self.changes):
            self._probe(old, new)
            self.reasons.append("the signatures do not fit together, so that not every input could be compared")
            return "unknown"
        answered = both(negated(old.failed), negated(new.failed))
        proved = True
        for question in (both(old.accepted, new.accepted, answered, different), both(answered, different), different):
            proved = self._exhaust(question, old, new)
            if self.found and self.limit == 1:
                return "differ"
        if self.found:
            return "differ"
        if not proved and self.unmodelled:
            self.reasons.append("what is not analysed, see below, may or may not make a difference")
        return "same" if proved else "unknown"

    def _accept(self, program: Program, rule: RuleInfo) -> tuple[Condition, list[Value]]:
        """Where a version accepts its input, and its arguments."""
        inputs = Inputs(self.world, program.checked)
        arguments = [inputs.argument(parameter, parameter.name) for parameter in rule.parameters]
        return self.world.named(both(*inputs.accepted)), arguments

    def _execute(
        self, name: str, program: Program, rule: RuleInfo, accepted: Condition, arguments: list[Value]
    ) -> _Version:
        execution = Execution(self.world, program.checked, self.solver.may_hold)
        observer = _Ways()
        value = execution.call_rule(rule.index, arguments, observer)
        failed = self.world.named(either(fault.condition for fault in execution.faults))
        code: Any = -1
        for fault in execution.faults:
            known = self.world.name_of(f"error {fault.code}") if fault.code is not None else None
            term = known if known is not None else self.world.variable("Int", ("code", fault.key))
            code = chosen(fault.condition, term, code)
        ways = (*(fault.condition for fault in execution.faults), *observer.ways)
        return _Version(name, program, rule, accepted, failed, code, value, tuple(execution.skipped), ways)

    def _different(self, old: _Version, new: _Version) -> Condition:
        both_accept = both(old.accepted, new.accepted)
        one_accepts = either((both(old.accepted, negated(new.accepted)), both(negated(old.accepted), new.accepted)))
        fails_alone = either((both(old.failed, negated(new.failed)), both(negated(old.failed), new.failed)))
        other_error = both(old.failed, new.failed, compare("!=", old.code, new.code))
        other_value = both(
            negated(old.failed),
            negated(new.failed),
            negated(equal(self.world, old.value, new.value, as_json=True)),
        )
        return either((one_accepts, both(both_accept, either((fails_alone, other_error, other_value)))))

    def _exhaust(self, question: Condition, old: _Version, new: _Version) -> bool:
        """Replay inputs for which a question holds until there are enough or no more; whether there are no more."""
        blocked = self.blocked
        attempts = 0
        while len(self.found) < self.limit:
            try:
                model = self.solver.possible(question, *blocked)
            except Undecided as undecided:
                self.reasons.append(f"the solver could not decide it: {undecided}")
                return False
            if model is None:
                return not blocked
            context = self._context(model)
            if self._confirm(context):
                blocked.append(self._elsewhere(model, old, new))
                if len(self.found) >= self.limit:
                    return False
                continue
            attempts += 1
            if attempts >= MAX_ATTEMPTS:
                self.reasons.append("inputs that might be decided differently turned out not to be")
                return False
            blocked.append(self._otherwise(model))
        return False

    def _context(self, model: Any) -> dict[str, Any]:
        context: dict[str, Any] = {}
        for program, rule in zip(self.programs, self.rules, strict=True):
            example = Example(self.world, model, program.checked)
            for parameter in rule.parameters:
                value = example.argument(parameter, parameter.name)
                context[parameter.name] = _united(context.get(parameter.name), value)
        return context

    def _confirm(self, context: dict[str, Any]) -> bool:
        old, new = (
            replay(program, rule.name, _own(context, rule))
            for program, rule in zip(self.programs, self.rules, strict=True)
        )
        if not differ(old, new) or any(known.context == context for known in self.found):
            return False
        self.found.append(Difference(context, old, new))
        return True

    def _elsewhere(self, model: Any, old: _Version, new: _Version) -> Condition:
        """Not the same way through both versions again."""
        ways = [way for version in (old, new) for way in version.ways if holds(model, way)]
        return negated(both(*ways)) if ways else self._otherwise(model)

    def _otherwise(self, model: Any) -> Condition:
        """Not the same input again."""
        same = [variable == model.eval(variable, model_completion=True) for variable in self.world.inputs.values()]
        return negated(both(*same)) if same else False

    def _probe(self, old: _Version, new: _Version) -> None:
        """Try inputs that one version accepts on both."""
        for version in (old, new):
            for way in version.ways:
                try:
                    model = self.solver.possible(version.accepted, way)
                except Undecided:
                    continue
                if model is not None:
                    self._confirm(self._own_context(model, version))
                if len(self.found) >= self.limit:
                    return

    def _own_context(self, model: Any, version: _Version) -> dict[str, Any]:
        example = Example(self.world, model, version.program.checked)
        return {field.name: example.argument(field, field.name) for field in version.rule.parameters}


_NAMES = ("old", "new")


def _own(context: dict[str, Any], rule: RuleInfo) -> dict[str, Any]:
    names = {parameter.name for parameter in rule.parameters}
    return {name: value for name, value in context.items() if name in names}


def _united(mine: Any, other: Any) -> Any:
    """One input for two versions: of records, the fields of both."""
    if isinstance(mine, dict) and isinstance(other, dict):
        return {name: _united(mine.get(name), other.get(name)) for name in {**mine, **other}}
    return mine if mine is not None else other


def _places(versions: list[_Version]) -> Iterator[Unmodelled]:
    for version in versions:
        for skipped in version.skipped:
            line, column = version.program.position(skipped.at)
            yield Unmodelled(version.name, line, column, skipped.what, version.program.module_at(skipped.at))
