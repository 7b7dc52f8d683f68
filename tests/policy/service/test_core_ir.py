"""Core IR documents over HTTP: evaluated like the source they came from, strictly held to what they may be."""

import json
from typing import Any

import pytest
from tests.policy.service.asgi import ask

from aster.policy import compile_source
from aster.policy.service.app import PolicyHttpService

JSON = "/api/v1/policies/evaluate-json"
SOURCE = "/api/v1/policies/evaluate-source"
LOAN = """Module loans.

Rule decide given age as Int, produce Text:
  If age at least 18
    Return "approved".
  Return "declined".
"""
DOCUMENT = compile_source(LOAN).core_ir()


async def evaluate(service: PolicyHttpService, policy: Any, context: Any, query: str = "", **more: Any) -> Any:
    answered = await ask(service, "POST", f"{JSON}{query}", {"policy": policy, "context": context, **more})
    assert answered.status == 200, answered.body
    return answered.json


@pytest.mark.parametrize("policy", [DOCUMENT, json.dumps(DOCUMENT)], ids=["an object", "its text"])
async def test_a_document_is_evaluated_like_its_source(service: PolicyHttpService, policy: Any) -> None:
    for age in (17, 18, "old"):
        stated = (await ask(service, "POST", SOURCE, {"source": LOAN, "context": {"age": age}})).json
        found = await evaluate(service, policy, {"age": age})
        for name in ("result", "error", "errorCode", "executedFunction", "diagnostics"):
            assert found[name] == stated[name], name


async def test_a_trace_tells_what_was_compared(service: PolicyHttpService) -> None:
    trace = (await evaluate(service, DOCUMENT, {"age": 20}, "?trace=true"))["decisionTrace"]
    assert (trace["steps"][0]["expression"], trace["steps"][0]["line"]) == ("age >= 18", 4)


async def test_the_compiler_gives_what_is_evaluated(service: PolicyHttpService) -> None:
    body = {"source": LOAN, "includeCore": True}
    compiled = (await ask(service, "POST", "/api/v1/policies/compile", body)).json
    assert (await evaluate(service, compiled["core"], {"age": 18}))["result"] == "approved"
    assert (await ask(service, "POST", "/api/v1/policies/compile", {"source": LOAN})).json["core"] is None


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "{}",
        {},
        {**DOCUMENT, "version": "9"},
        {**DOCUMENT, "more": 1},
        {"functions": [], "rules": [{"condition": "age > 18", "op": "and"}]},
        '{"version":"1.0","module":' + "[" * 5_000,
        "x" * 262_144,
    ],
)
async def test_what_is_no_document_is_a_bad_request(service: PolicyHttpService, policy: Any) -> None:
    answered = await ask(service, "POST", JSON, {"policy": policy})
    assert (answered.status, answered.code) == (400, "CORE_IR_INVALID")
    assert answered.json["details"][0]["path"] == "policy"


@pytest.mark.parametrize("body", [{}, {"policy": 1}, {"policy": None}, {"policy": "x" * 262_145}])
async def test_a_body_without_a_document_is_a_bad_request(service: PolicyHttpService, body: Any) -> None:
    answered = await ask(service, "POST", JSON, body)
    assert (answered.status, answered.code) == (400, "VALIDATION_ERROR")


async def test_a_refused_document_is_not_recorded(service: PolicyHttpService) -> None:
    await ask(service, "POST", JSON, {"policy": "{}"})
    assert (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN")).json["count"] == 0


@pytest.mark.parametrize("policy", [DOCUMENT, json.dumps(DOCUMENT)], ids=["an object", "its text"])
async def test_the_decision_is_recorded_and_replayed(service: PolicyHttpService, policy: Any) -> None:
    await evaluate(service, policy, {"age": 20})
    (record,) = (await ask(service, "GET", "/api/v1/audit", role="ADMIN")).json
    assert record["policyModule"] == "loans"
    path = f"/api/v1/audit/{record['sequence']}/replay"
    replayed = await ask(service, "POST", path, {"policy": policy, "context": {"age": 20}}, role="ADMIN")
    assert replayed.json["proved"]
    other = await ask(service, "POST", path, {"policy": policy, "context": {"age": 21}}, role="ADMIN")
    assert not other.json["inputMatches"]


async def test_a_document_uses_the_tenants_modules_and_no_others(service: PolicyHttpService) -> None:
    limits = "Module limits.\n\nRule oldest produce Int:\n  Return 70.\n"
    rule = "Rule refuse given age as Int, produce Bool:\n  Return age over limits.oldest().\n"
    source = f"Module risk.\n\nUse limits.\n\n{rule}"
    document = compile_source(source).core_ir()
    await ask(service, "POST", "/api/v1/policies", {"source": limits}, tenant="globex")
    missing = await evaluate(service, document, {"age": 71})
    assert missing["diagnostics"][0]["code"] == "M101"
    await ask(service, "POST", "/api/v1/policies", {"source": limits})
    assert (await evaluate(service, document, {"age": 71}))["result"] is True


async def test_a_document_can_not_come_in_as_a_source(service: PolicyHttpService) -> None:
    from aster.policy.engine import CORE_IR

    await evaluate(service, json.dumps(DOCUMENT), {"age": 18})
    answered = await ask(service, "POST", SOURCE, {"source": json.dumps(DOCUMENT), "locale": CORE_IR})
    assert answered.status == 400


async def test_an_endless_document_is_stopped(service: PolicyHttpService) -> None:
    body = "  If n under 1\n    Return 0.\n  Return 1 plus r(n minus 1).\n"
    source = f"Module m.\n\nRule r given n as Int, produce Int:\n{body}"
    document = compile_source(source).core_ir()
    assert (await evaluate(service, document, {"n": 10**6}))["errorCode"] in {"STEP_LIMIT", "DEPTH_LIMIT"}
    assert (await evaluate(service, document, {"n": 100}, maxSteps=10))["errorCode"] == "STEP_LIMIT"
