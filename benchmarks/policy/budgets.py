"""What budgets cost where nothing loops: decisions with the bounds of integers checked, and the same without any bound.

Usage: python -m benchmarks.policy.budgets [--rounds 400]

A rule that neither loops nor recurs has a worst case that is known before it runs: its steps and its depth are compared
once, when it is compiled, and cost nothing later. What is left at run time are the 64 bits of whole numbers and the
range of Float. Both forms take turns of a millisecond in one process; CPU time, the fastest twentieth of the turns.
"""

import argparse
import ast
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.policy.workloads import workloads

from aster.policy import Program, compile_source
from aster.policy.language.compiler import RuleCompiler, compile_module
from aster.policy.language.core import ArithmeticStep
from aster.policy.language.direct import DirectCompiler, direct

BAR = 1.05
TURN_SECONDS = 0.001

ARITHMETIC = """
Module bench.payment.

Define Loan has principal as Int, months as Int, rate as Int, fee as Int.

Rule decide given loan as Loan, extra as Int, produce Int:
  Let interest be loan.principal times loan.rate times loan.months integer divided by 120000.
  Let total be loan.principal plus interest plus loan.fee minus extra.
  If total less than 0
    Return 0.
  Return total integer divided by loan.months.
"""
"""A rule that is arithmetic throughout: the worst there is."""


class _Unbounded:
    """Arithmetic as Python has it."""

    def step(self, step: ArithmeticStep, left: ast.expr, right: ast.expr) -> ast.expr:
        bare = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}.get(step.operator)
        if bare is None or step.variant not in {"int", "float"}:
            return super().step(step, left, right)  # type: ignore[misc,no-any-return]  # of the compiler beside it
        return self.emit.node(ast.BinOp, left=left, op=bare(), right=right)  # type: ignore[attr-defined,no-any-return]


class UnboundedRules(_Unbounded, RuleCompiler):
    pass


class UnboundedDecisions(_Unbounded, DirectCompiler):
    pass


def unbounded(program: Program) -> Callable[[Any], Any]:
    """The decision function of a program without bounds."""
    checked, plans, source, classes = program._checked, program._plans, program._source, program._classes
    functions = compile_module(checked, plans, source, classes, UnboundedRules)
    rule = program.checked_rule("decide")
    made = direct(checked, plans, source, classes, rule, functions, program.function("decide"), UnboundedDecisions)
    if made is None:
        raise SystemExit(f"{program.module} has no direct function")
    return made


def turn(function: Callable[[Any], Any], contexts: list[dict[str, Any]], repeats: int) -> float:
    started = time.thread_time()
    for _ in range(repeats):
        for context in contexts:
            function(context)
    return (time.thread_time() - started) / repeats / len(contexts) * 1e6


def measure(forms: dict[str, Callable[[Any], Any]], contexts: list[dict[str, Any]], rounds: int) -> dict[str, float]:
    """Microseconds of a decision by form."""
    repeats = {
        name: max(1, int(TURN_SECONDS * 1e6 / len(contexts) / turn(form, contexts, 5))) for name, form in forms.items()
    }
    timed: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, form in forms.items():
            timed[name].append(turn(form, contexts, repeats[name]))
    return {name: statistics.quantiles(values, n=20)[0] for name, values in timed.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args().rounds
    programs = [(each.name, each.source, each.contexts, BAR) for each in workloads()]
    payments = [
        {"loan": {"principal": 1000 * size, "months": 12 + size, "rate": 40, "fee": 150}, "extra": 10 * size}
        for size in range(1, 65)
    ]
    programs.append(("arithmetic", ARITHMETIC, payments, BAR))
    for name, source, contexts, bar in programs:
        program = compile_source(source)
        bounded, free = program.function("decide"), unbounded(program)
        if [bounded(context) for context in contexts] != [free(context) for context in contexts]:
            raise SystemExit(f"{name}: the two forms answer differently")
        found = measure({"bounded": bounded, "unbounded": free}, contexts, rounds)
        ratio = found["bounded"] / found["unbounded"]
        print(
            f"{name:11} {found['bounded']:.3f} us with budgets, {found['unbounded']:.3f} us without: {ratio:.3f}x"
            f" [{bar}x] {'met' if ratio <= bar else 'NOT MET'}"
        )


if __name__ == "__main__":
    main()
