"""From source to callable: against CPython's `ast.parse`, as sources grow, and at the size limit.

Usage: python -m benchmarks.policy.compiling [--rounds 9]

CPU time. Sources are compiled whole: read, parsed, checked, made functions. The first row is told twice: medians,
and the fastest twentieth of the turns, which is what it costs when neighbours do not take the caches.
"""

import argparse
import ast
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.policy.workloads import LOAN

from aster.policy import PolicySyntaxError, compile_source
from aster.policy.language.source import MAX_SOURCE, MAX_TOKENS

NO_LIMIT = 10**9
TOKENS_OF_A_RULE = 93


def seconds(function: Callable[[], Any], rounds: int) -> float:
    found = []
    for _ in range(rounds):
        started = time.thread_time()
        function()
        found.append(time.thread_time() - started)
    return statistics.median(found)


def interleaved(mine: Callable[[], Any], floor: Callable[[], Any], rounds: int) -> tuple[list[float], list[float]]:
    """Both in turns, so that a busy machine slows both alike."""
    found = [(seconds(mine, 1), seconds(floor, 1)) for _ in range(rounds)]
    return [first for first, _ in found], [second for _, second in found]


def fastest(found: list[float]) -> float:
    return statistics.quantiles(found, n=20)[0]


def verdict(measured: float, bar: float) -> str:
    return "met" if measured <= bar else "NOT MET"


def policy(rules: int) -> str:
    """A policy of so many loan rules, 15 lines each."""
    head, define, rule = LOAN.strip().split("\n\n")
    return "\n\n".join([head, define, *(rule.replace("decide", f"decide{index}") for index in range(rules))]) + "\n"


def equivalent(rules: int) -> str:
    """The same in Python."""
    tests = (
        "a.age < 18",
        "a.score < 600",
        "not a.employed",
        "amount > a.income * 3",
        'a.job == "gambler"',
        "a.income < 1000",
    )
    body = "".join(f"    if {test}:\n        return False\n" for test in tests)
    head = "class Applicant:\n    age: int\n    score: int\n    income: int\n    employed: bool\n    job: str\n\n"
    return head + "\n".join(f"def decide{index}(a, amount):\n{body}    return True\n" for index in range(rules))


def accepted(source: str) -> str:
    try:
        compile_source(source)
    except PolicySyntaxError as error:
        return f"refused: {error.diagnostics[0].code}"
    return "compiled"


def largest() -> dict[str, str]:
    """Sources of the largest size there may be, and one of as many words and signs."""
    deep = "Rule f produce Int:\n  Return " + "(" * (MAX_SOURCE // 2 - 40) + "1"
    rows = "Rule f given x as Int, produce Int:\n" + "  If x is 1\n    Return 2.\n" * (MAX_SOURCE // 27)
    return {
        "rules, as many tokens as may be": policy(MAX_TOKENS // TOKENS_OF_A_RULE),
        "256 KB of rules": policy(MAX_SOURCE // 450)[:MAX_SOURCE].rpartition("\n\n")[0] + "\n",
        "256 KB of rows": rows[: MAX_SOURCE - 20].rpartition("  If")[0],
        "256 KB of one expression": f"Rule f produce Int:\n  Return {' plus '.join(['1'] * (MAX_SOURCE // 7 - 20))}.\n",
        "256 KB of brackets": deep,
        "256 KB of noise": "\x01“(.,:" * (MAX_SOURCE // 6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    source, python = policy(3), equivalent(3)
    mine, floor = interleaved(lambda: compile_source(source), lambda: ast.parse(python), rounds * 20)
    lines, others = len(source.splitlines()), len(python.splitlines())
    for words, of in (("median", statistics.median), ("fastest twentieth", fastest)):
        spent, ratio = of(mine), of(mine) / of(floor)
        print(
            f"{lines} lines, {words}: {spent * 1e3:.2f} ms [3 ms] {verdict(spent, 0.003)},"
            f" {ratio:.2f}x ast.parse of {others} lines [8x] {verdict(ratio, 8)}"
        )
    each: list[float] = []
    for wanted in (50, 500, 5_000, 50_000):
        text = policy(wanted // 15)
        times = max(3, rounds) if wanted < 50_000 else 1
        spent = seconds(lambda text=text: compile_source(text, max_source=NO_LIMIT, max_tokens=NO_LIMIT), times)  # type: ignore[misc]
        count = len(text.splitlines())
        each.append(spent / count * 1e6)
        print(f"{count:6} lines: {spent * 1e3:9.1f} ms, {each[-1]:6.1f} us a line")
    print(
        f"a line of the longest costs {each[-1] / each[0]:.2f}x one of the shortest"
        f" [1.25x] {verdict(each[-1], each[0] * 1.25)}"
    )
    for name, text in largest().items():
        spent = seconds(lambda text=text: accepted(text), 1)  # type: ignore[misc]
        print(f"{name}: {spent * 1e3:.0f} ms [500 ms] {verdict(spent, 0.5)}, {accepted(text)}")


if __name__ == "__main__":
    main()
