"""Stored policies that use one another: pinned when deployed, never another tenant's, replayed as they were."""

from typing import Any

import msgspec
import pytest
from tests.policy.service.asgi import ask

from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService

STORES = ("sqlite", "postgres")

POLICIES = "/api/v1/policies"
LIMITS = "Module risk.limits.\n\nRule cap given age as Int, produce Int:\n  Return age times {factor}.\n"
SCORES = """Module risk.scores.

Use risk.limits.

Rule score given age as Int, produce Int:
  Return limits.cap(age) plus 1.
"""
LOANS = """Module loans.

Use risk.scores as Scores.

Rule decide given age as Int, produce Int:
  Return Scores.score(age).
"""


async def deploy(service: PolicyHttpService, source: str, **options: Any) -> Any:
    answered = await ask(service, "POST", POLICIES, {"source": source}, **options)
    assert answered.status in (200, 201), answered.body
    return answered.json


async def decide(service: PolicyHttpService, **options: Any) -> Any:
    body = {"policyModule": "loans", "context": {"age": 10}, **options}
    return (await ask(service, "POST", f"{POLICIES}/evaluate", body)).json["result"]


async def settle(service: PolicyHttpService) -> Any:
    """Three policies, each using the next; returns the topmost."""
    await deploy(service, LIMITS.format(factor=2))
    await deploy(service, SCORES)
    return await deploy(service, LOANS)


async def versions(service: PolicyHttpService, policy: Any) -> Any:
    return (await ask(service, "GET", f"{POLICIES}/{policy['policyId']}/versions")).json


async def test_a_policy_uses_another_of_its_tenant(service: PolicyHttpService) -> None:
    policy = await settle(service)
    assert await decide(service) == 21
    (version,) = await versions(service, policy)
    pinned = [(found["module"], found["version"]) for found in version["dependencies"]]
    assert pinned == [("risk.limits", 1), ("risk.scores", 1)]
    scores = next(found for found in version["dependencies"] if found["module"] == "risk.scores")
    (used,) = await versions(service, scores)
    assert used["envelopeHash"] == scores["envelopeHash"]


async def test_a_newer_version_counts_only_for_who_is_deployed_again(service: PolicyHttpService) -> None:
    policy = await settle(service)
    await deploy(service, LIMITS.format(factor=3))
    assert await decide(service) == 21
    again = await ask(service, "POST", POLICIES, {"source": LOANS})
    assert (again.status, again.json["version"]) == (201, 2)
    assert await decide(service) == 31
    assert await decide(service, version=1) == 21
    await ask(service, "POST", f"{POLICIES}/{policy['policyId']}/rollback", {"targetVersion": 1})
    assert await decide(service) == 21
    assert (await ask(service, "POST", POLICIES, {"source": LOANS})).json["version"] == 3


async def test_the_same_source_with_the_same_modules_is_the_same_version(service: PolicyHttpService) -> None:
    await settle(service)
    assert (await ask(service, "POST", POLICIES, {"source": LOANS})).status == 200


async def test_a_version_can_be_asked_for(service: PolicyHttpService) -> None:
    await deploy(service, LIMITS.format(factor=2))
    await deploy(service, LIMITS.format(factor=3))
    source = LOANS.replace("Use risk.scores as Scores", "Use risk.limits version 1 as Scores").replace("score(", "cap(")
    await deploy(service, source)
    assert await decide(service) == 20


async def test_a_withdrawn_module_stays_for_those_that_use_it(service: PolicyHttpService) -> None:
    await settle(service)
    for policy in (await ask(service, "GET", f"{POLICIES}?module=risk.limits")).json:
        await ask(service, "DELETE", f"{POLICIES}/{policy['policyId']}")
    await ask(service, "DELETE", f"{POLICIES}/cache")
    assert await decide(service) == 21
    refused = await ask(service, "POST", POLICIES, {"source": SCORES + "\n# again\n"})
    assert (refused.status, refused.code) == (422, "COMPILATION_FAILED")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (LOANS, "M101"),
        (LOANS.replace("risk.scores", "risk.limits version 7"), "M101"),
        (LOANS.replace("risk.scores", "loans"), "M102"),
    ],
    ids=["missing", "no such version", "itself"],
)
async def test_what_can_not_be_found_is_refused_with_its_place(
    service: PolicyHttpService, source: str, code: str
) -> None:
    await deploy(service, LIMITS.format(factor=2))
    refused = await ask(service, "POST", POLICIES, {"source": source})
    assert (refused.status, refused.code) == (422, "COMPILATION_FAILED")
    (problem,) = refused.json["details"]
    assert problem["path"] == "source:3:1"
    assert problem["message"].startswith(code)


async def test_a_circle_is_refused(service: PolicyHttpService) -> None:
    await settle(service)
    source = (
        "Module risk.limits.\n\nUse loans.\n\nRule cap given age as Int, produce Int:\n  Return loans.decide(age).\n"
    )
    refused = await ask(service, "POST", POLICIES, {"source": source})
    assert refused.status == 422
    assert "risk.limits → loans → risk.scores → risk.limits" in refused.json["details"][0]["message"]


async def test_a_draft_can_not_be_used(service: PolicyHttpService) -> None:
    await ask(service, "PATCH", "/api/v1/tenant/settings", {"approvalRequired": True}, role="OWNER")
    await deploy(service, LIMITS.format(factor=2))
    for wanted in ("risk.limits", "risk.limits version 1"):
        refused = await ask(service, "POST", POLICIES, {"source": LOANS.replace("risk.scores", wanted)})
        assert refused.status == 422


async def test_another_tenants_modules_are_unknown(service: PolicyHttpService) -> None:
    await deploy(service, LIMITS.format(factor=2), tenant="globex")
    await deploy(service, SCORES, tenant="globex")
    refused = await ask(service, "POST", POLICIES, {"source": LOANS})
    assert refused.status == 422
    await settle(service)
    await deploy(service, LIMITS.format(factor=9), tenant="globex")
    assert await decide(service) == 21


async def test_a_source_uses_what_is_active_now_and_is_replayed_with_what_it_used(service: PolicyHttpService) -> None:
    await settle(service)
    body = {"source": LOANS, "context": {"age": 10}}
    assert (await ask(service, "POST", f"{POLICIES}/evaluate-source", body)).json["result"] == 21
    await deploy(service, LIMITS.format(factor=3))
    assert (await ask(service, "POST", f"{POLICIES}/evaluate-source", body)).json["result"] == 31
    found = (await ask(service, "GET", "/api/v1/audit/type/POLICY_EVALUATED", role="ADMIN")).json
    for record, result in zip(found, (31, 21), strict=True):
        assert {used["module"] for used in record["payload"]["modules"]} == {"risk.limits", "risk.scores"}
        path = f"/api/v1/audit/{record['sequence']}/replay"
        replayed = (await ask(service, "POST", path, body, role="ADMIN")).json
        assert (replayed["proved"], replayed["result"]) == (True, result)


async def test_a_stored_decision_is_replayed_with_the_pinned_versions(service: PolicyHttpService) -> None:
    await settle(service)
    await decide(service)
    await deploy(service, LIMITS.format(factor=3))
    await deploy(service, LOANS)
    (record,) = (await ask(service, "GET", "/api/v1/audit/type/POLICY_EVALUATED", role="ADMIN")).json
    path = f"/api/v1/audit/{record['sequence']}/replay"
    replayed = (await ask(service, "POST", path, {"context": {"age": 10}}, role="ADMIN")).json
    assert (replayed["proved"], replayed["result"]) == (True, 21)


async def test_looking_at_a_source_sees_its_modules(service: PolicyHttpService) -> None:
    policy = await settle(service)
    for path in ("compile", "validate"):
        answered = (await ask(service, "POST", f"{POLICIES}/{path}", {"source": LOANS})).json
        assert answered.get("success", answered.get("valid")), path
        assert answered["diagnostics"] == [], path
    described = (await ask(service, "POST", f"{POLICIES}/schema", {"source": LOANS})).json
    assert described == (await ask(service, "GET", f"{POLICIES}/{policy['policyId']}/schema")).json


async def test_a_module_that_was_changed_in_the_database_is_not_run(
    service: PolicyHttpService, database: Database
) -> None:
    await settle(service)
    database.write_now(
        lambda connection: connection.execute(
            "UPDATE policy_versions SET source = replace(source, 'times 2', 'times 9')"
        )
    )
    await ask(service, "DELETE", f"{POLICIES}/cache")
    answered = await ask(service, "POST", f"{POLICIES}/evaluate", {"policyModule": "loans", "context": {"age": 10}})
    assert answered.status == 503


async def test_versions_are_chained_by_their_envelopes(service: PolicyHttpService) -> None:
    policy = await deploy(service, LIMITS.format(factor=2))
    await deploy(service, LIMITS.format(factor=3))
    first, second = await versions(service, policy)
    assert (first["previousHash"], second["previousHash"]) == ("", first["envelopeHash"])
    assert first["toolchain"].startswith("aster-")


async def test_programs_with_modules_are_compiled_once(service: PolicyHttpService) -> None:
    await settle(service)
    await decide(service)
    cleared = await ask(service, "DELETE", f"{POLICIES}/cache", {"policyModule": "loans"})
    assert msgspec.json.decode(cleared.body)["cleared"] == 1
