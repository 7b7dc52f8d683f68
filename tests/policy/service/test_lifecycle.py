"""The life of stored policies beside their versions: what others may use, where sources come from, what was active."""

import msgspec
import pytest
from tests.policy.service.asgi import ask, signed
from tests.policy.service.asgi import send as send_raw
from tests.policy.service.conftest import Clock
from tests.policy.service.test_policies import ROOT, deploy, deployed, source

from aster.policy.service.app import PolicyHttpService

STORES = ("sqlite", "postgres")

USER = "Module user.\n\nUse greeting.\n\nRule say produce Text:\n  Return greeting.greet().\n"


async def test_a_hidden_module_can_not_be_used_by_another_policy(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "hello")
    assert (await ask(service, "GET", f"{ROOT}/{policy_id}")).json["libraryVisible"] is True
    assert (await deploy(service, USER)).status == 201
    hidden = await ask(service, "PATCH", f"{ROOT}/{policy_id}", {"libraryVisible": False})
    assert (hidden.status, hidden.json["libraryVisible"]) == (200, False)
    refused = await deploy(service, USER)
    assert (refused.status, refused.code) == (422, "COMPILATION_FAILED")
    body = {"policyModule": "user"}
    assert (await ask(service, "POST", f"{ROOT}/evaluate", body)).json["result"] == "hello"  # pinned before
    assert (await ask(service, "POST", f"{ROOT}/evaluate", {"policyModule": "greeting"})).json["result"] == "hello"
    await ask(service, "PATCH", f"{ROOT}/{policy_id}", {"libraryVisible": True})
    assert (await deploy(service, USER)).status == 200
    changed = (await ask(service, "GET", "/api/v1/audit/type/POLICY_UPDATED", role="ADMIN")).json
    assert [record["payload"] for record in changed] == [{"libraryVisible": True}, {"libraryVisible": False}]


@pytest.mark.parametrize("kind", ["manual", "ai_draft", "ai_draft_edited", "imported"])
async def test_a_version_tells_where_its_source_comes_from(service: PolicyHttpService, kind: str) -> None:
    made = await deploy(service, source("hello"), sourceKind=kind)
    (version,) = (await ask(service, "GET", f"{ROOT}/{made.json['policyId']}/versions")).json
    assert version["sourceKind"] == kind
    (record,) = (await ask(service, "GET", "/api/v1/audit/type/POLICY_DEPLOYED", role="ADMIN")).json
    assert record["payload"]["sourceKind"] == kind
    assert (await deploy(service, source("hello"), sourceKind="dictated")).code == "VALIDATION_ERROR"


async def test_a_source_is_manual_unless_its_author_tells(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "hello")
    assert (await ask(service, "GET", f"{ROOT}/{policy_id}/versions/1")).json["sourceKind"] == "manual"


async def test_the_history_tells_which_version_was_active_when_and_why(
    stopped: PolicyHttpService, clock: Clock
) -> None:
    def at(second: int) -> str:
        return f"2024-02-24T12:00:{second:02}.000Z"

    async def asked(method: str, target: str, body: object = None) -> object:
        payload = b"" if body is None else msgspec.json.encode(body)
        headers = signed(method, target, payload, role="ADMIN", user="ada", timestamp_ms=clock.ms)
        answered = await send_raw(stopped, method, target, payload, headers)
        assert answered.status < 300, answered.body
        clock.ms += 1000
        return answered.json if answered.body else None

    made = await asked("POST", ROOT, {"source": source("one"), "notes": "first"})
    one = f"{ROOT}/{made['policyId']}"  # type: ignore[index]
    await asked("POST", ROOT, {"source": source("two"), "notes": "second"})
    await asked("POST", f"{one}/rollback", {"targetVersion": 1, "reason": "too new"})
    await asked("POST", f"{one}/versions/2/activate", {"comment": "after all"})
    expected = [
        (1, "deploy", at(0), at(1), "first"),
        (2, "deploy", at(1), at(2), "second"),
        (1, "rollback", at(2), at(3), "too new"),
        (2, "deploy", at(3), None, "after all"),
    ]

    def told(found: object) -> list[tuple[object, ...]]:
        names = ("version", "kind", "activatedAt", "deactivatedAt", "reason")
        assert all(each["activatedBy"] == "ada" for each in found)  # type: ignore[attr-defined]
        return [tuple(each[name] for name in names) for each in found]  # type: ignore[attr-defined]

    assert told(await asked("GET", f"{one}/activations")) == expected
    assert told(await asked("GET", f"{one}/activations?order=desc")) == expected[::-1]
    deleted = at((clock.ms - 1_708_776_000_000) // 1000)
    await asked("DELETE", one)
    withdrawn = told(await asked("GET", f"{one}/activations?includeDeleted=true"))
    assert withdrawn[-1] == (2, "deploy", at(3), deleted, "after all")


async def test_what_was_withdrawn_can_be_read_when_asked_for(service: PolicyHttpService) -> None:
    policy_id = await deployed(service, "one", "two")
    await ask(service, "DELETE", f"{ROOT}/{policy_id}")
    for target in ("", "/versions", "/versions/1", "/activations", "/versions/1/diff/2"):
        assert (await ask(service, "GET", f"{ROOT}/{policy_id}{target}")).code == "POLICY_NOT_FOUND"
        read = await ask(service, "GET", f"{ROOT}/{policy_id}{target}?includeDeleted=true")
        assert read.status == 200, read.body
    assert (await ask(service, "GET", f"{ROOT}/{policy_id}?includeDeleted=true")).json["deleted"]


@pytest.mark.parametrize("listing", ["versions", "activations"])
async def test_an_order_there_is_not_is_refused(service: PolicyHttpService, listing: str) -> None:
    policy_id = await deployed(service, "one", "two")
    target = f"{ROOT}/{policy_id}/{listing}"
    numbers = [each["version"] for each in (await ask(service, "GET", f"{target}?order=desc")).json]
    assert numbers == [2, 1]
    assert (await ask(service, "GET", f"{target}?order=newest")).code == "VALIDATION_ERROR"


async def test_a_change_of_what_somebody_else_changed_is_refused_when_it_says_what_it_saw(
    service: PolicyHttpService,
) -> None:
    policy_id = await deployed(service, "one", "two")
    one = f"{ROOT}/{policy_id}"
    seen = (await ask(service, "GET", one)).headers["etag"]
    await ask(service, "PATCH", one, {"description": "changed meanwhile"})
    changes = [
        ("PUT", one, {"source": source("three")}),
        ("PATCH", one, {"name": "x"}),
        ("POST", f"{one}/rollback", {"targetVersion": 1}),
        ("POST", f"{one}/versions/1/activate", {}),
        ("POST", f"{one}/versions/1/deprecate", {}),
        ("DELETE", one, None),
    ]
    for method, target, body in changes:
        payload = b"" if body is None else msgspec.json.encode(body)
        headers = [*signed(method, target, payload, role="MEMBER"), (b"if-match", seen.encode())]
        refused = await send_raw(service, method, target, payload, headers)
        assert (refused.status, refused.code) == (412, "PRECONDITION_FAILED"), target
    now = (await ask(service, "GET", one)).headers["etag"]
    payload = msgspec.json.encode({"targetVersion": 1})
    headers = [*signed("POST", f"{one}/rollback", payload, role="MEMBER"), (b"if-match", now.encode())]
    done = await send_raw(service, "POST", f"{one}/rollback", payload, headers)
    assert done.status == 200
    assert done.headers["etag"] == (await ask(service, "GET", one)).headers["etag"]
