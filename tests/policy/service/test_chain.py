"""Chains of evaluations: results passed on, steps left out, the first failure ends them, all in one transaction."""

from typing import Any

import pytest
from tests.policy.service.asgi import SECRET, Answered, ask

from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

CHAIN = "/api/v1/policies/evaluate/chain"
SCORE = "Module score.\n\nRule score given age as Int, produce Int:\n  Return 100 divided by age.\n"
GRADE = """Module grade.

Rule grade given points as Int, bonus as Int, produce Text:
  If points plus bonus at least 5
    Return "high".
  Return "low".
"""
LETTER = 'Module letter.\n\nRule write given name as Text, produce Text:\n  Return "Dear " plus name.\n'


@pytest.fixture
async def stored(service: PolicyHttpService) -> PolicyHttpService:
    for source in (SCORE, GRADE, LETTER):
        await ask(service, "POST", "/api/v1/policies", {"source": source})
    return service


def steps(age: int, **letter: Any) -> list[Any]:
    return [
        {"policyModule": "score", "context": {"age": age}},
        {"policyModule": "grade", "context": {"bonus": 1}, "useResultAs": "points"},
        {"policyModule": "letter", "context": {"name": "Ada"}, **letter},
    ]


async def run(service: PolicyHttpService, chain: list[Any], query: str = "") -> Answered:
    return await ask(service, "POST", f"{CHAIN}{query}", {"steps": chain})


async def test_each_step_takes_the_result_of_the_one_before(stored: PolicyHttpService) -> None:
    answered = (await run(stored, steps(20)[:2])).json
    assert (answered["result"], answered["error"], answered["failedStep"]) == ("high", None, None)
    assert [step["result"] for step in answered["steps"]] == [5, "high"]


@pytest.mark.parametrize(("age", "result", "letters"), [(20, "Dear Ada", 1), (50, "low", 0)])
async def test_a_step_is_left_out_unless_its_condition_holds(
    stored: PolicyHttpService, age: int, result: str, letters: int
) -> None:
    answered = (await run(stored, steps(age, when="high"))).json
    assert answered["result"] == result
    assert [step is not None for step in answered["steps"]] == [True, True, bool(letters)]


async def test_a_number_is_no_boolean(stored: PolicyHttpService) -> None:
    chain = [steps(100)[0], {"policyModule": "letter", "context": {"name": "Ada"}, "when": True}]
    assert (await run(stored, chain)).json["result"] == 1


@pytest.mark.parametrize(
    ("chain", "code", "failed"),
    [
        (steps(0), "DIVISION_BY_ZERO", 0),
        ([*steps(20)[:1], {"policyModule": "nobody"}, *steps(20)[2:]], "POLICY_NOT_FOUND", 1),
        ([*steps(20)[:1], {"policyModule": "letter", "useResultAs": "name"}], "INPUT_INVALID", 1),
    ],
)
async def test_the_first_failure_ends_the_chain(
    stored: PolicyHttpService, chain: list[Any], code: str, failed: int
) -> None:
    answered = await run(stored, chain)
    assert answered.status == 200
    assert (answered.json["errorCode"], answered.json["failedStep"]) == (code, failed)
    assert answered.json["result"] is None
    assert len(answered.json["steps"]) == failed + 1


async def test_every_step_is_recorded_and_traced(stored: PolicyHttpService) -> None:
    answered = (await run(stored, steps(20, when="low"), "?trace=true")).json
    assert [step and bool(step["decisionTrace"]) for step in answered["steps"]] == [True, True, None]
    found = (await ask(stored, "GET", "/api/v1/audit/type/POLICY_EVALUATED", role="ADMIN")).json
    assert [record["policyModule"] for record in found] == ["grade", "score"]
    assert len({record["requestId"] for record in found}) == 1


@pytest.mark.parametrize(
    "chain",
    [
        [],
        steps(1) * 7,
        steps(1)[1:],
        [{**steps(1)[0], "when": 1}],
        [steps(1)[0], {"policyModule": "grade", "context": [1], "useResultAs": "points"}],
    ],
)
async def test_a_chain_that_makes_no_sense_is_refused(stored: PolicyHttpService, chain: list[Any]) -> None:
    answered = await run(stored, chain)
    assert (answered.status, answered.code) == (400, "VALIDATION_ERROR")


async def test_a_chain_costs_its_steps(database: Database) -> None:
    service = create_policy_service(database, PolicySettings(secret_key=SECRET, rate_requests=100), environ={})
    left = [int((await run(service, chain)).headers["x-ratelimit-remaining"]) for chain in (steps(1)[:1], steps(1))]
    assert left[0] - left[1] == 3
