"""The reference interpreter: closures over the core, the oracle for the compiler and the explain mode.

Written for obviousness: one closure a node, an environment that is a list of slots, the same operations as compiled
code. Where a recorder is given, branches, matches, calls and returns are told to it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from aster.policy.language import metering
from aster.policy.language.budget import RulePlan
from aster.policy.language.classes import Classes
from aster.policy.language.core import CheckedModule, RuleInfo
from aster.policy.language.faults import Fault
from aster.policy.language.interpret_expressions import GOES_ON
from aster.policy.language.interpret_statements import StatementInterpreter
from aster.policy.language.values import Run

RECURSION = 20_000

_recursion_lock = Lock()
_deep_runs = 0
_usual_limit = 0


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Room for closures: a call in a policy takes a dozen Python frames here, and `Run` bounds the calls."""
    global _deep_runs, _usual_limit
    with _recursion_lock:
        if _deep_runs == 0:
            _usual_limit = sys.getrecursionlimit()
            sys.setrecursionlimit(max(_usual_limit, RECURSION))
        _deep_runs += 1
    try:
        yield
    finally:
        with _recursion_lock:
            _deep_runs -= 1
            if _deep_runs == 0:
                sys.setrecursionlimit(_usual_limit)


def interpret(
    module: CheckedModule,
    plans: tuple[RulePlan, ...],
    classes: Classes,
    rule: RuleInfo,
    arguments: list[Any],
    run: Run,
) -> Any:
    """The value of a rule. Raises `Fault` with the offset where it happened."""
    interpreter = Interpreter(module, plans, classes, run)
    with _deep_recursion():
        return interpreter.call_rule(rule.index, arguments)


class Interpreter(StatementInterpreter):
    """Closures of one module for one evaluation."""

    def call_rule(self, index: int, arguments: list[Any]) -> Any:
        rule = self.module.rules[index]
        body = self.bodies.get(index)
        if body is None:
            body = self.bodies[index] = self.block(rule.body)
        plan = self.plans[index]
        if plan.metered:
            self.enter(rule, plan.cost)
        slots = [*arguments, *[None] * (rule.slots - len(arguments))]
        recorder = self.recorder
        if recorder is not None:
            recorder.enter_rule(rule)
        try:
            value = body(slots)
        finally:
            if plan.metered:
                metering.leave(self.run)
        value = None if value is GOES_ON else value
        if recorder is not None:
            recorder.leave_rule()
        return value

    def enter(self, rule: RuleInfo, cost: int) -> None:
        """Pay for a call; a limit is met where the rule begins."""
        try:
            metering.enter(self.run, cost)
        except Fault as fault:
            fault.at = rule.start
            raise
