"""Evaluating over HTTP: answers as documented, failures of the policy as 200, every run in the audit chain."""

import asyncio
import hashlib
from typing import Any

import pytest
from tests.policy.service.asgi import SECRET, Answered, ask, send, signed

from aster.foundation.sql import Database
from aster.policy import compile_source
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

STORES = ("sqlite", "postgres")

SOURCE = "/api/v1/policies/evaluate-source"
BATCH = "/api/v1/policies/evaluate-source-batch"
STORED = "/api/v1/policies/evaluate"
PING = 'Module demo.\n\nRule ping produce Text:\n  Return "pong".'
HELLO = 'Module greeting.\n\nRule greet given name as Text, produce Text:\n  Return "Hello, " plus name plus "!".\n'
LOAN = """Module loans.

Define Applicant has income as Int, debt as Int.

Rule decide given applicant as Applicant, produce Text:
  If applicant.debt times 2 greater than applicant.income:
    Return "refused".
  Return "granted".
"""
TWO_RULES = """Module two.

Rule one produce Int:
  Return 1.

Rule two produce Int:
  Return 2.
"""


async def evaluate(service: PolicyHttpService, source: str, context: Any = None, **more: Any) -> Answered:
    options = {name: more.pop(name) for name in ("role", "user", "tenant") if name in more}
    return await ask(service, "POST", SOURCE, {"source": source, "context": context or {}, **more}, **options)


async def audit(service: PolicyHttpService) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = (await ask(service, "GET", "/api/v1/audit", role="ADMIN")).json
    return records


async def test_the_contracts_example_answers_pong(service: PolicyHttpService) -> None:
    answered = await evaluate(service, PING, functionName="ping", locale="en-US")
    body = answered.json
    assert answered.status == 200
    assert answered.headers["x-aster-evaluation"] == "ok"
    assert isinstance(body.pop("executionTimeMs"), int)
    assert isinstance(body.pop("executionTimeMicros"), int)
    assert body == {
        "result": "pong",
        "error": None,
        "decisionTrace": None,
        "errorCode": None,
        "diagnostics": [],
        "warnings": [],
        "executedFunction": "ping",
    }


async def test_a_policy_decides_on_its_context(service: PolicyHttpService) -> None:
    for debt, result in [(10, "granted"), (60, "refused")]:
        context = {"applicant": {"income": 100, "debt": debt}}
        assert (await evaluate(service, LOAN, context)).json["result"] == result


async def test_every_evaluation_is_recorded_with_what_proves_it(service: PolicyHttpService) -> None:
    await evaluate(service, PING, functionName="ping", user="ada")
    (record,) = await audit(service)
    assert record["eventType"] == "POLICY_EVALUATED"
    assert (record["actorId"], record["actorRole"]) == ("ada", "MEMBER")
    assert (record["policyModule"], record["policyFunction"], record["success"]) == ("demo", "ping", True)
    assert record["sourceHash"] == hashlib.sha256(PING.encode()).hexdigest()
    assert record["inputHash"] == hashlib.sha256(b"{}").hexdigest()
    assert record["resultHash"] == hashlib.sha256(b'"pong"').hexdigest()
    verified = (await ask(service, "GET", "/api/v1/audit/verify-chain", role="ADMIN")).json
    assert (verified["valid"], verified["recordsVerified"]) == (True, 1)


@pytest.mark.parametrize(
    ("source", "more", "code"),
    [
        ("Module m.\n\nRule r produce Text:\n  Retrun 1.\n", {}, "POLICY_SYNTAX"),
        ("", {}, "POLICY_SYNTAX"),
        (PING, {"functionName": "pong"}, "RULE_NOT_FOUND"),
        (PING, {"locale": "xx-XX"}, "UNSUPPORTED_LOCALE"),
        (HELLO, {"context": {"name": 7}}, "INPUT_INVALID"),
        (HELLO, {"context": {}}, "INPUT_INVALID"),
    ],
)
async def test_what_the_policy_does_wrong_is_an_answer(
    service: PolicyHttpService, source: str, more: dict[str, Any], code: str
) -> None:
    answered = await ask(service, "POST", SOURCE, {"source": source, **more})
    assert answered.status == 200
    assert (answered.json["result"], answered.json["errorCode"]) == (None, code)
    assert answered.json["error"]
    assert answered.headers["x-aster-evaluation"] == "failed"
    (record,) = await audit(service)
    assert (record["success"], record["errorCode"]) == (False, code)


async def test_a_syntax_error_tells_where(service: PolicyHttpService) -> None:
    answered = await evaluate(service, "Module m.\n\nRule r produce Text:\n  Retrun 1.\n")
    assert answered.json["diagnostics"][0]["startLine"] == 4


async def test_several_rules_and_no_choice_is_a_bad_request(service: PolicyHttpService) -> None:
    answered = await evaluate(service, TWO_RULES)
    assert (answered.status, answered.code) == (400, "ENTRY_AMBIGUOUS")
    assert (await evaluate(service, TWO_RULES, functionName="two")).json["result"] == 2


async def test_a_trace_is_given_when_asked_for_and_is_the_same_each_time(service: PolicyHttpService) -> None:
    body = {"source": LOAN, "context": {"applicant": {"income": 100, "debt": 60}}}
    traced = [(await ask(service, "POST", f"{SOURCE}?trace=true", body)).json["decisionTrace"] for _ in range(2)]
    assert traced[0]
    assert traced[0] == traced[1]
    hashes = {record["traceHash"] for record in await audit(service)}
    assert len(hashes) == 1
    assert (await ask(service, "POST", f"{SOURCE}?trace=false", body)).json["decisionTrace"] is None
    assert (await ask(service, "POST", f"{SOURCE}?trace=yes", body)).code == "VALIDATION_ERROR"


async def test_a_batch_answers_in_order_and_items_fail_alone(service: PolicyHttpService) -> None:
    inputs = [{"name": "Ada"}, {"name": 7}, {"name": "Grace"}]
    answered = await ask(service, "POST", BATCH, {"source": HELLO, "inputs": inputs})
    body = answered.json
    assert [item["result"] for item in body["results"]] == ["Hello, Ada!", None, "Hello, Grace!"]
    assert body["responses"] == body["results"]
    assert (body["successCount"], body["failureCount"]) == (2, 1)
    assert len(await audit(service)) == 3
    too_many = {"source": HELLO, "inputs": [{}] * 1001}
    assert (await ask(service, "POST", BATCH, too_many)).code == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BAD_JSON"),
        (b"{", "BAD_JSON"),
        (b'{"source": "\xff"}', "BAD_JSON"),
        (b'{"source": "", "context": ' + b"[" * 100_000, "BAD_JSON"),
        (b"[]", "VALIDATION_ERROR"),
        (b"{}", "VALIDATION_ERROR"),
        (b'{"source": 1}', "VALIDATION_ERROR"),
        (b'{"source": "", "functionName": 1}', "VALIDATION_ERROR"),
        (b'{"source": "", "locale": []}', "VALIDATION_ERROR"),
        (b'{"source": "' + b"x" * 65_537 + b'"}', "VALIDATION_ERROR"),
    ],
)
async def test_malformed_bodies_are_bad_requests(service: PolicyHttpService, body: bytes, code: str) -> None:
    answered = await send(service, "POST", SOURCE, body, signed("POST", SOURCE, body))
    assert (answered.status, answered.code) == (400, code)


async def test_another_content_type_is_refused(service: PolicyHttpService) -> None:
    body = b'{"source": ""}'
    headers = [*signed("POST", SOURCE, body), (b"content-type", b"text/plain")]
    assert (await send(service, "POST", SOURCE, body, headers)).status == 415


@pytest.mark.parametrize("depth", [100, 400, 900, 990])
async def test_deep_contexts_get_an_answer(service: PolicyHttpService, depth: int) -> None:
    body = b'{"source": "", "context": ' + b"[" * depth + b"]" * depth + b"}"
    answered = await send(service, "POST", SOURCE, body, signed("POST", SOURCE, body))
    assert answered.status in (200, 400)


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\u0000"', b"1e400", b"-0", b"9" * 30, b'{"a": 1, "a": 2}'])
async def test_odd_json_values_get_an_answer(service: PolicyHttpService, text: bytes) -> None:
    body = b'{"source": "", "context": {"x": ' + text + b"}}"
    answered = await send(service, "POST", SOURCE, body, signed("POST", SOURCE, body))
    assert answered.status in (200, 400), answered.body


async def test_a_stored_policy_is_evaluated_at_its_active_version(service: PolicyHttpService) -> None:
    for word in ("one", "two"):
        source = PING.replace("pong", word)
        policy_id = (await ask(service, "POST", "/api/v1/policies", {"source": source})).json["policyId"]

    async def result(**more: Any) -> Any:
        return (await ask(service, "POST", STORED, {"policyModule": "demo", "context": [], **more})).json["result"]

    assert await result() == "two"
    assert await result(version=1, policyFunction="ping") == "one"
    await ask(service, "POST", f"/api/v1/policies/{policy_id}/rollback", {"targetVersion": 1})
    assert await result() == "one"
    record = (await audit(service))[0]
    assert (record["policyId"], record["version"]) == (policy_id, 1)


async def test_an_unknown_policy_is_not_found(service: PolicyHttpService) -> None:
    for body in ({"policyModule": "nothing"}, {"policyModule": "demo", "version": 7}):
        assert (await ask(service, "POST", STORED, body)).code == "POLICY_NOT_FOUND"


async def test_a_batch_of_stored_policies_keeps_its_order(service: PolicyHttpService) -> None:
    for source in (PING, HELLO):
        await ask(service, "POST", "/api/v1/policies", {"source": source})
    requests = [
        {"policyModule": "demo"},
        {"policyModule": "nothing"},
        {"policyModule": "greeting", "context": ["Ada"]},
        {"policyModule": "greeting", "context": {"name": "Grace"}},
    ]
    body = (await ask(service, "POST", f"{STORED}/batch", {"requests": requests})).json
    assert [item["result"] for item in body["responses"]] == ["pong", None, "Hello, Ada!", "Hello, Grace!"]
    assert body["responses"][1]["errorCode"] == "POLICY_NOT_FOUND"
    for count in (0, 101):
        refused = await ask(service, "POST", f"{STORED}/batch", {"requests": requests[:1] * count})
        assert refused.code == "VALIDATION_ERROR"


async def test_of_50_concurrent_equal_requests_one_is_evaluated(service: PolicyHttpService) -> None:
    body = b'{"source": "Module m.\\n\\nRule r produce Int:\\n  Return 1.\\n"}'
    headers = signed("POST", SOURCE, body)
    answers = await asyncio.gather(*(send(service, "POST", SOURCE, body, headers) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 49
    assert len(await audit(service)) == 1


async def test_tenants_have_chains_of_their_own(service: PolicyHttpService) -> None:
    await evaluate(service, PING, tenant="acme")
    await evaluate(service, PING, tenant="globex")
    for tenant in ("acme", "globex"):
        head = (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN", tenant=tenant)).json
        assert head["count"] == 1
    assert (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN", tenant="other")).json["count"] == 0


async def test_a_batch_costs_as_many_requests_as_it_has_items(database: Database) -> None:
    settings = PolicySettings(secret_key=SECRET, rate_requests=10, rate_seconds=3600)
    service = create_policy_service(database, settings, environ={})
    body = {"source": HELLO, "inputs": [{"name": "Ada"}] * 8}
    assert (await ask(service, "POST", BATCH, body)).headers["x-ratelimit-remaining"] == "2"
    assert (await ask(service, "POST", BATCH, body)).status == 429


ONE_FIELD = "Module demo.\n\nRule ping given name as Text, produce Text:\n  Return name.\n"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("evaluate-source", {"source": ONE_FIELD, "context": ["a"]}),
        ("evaluate-source-batch", {"source": ONE_FIELD, "inputs": [["a"]]}),
        ("evaluate", {"policyModule": "demo", "context": ["a"]}),
        ("evaluate/batch", {"requests": [{"policyModule": "demo", "context": ["a"]}]}),
        ("evaluate-json", {"policy": compile_source(ONE_FIELD).core_ir(), "context": ["a"]}),
    ],
)
async def test_fields_that_are_not_known_are_told_and_change_nothing(
    service: PolicyHttpService, path: str, body: dict[str, Any]
) -> None:
    await ask(service, "POST", "/api/v1/policies", {"source": ONE_FIELD})
    plain = (await ask(service, "POST", f"/api/v1/policies/{path}", body)).json
    assert plain["warnings"] == []
    more = {**body, "functionNam": "x", "nonsense": 1}
    told = (await ask(service, "POST", f"/api/v1/policies/{path}", more)).json
    assert len(told["warnings"]) == 2
    assert told["warnings"][1] == "the field 'nonsense' is not known"
    for name in ("result", "error", "successCount"):
        assert told.get(name) == plain.get(name)


async def test_a_misspelt_field_is_told_with_what_was_meant(service: PolicyHttpService) -> None:
    body = {"source": ONE_FIELD, "contxt": {"name": "a"}}
    told = (await ask(service, "POST", "/api/v1/policies/evaluate-source", body)).json
    assert told["errorCode"] == "INPUT_INVALID"
    assert told["warnings"] == ["the field 'contxt' is not known; did you mean 'context'?"]


@pytest.mark.parametrize("body", [b'{"source":1,"more":2}', b'{"more":', b'["more"]', b'{"more":1}'])
async def test_a_wrong_body_is_refused_whatever_else_is_in_it(service: PolicyHttpService, body: bytes) -> None:
    target = "/api/v1/policies/evaluate-source"
    answered = await send(service, "POST", target, body, signed("POST", target, body))
    assert answered.status == 400
