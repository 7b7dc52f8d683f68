"""Decisions a second against hand-written Python, in one interleaved run, as ratios (targets in brackets).

Usage: python benchmarks/policy/decisions.py [--rounds 7]

Ours takes a dict, validates it against the declared types and gives JSON; the hand-written floor does not validate.
Answers are checked equal before anything is timed. CPU time, median of the rounds.
"""

import argparse
import ast
import bisect
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from aster.policy import compile_source

LOAN = """
Module bench.loan.

Define Applicant has age as Int, score as Int, income as Int, employed as Bool, job as Text.

Rule decide given applicant as Applicant, amount as Int, produce Bool:
  If applicant.age less than 18
    Return false.
  If applicant.score less than 600
    Return false.
  If not applicant.employed
    Return false.
  If amount greater than applicant.income times 3
    Return false.
  If applicant.job equals to "gambler"
    Return false.
  If applicant.income less than 1000
    Return false.
  Return true.
"""


def loan_by_hand(context: dict[str, Any]) -> bool:
    applicant = context["applicant"]
    if applicant["age"] < 18:
        return False
    if applicant["score"] < 600:
        return False
    if not applicant["employed"]:
        return False
    if context["amount"] > applicant["income"] * 3:
        return False
    if applicant["job"] == "gambler":
        return False
    return not applicant["income"] < 1000


def loan_contexts(chance: random.Random) -> list[dict[str, Any]]:
    jobs = ["nurse", "baker", "gambler", "clerk", "miner"]
    return [
        {
            "applicant": {
                "age": chance.randint(16, 70),
                "score": chance.randint(580, 800),
                "income": chance.randint(900, 9000),
                "employed": chance.random() < 0.9,
                "job": chance.choice(jobs),
            },
            "amount": chance.randint(1000, 20000),
        }
        for _ in range(64)
    ]


ROLES = [f"role{index}" for index in range(10)]
ACTIONS = [f"action{index}" for index in range(10)]


def access_source() -> str:
    lines = [
        "Module bench.access.",
        "",
        "Define Request has role as Text, action as Text, level as Int, owner as Bool.",
        "",
    ]
    lines.append("Rule decide given request as Request, produce Text:")
    for index in range(100):
        role, action = ROLES[index // 10], ACTIONS[index % 10]
        lines.append(f'  If request.role equals to "{role}" and request.action equals to "{action}"')
        lines[-1] += f" and request.level at least {index % 7} and request.owner"
        lines.append(f'    Return "rule{index}".')
    lines.append('  Return "deny".')
    return "\n".join(lines)


ACCESS_TABLE = {(ROLES[index // 10], ACTIONS[index % 10]): (index % 7, f"rule{index}") for index in range(100)}


def access_by_hand(context: dict[str, Any]) -> str:
    request = context["request"]
    found = ACCESS_TABLE.get((request["role"], request["action"]))
    if found is not None and request["level"] >= found[0] and request["owner"]:
        return found[1]
    return "deny"


def access_contexts(chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "request": {
                "role": chance.choice(ROLES),
                "action": chance.choice(ACTIONS),
                "level": chance.randint(0, 8),
                "owner": chance.random() < 0.8,
            }
        }
        for _ in range(64)
    ]


REGIONS = [f"region{index}" for index in range(20)]


def table_source() -> str:
    lines = ["Module bench.table.", "", "Rule decide given region as Text, income as Int, produce Int:"]
    for row, region in enumerate(REGIONS):
        for bracket in range(50):
            low, high = bracket * 1000, bracket * 1000 + 1000
            lines.append(f'  If region equals to "{region}" and income at least {low} and income less than {high}')
            lines.append(f"    Return {row * 50 + bracket}.")
    lines.append("  Return 0 minus 1.")
    return "\n".join(lines)


CUTS = [bracket * 1000 for bracket in range(51)]
TABLE = {region: [row * 50 + bracket for bracket in range(50)] for row, region in enumerate(REGIONS)}


def table_by_hand(context: dict[str, Any]) -> int:
    values = TABLE.get(context["region"])
    if values is None:
        return -1
    index = bisect.bisect_right(CUTS, context["income"]) - 1
    return values[index] if 0 <= index < 50 else -1


def table_contexts(chance: random.Random) -> list[dict[str, Any]]:
    return [{"region": chance.choice([*REGIONS, "nowhere"]), "income": chance.randint(-500, 51000)} for _ in range(64)]


def once(function: Callable[[Any], Any], contexts: list[dict[str, Any]], repeats: int) -> float:
    started = time.process_time()
    for _ in range(repeats):
        for context in contexts:
            function(context)
    return (time.process_time() - started) / repeats / len(contexts) * 1e6


def compare(name: str, source: str, by_hand: Callable[[Any], Any], contexts: Any, rounds: int, target: float) -> None:
    program = compile_source(source)
    ours = program.function("decide")
    for context in contexts:
        if ours(context) != by_hand(context) or program.evaluate("decide", context=context).value != by_hand(context):
            raise SystemExit(f"{name}: different answers for {context}")
    timed: dict[str, list[float]] = {"ours": [], "evaluate": [], "by hand": []}
    functions = {"ours": ours, "evaluate": lambda context: program.evaluate("decide", context), "by hand": by_hand}
    for _ in range(rounds):
        for label, function in functions.items():
            timed[label].append(once(function, contexts, 150))
    medians = {label: statistics.median(values) for label, values in timed.items()}
    floor = medians["by hand"]
    print(
        f"{name:12} by hand {floor:6.3f} us"
        f" | ours {medians['ours']:6.3f} us = {medians['ours'] / floor:5.2f}x [{target}x]"
        f" | Program.evaluate {medians['evaluate']:6.3f} us = {medians['evaluate'] / floor:5.2f}x"
    )


def compile_times(rounds: int) -> None:
    rules = "\n\n".join(LOAN.strip().split("\n\n")[2].replace("decide", f"decide{index}") for index in range(3))
    source = "\n\n".join([*LOAN.strip().split("\n\n")[:2], rules]) + "\n"
    python = "\n".join(
        f"def decide{index}(a, b):\n" + "\n".join("    if a.x < 18:\n        return False" for _ in range(8))
        for index in range(3)
    )
    ours, parsed = [], []
    for _ in range(rounds * 3):
        started = time.process_time()
        compile_source(source)
        ours.append(time.process_time() - started)
        started = time.process_time()
        ast.parse(python)
        parsed.append(time.process_time() - started)
    mine, floor = statistics.median(ours) * 1e3, statistics.median(parsed) * 1e3
    print(f"compile {len(source.splitlines())} lines: {mine:.2f} ms [3 ms] = {mine / floor:.1f}x ast.parse [8x]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    chance = random.Random(7)
    compare("loan", LOAN, loan_by_hand, loan_contexts(chance), rounds, 3)
    compare("access 100", access_source(), access_by_hand, access_contexts(chance), rounds, 3.2)
    compare("table 1000", table_source(), table_by_hand, table_contexts(chance), rounds, 2.5)
    compile_times(rounds)


if __name__ == "__main__":
    main()
