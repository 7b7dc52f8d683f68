"""The three policies that are measured: a loan, access with 100 rules, a table with 1000 rows.

Each in the policy language and by hand, in the best form a Python programmer would find, without validation.
"""

import bisect
import random
from collections.abc import Callable
from typing import Any, NamedTuple

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


class Workload(NamedTuple):
    """One policy: its source, its hand-written form, inputs, and how many times the floor it may cost."""

    name: str
    source: str
    by_hand: Callable[[dict[str, Any]], Any]
    contexts: list[dict[str, Any]]
    bar: float


def workloads() -> list[Workload]:
    """All three, with the same inputs every time."""
    chance = random.Random(7)
    return [
        Workload("loan", LOAN, loan_by_hand, loan_contexts(chance), 3.0),
        Workload("access 100", access_source(), access_by_hand, access_contexts(chance), 3.2),
        Workload("table 1000", table_source(), table_by_hand, table_contexts(chance), 2.5),
    ]
