"""Stored policies: deploy, read, change, roll back, approve; alone in their tenant."""

from typing import Any

import pytest
from tests.policy.service.asgi import Answered, ask, send, signed

from aster.policy.service.app import PolicyHttpService

STORES = ("sqlite", "postgres")

ROOT = "/api/v1/policies"


def source(answer: str, module: str = "greeting", rule: str = "greet") -> str:
    return f'Module {module}.\n\nRule {rule} produce Text:\n  Return "{answer}".\n'


async def deploy(service: PolicyHttpService, text: str, **more: Any) -> Answered:
    options = {name: more.pop(name) for name in ("role", "user", "tenant") if name in more}
    return await ask(service, "POST", ROOT, {"source": text, **more}, **options)


async def deployed(service: PolicyHttpService, *answers: str, **options: Any) -> str:
    """Deploy versions of one policy; returns its id."""
    for answer in answers:
        made = await deploy(service, source(answer), **options)
        assert made.status == 201, made.body
    policy_id: str = made.json["policyId"]
    return policy_id


async def test_deploying_answers_where_the_policy_is(service: PolicyHttpService) -> None:
    made = await deploy(service, source("hello"), notes="first")
    body = made.json
    assert made.status == 201
    assert body.pop("policyId")
    assert body == {
        "version": 1,
        "moduleName": "greeting",
        "functionName": None,
        "active": True,
        "status": "APPROVED",
    }


async def test_a_deployed_policy_can_be_read(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "hello")
    read = await ask(service, "GET", f"{ROOT}/{policy_id}?include=source", role="VIEWER")
    assert read.status == 200
    assert read.json["source"] == source("hello")
    assert read.json["functions"] == ["greet"]
    listed = await ask(service, "GET", ROOT, role="VIEWER")
    assert [policy["policyId"] for policy in listed.json] == [policy_id]
    assert listed.headers["x-total-count"] == "1"


async def test_deploying_the_active_source_again_changes_nothing(service: PolicyHttpService) -> None:
    await deployed(service, "hello")
    again = await deploy(service, source("hello"))
    assert (again.status, again.json["version"]) == (200, 1)


async def test_a_broken_source_is_not_stored(service: PolicyHttpService) -> None:
    refused = await deploy(service, "Module broken.\n\nRule r produce Text:\n  Retrun 1.\n")
    assert (refused.status, refused.code) == (422, "COMPILATION_FAILED")
    assert refused.json["details"][0]["path"].startswith("source:4:")
    assert (await ask(service, "GET", ROOT)).json == []


async def test_an_unknown_default_rule_is_not_stored(service: PolicyHttpService) -> None:
    assert (await deploy(service, source("hello"), functionName="nobody")).status == 422


async def test_versions_are_numbered_and_the_newest_is_active(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "one", "two", "three")
    versions = (await ask(service, "GET", f"{ROOT}/{policy_id}/versions", role="VIEWER")).json
    assert [(version["version"], version["active"]) for version in versions] == [(1, False), (2, False), (3, True)]
    descending = (await ask(service, "GET", f"{ROOT}/{policy_id}/versions?order=desc", role="VIEWER")).json
    assert descending == versions[::-1]
    first = (await ask(service, "GET", f"{ROOT}/{policy_id}/versions/1", role="VIEWER")).json
    assert first["source"] == source("one")


async def test_rolling_back_makes_an_earlier_version_active(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "one", "two")
    target = f"{ROOT}/{policy_id}/rollback"
    rolled = await ask(service, "POST", target, {"targetVersion": 1, "reason": "two is wrong"})
    assert (rolled.status, rolled.json["previousVersion"], rolled.json["currentVersion"]) == (200, 2, 1)
    again = await ask(service, "POST", target, {"targetVersion": 1})
    assert (again.status, again.code) == (409, "VERSION_ALREADY_ACTIVE")
    unknown = await ask(service, "POST", target, {"targetVersion": 9})
    assert (unknown.status, unknown.code) == (400, "VERSION_NOT_FOUND")
    for wrong in (0, -1, 1.5, "1", None):
        assert (await ask(service, "POST", target, {"targetVersion": wrong})).status == 400
    assert (await ask(service, "POST", f"{ROOT}/nothing/rollback", {"targetVersion": 1})).status == 404


async def test_a_diff_tells_lines_and_rules(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "one")
    await deploy(service, source("one", rule="salute"))
    found = (await ask(service, "GET", f"{ROOT}/{policy_id}/versions/1/diff/2", role="VIEWER")).json
    assert "-Rule greet produce Text:" in found["diff"]
    assert (found["addedFunctions"], found["removedFunctions"]) == (["salute"], ["greet"])


async def test_replacing_keeps_the_module(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "one")
    target = f"{ROOT}/{policy_id}"
    assert (await ask(service, "PUT", target, {"source": source("two")})).json["version"] == 2
    assert (await ask(service, "PUT", target, {"source": source("two", "other")})).code == "VALIDATION_ERROR"


async def test_an_outdated_etag_stops_a_change(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "one")
    target = f"{ROOT}/{policy_id}"
    etag = (await ask(service, "GET", target)).headers["etag"].encode()
    for status in (200, 412):
        body = b'{"name": "renamed"}'
        headers = [*signed("PATCH", target, body), (b"if-match", etag)]
        assert (await send(service, "PATCH", target, body, headers)).status == status


async def test_a_deleted_policy_is_gone_but_for_those_who_ask(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "one")
    assert (await ask(service, "DELETE", f"{ROOT}/{policy_id}")).status == 204
    assert (await ask(service, "DELETE", f"{ROOT}/{policy_id}")).status == 404
    assert (await ask(service, "GET", ROOT)).json == []
    assert len((await ask(service, "GET", f"{ROOT}?includeDeleted=true")).json) == 1
    assert (await deploy(service, source("again"))).status == 201


async def test_paging_and_filters(service: PolicyHttpService) -> None:
    for number in range(5):
        await deploy(service, source("x", f"module{number}"))
    page = await ask(service, "GET", f"{ROOT}?page=1&size=2")
    assert [policy["moduleName"] for policy in page.json] == ["module2", "module3"]
    assert page.headers["x-total-count"] == "5"
    assert len((await ask(service, "GET", f"{ROOT}?module=module4")).json) == 1
    for wrong in ("page=-1", "size=0", "size=201", "size=x", "includeDeleted=1", "page=1&page=1"):
        assert (await ask(service, "GET", f"{ROOT}?{wrong}")).code == "VALIDATION_ERROR"


async def test_changes_are_in_the_audit_chain(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "one", "two", user="ada")
    await ask(service, "POST", f"{ROOT}/{policy_id}/rollback", {"targetVersion": 1, "reason": "why"}, user="bob")
    records = (await ask(service, "GET", "/api/v1/audit", role="ADMIN")).json
    assert [(record["eventType"], record["actorId"], record["version"]) for record in records] == [
        ("POLICY_ROLLED_BACK", "bob", 1),
        ("POLICY_DEPLOYED", "ada", 2),
        ("POLICY_DEPLOYED", "ada", 1),
    ]
    verified = (await ask(service, "GET", "/api/v1/audit/verify-chain", role="ADMIN")).json
    assert (verified["valid"], verified["recordsVerified"]) == (True, 3)


@pytest.fixture
async def careful(service: PolicyHttpService) -> PolicyHttpService:
    """A service whose tenant asks for approval."""
    await ask(service, "PUT", "/api/v1/tenant/settings", {"approvalRequired": True}, role="OWNER")
    return service


async def test_approval_by_another_admin_comes_before_activation(careful: PolicyHttpService) -> None:
    made = await deploy(careful, source("one"), user="ada")
    assert (made.json["active"], made.json["status"]) == (False, "DRAFT")
    version = f"{ROOT}/{made.json['policyId']}/versions/1"

    async def step(word: str, role: str, user: str) -> int:
        return (await ask(careful, "POST", f"{version}/{word}", {"comment": "…"}, role=role, user=user)).status

    assert await step("activate", "ADMIN", "bob") == 409
    assert await step("approve", "ADMIN", "bob") == 409
    assert await step("submit", "MEMBER", "ada") == 200
    assert await step("approve", "MEMBER", "bob") == 403
    assert await step("approve", "ADMIN", "ada") == 403
    assert await step("approve", "ADMIN", "bob") == 200
    read = (await ask(careful, "GET", version)).json
    assert (read["decidedBy"], read["decidedAt"] >= read["createdAt"], read["authorRole"]) == ("bob", True, "MEMBER")
    assert await step("activate", "MEMBER", "ada") == 403
    assert await step("activate", "ADMIN", "ada") == 200
    assert await step("activate", "ADMIN", "ada") == 409
    assert await step("deprecate", "MEMBER", "ada") == 409
    listed = (await ask(careful, "GET", "/api/v1/audit?success=true", role="ADMIN")).json
    assert [record["eventType"] for record in listed][:4] == [
        "VERSION_ACTIVATED",
        "VERSION_APPROVED",
        "VERSION_SUBMITTED",
        "POLICY_CREATED",
    ]


async def test_a_version_nobody_approved_decides_nothing_not_even_by_its_number(careful: PolicyHttpService) -> None:
    made = await deploy(careful, source("one"), user="ada")
    version = f"{ROOT}/{made.json['policyId']}/versions/1"
    pinned = {"policyModule": "greeting", "version": 1}

    async def evaluated() -> tuple[int, Any]:
        answered = await ask(careful, "POST", f"{ROOT}/evaluate", pinned)
        return answered.status, answered.json.get("errorCode")

    assert await evaluated() == (409, "VERSION_NOT_APPROVED")
    batch = (await ask(careful, "POST", f"{ROOT}/evaluate/batch", {"requests": [pinned]})).json
    assert [each["errorCode"] for each in batch["responses"]] == ["VERSION_NOT_APPROVED"]
    await ask(careful, "POST", f"{version}/submit", {}, user="ada")
    assert await evaluated() == (409, "VERSION_NOT_APPROVED")
    await ask(careful, "POST", f"{version}/approve", {}, role="ADMIN", user="bob")
    assert await evaluated() == (200, None)
    await ask(careful, "POST", f"{version}/deprecate", {})
    assert await evaluated() == (200, None)
    await ask(careful, "POST", f"{version}/archive", {})
    assert await evaluated() == (409, "VERSION_NOT_APPROVED")


async def test_a_rejected_version_can_be_submitted_again_or_archived(careful: PolicyHttpService) -> None:
    made = await deploy(careful, source("one"), user="ada")
    version = f"{ROOT}/{made.json['policyId']}/versions/1"
    for word, status in [
        ("submit", "SUBMITTED"),
        ("reject", "REJECTED"),
        ("submit", "SUBMITTED"),
        ("reject", "REJECTED"),
    ]:
        answered = await ask(careful, "POST", f"{version}/{word}", {}, role="ADMIN", user="bob")
        assert (answered.status, answered.json["status"]) == (200, status)
    assert (await ask(careful, "POST", f"{version}/archive", {})).json["status"] == "ARCHIVED"


async def test_policies_are_listed_by_the_state_of_what_is_shown(service: PolicyHttpService) -> None:
    await deploy(service, source("hello", module="first"))
    await ask(service, "PATCH", "/api/v1/tenant/settings", {"approvalRequired": True}, role="OWNER")
    await deploy(service, source("hello", module="second"))
    for status, modules in (("APPROVED", ["first"]), ("DRAFT", ["second"]), ("ARCHIVED", [])):
        listed = await ask(service, "GET", f"{ROOT}?status={status}")
        assert [policy["moduleName"] for policy in listed.json] == modules
        assert listed.headers["x-total-count"] == str(len(modules))
    assert (await ask(service, "GET", f"{ROOT}?status=draft")).code == "VALIDATION_ERROR"


async def test_pages_point_to_the_next_and_the_one_before(service: PolicyHttpService) -> None:
    for number in range(5):
        await deploy(service, source("hello", module=f"m{number}"))
    target: str | None = f"{ROOT}?size=2"
    seen = []
    while target is not None:
        listed = await ask(service, "GET", target)
        seen += [policy["moduleName"] for policy in listed.json]
        links = dict(part.split("; rel=")[::-1] for part in listed.headers.get("link", "").split(", ") if part)
        target = links.get('"next"', "").strip("<>") or None
    assert seen == [f"m{number}" for number in range(5)]
    assert links == {'"prev"': f"<{ROOT}?size=2&page=1>"}
    assert "link" not in (await ask(service, "GET", ROOT)).headers
