"""Every setting of a tenant has an effect, and on that tenant alone."""

from typing import Any

import pytest
from tests.policy.service.asgi import SECRET, Answered, ask, send, signed

from aster.foundation.sql import Database
from aster.policy.service import recording
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

SETTINGS = "/api/v1/tenant/settings"
POLICIES = "/api/v1/policies"
PING = "Module demo.\n\nRule ping given n as Int, produce Int:\n  Return 10 divided by n.\n"
GERMAN = 'Modul demo.\n\nRegel ping liefert Text:\n  gib zurück "pong".\n'
MISTYPED = 'Module demo.\n\nRule ping produce Int:\n  Return "pong".\n'
LOOP = """Module demo.

Rule count given n as Int, produce Int:
  If n less than 1:
    Return 0.
  Return 1 plus count(n minus 1).
"""


async def choose(service: PolicyHttpService, **chosen: Any) -> Answered:
    return await ask(service, "PATCH", SETTINGS, chosen, role="OWNER")


async def evaluate(service: PolicyHttpService, source: str, context: Any = (), **options: Any) -> Any:
    tenant = options.pop("tenant", "acme-corp")
    body = {"source": source, "context": context, **options}
    answered = await ask(service, "POST", f"{POLICIES}/evaluate-source", body, tenant=tenant)
    assert answered.status == 200, answered.body
    return answered.json


async def evaluations(service: PolicyHttpService) -> list[Any]:
    found: list[Any] = (await ask(service, "GET", "/api/v1/audit/type/POLICY_EVALUATED?size=200", role="ADMIN")).json
    return found


async def test_the_default_locale_is_meant_where_none_is_named(service: PolicyHttpService) -> None:
    assert (await evaluate(service, GERMAN))["errorCode"] == "POLICY_SYNTAX"
    assert (await choose(service, defaultLocale="de-DE")).status == 200
    assert (await evaluate(service, GERMAN))["result"] == "pong"
    assert (await evaluate(service, GERMAN, locale="en-US"))["errorCode"] == "POLICY_SYNTAX"
    assert (await evaluate(service, GERMAN, tenant="globex"))["errorCode"] == "POLICY_SYNTAX"
    deployed = await ask(service, "POST", POLICIES, {"source": GERMAN})
    assert deployed.status == 201
    await choose(service, defaultLocale="en-US")
    read = await ask(service, "GET", f"{POLICIES}/{deployed.json['policyId']}")
    assert read.json["locale"] == "de-DE"
    assert (await ask(service, "POST", f"{POLICIES}/evaluate", {"policyModule": "demo"})).json["result"] == "pong"


async def test_an_unknown_locale_can_not_be_the_default(service: PolicyHttpService) -> None:
    assert (await choose(service, defaultLocale="fr-FR")).status == 400


async def test_strict_types_refuse_what_would_only_be_told(service: PolicyHttpService) -> None:
    stored = await ask(service, "POST", POLICIES, {"source": MISTYPED})
    assert stored.status == 201
    await choose(service, strictTypes=True)
    refused = await ask(service, "POST", POLICIES, {"source": MISTYPED + "\n# again\n"})
    assert (refused.status, refused.code) == (422, "COMPILATION_FAILED")
    assert refused.json["details"][0]["path"] == "source:4:10"
    assert (await evaluate(service, MISTYPED))["errorCode"] == "POLICY_SYNTAX"
    assert (await ask(service, "POST", f"{POLICIES}/validate", {"source": MISTYPED})).json["valid"] is False
    assert (await evaluate(service, MISTYPED, tenant="globex"))["errorCode"] != "POLICY_SYNTAX"


async def test_what_strict_types_refused_is_replayed_as_refused(service: PolicyHttpService) -> None:
    await choose(service, strictTypes=True)
    await evaluate(service, MISTYPED)
    (record,) = await evaluations(service)
    await choose(service, strictTypes=False)
    body = {"source": MISTYPED, "context": []}
    replayed = await ask(service, "POST", f"/api/v1/audit/{record['sequence']}/replay", body, role="ADMIN")
    assert replayed.json["proved"]


async def test_a_tenant_may_bound_its_own_steps(service: PolicyHttpService) -> None:
    assert (await evaluate(service, LOOP, [100]))["result"] == 100
    await choose(service, maxSteps=50)
    assert (await evaluate(service, LOOP, [100]))["errorCode"] == "STEP_LIMIT"
    assert (await evaluate(service, LOOP, [2]))["result"] == 2
    assert (await evaluate(service, LOOP, [100], tenant="globex"))["result"] == 100
    await ask(service, "POST", POLICIES, {"source": LOOP})
    stored = await ask(service, "POST", f"{POLICIES}/evaluate", {"policyModule": "demo", "context": [100]})
    assert stored.json["errorCode"] == "STEP_LIMIT"


async def test_a_request_may_bound_its_own_steps_but_not_raise_the_tenants(service: PolicyHttpService) -> None:
    assert (await evaluate(service, LOOP, [100], maxSteps=50))["errorCode"] == "STEP_LIMIT"
    assert (await evaluate(service, LOOP, [100], timeoutMs=60_000))["result"] == 100
    await choose(service, maxSteps=50)
    assert (await evaluate(service, LOOP, [100], maxSteps=10**9))["errorCode"] == "STEP_LIMIT"
    refused = await ask(service, "POST", f"{POLICIES}/evaluate-source", {"source": LOOP, "maxSteps": 0})
    assert refused.status == 400


async def test_the_operator_bounds_every_tenant(database: Database) -> None:
    settings = PolicySettings(secret_key=SECRET, most_steps=50)
    service = create_policy_service(database, settings, environ={})
    await choose(service, maxSteps=10_000)
    assert (await evaluate(service, LOOP, [100], maxSteps=10_000))["errorCode"] == "STEP_LIMIT"


@pytest.mark.parametrize(("wanted", "kept"), [("all", 3), ("errors", 1), ("none", 0)])
async def test_a_tenant_says_which_evaluations_are_recorded(service: PolicyHttpService, wanted: str, kept: int) -> None:
    await choose(service, auditEvaluations=wanted)
    for number in (1, 2, 0):
        await evaluate(service, PING, [number])
    assert len(await evaluations(service)) == kept
    await evaluate(service, PING, [1], tenant="globex")
    (changed,) = (await ask(service, "GET", "/api/v1/audit/type/TENANT_SETTINGS_CHANGED", role="ADMIN")).json
    assert changed["payload"]["after"]["auditEvaluations"] == wanted


async def test_a_sample_has_every_failure_and_says_what_it_stands_for(
    service: PolicyHttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await choose(service, auditEvaluations="sampled")
    drawn = iter([1, 0, 99])
    monkeypatch.setattr("random.randrange", lambda most: next(drawn))
    for number in (1, 2, 3, 0):
        await evaluate(service, PING, [number])
    failed, sampled = await evaluations(service)
    assert (failed["success"], failed.get("payload")) == (False, None)
    assert (sampled["success"], sampled["payload"]) == (True, {"sampledOneIn": recording.ONE_IN})


async def test_what_is_not_recorded_can_not_be_replayed_either(service: PolicyHttpService) -> None:
    """The nonce of an evaluation without a record is consumed all the same."""
    await choose(service, auditEvaluations="none")
    body = b'{"source":"Module demo.\\n\\nRule ping produce Text:\\n  Return \\"pong\\"."}'
    target = f"{POLICIES}/evaluate-source"
    headers = signed("POST", target, body, role="MEMBER")
    assert [(await send(service, "POST", target, body, headers)).status for _ in range(2)] == [200, 409]


@pytest.mark.parametrize(("redact", "shown"), [(True, "***@***"), (False, "ada@acme.com")])
async def test_a_tenant_may_keep_what_people_typed(service: PolicyHttpService, redact: bool, shown: str) -> None:
    await choose(service, redactPii=redact)
    deployed = await ask(service, "POST", POLICIES, {"source": PING, "activate": False})
    path = f"{POLICIES}/{deployed.json['policyId']}/versions/1/activate"
    await ask(service, "POST", path, {"comment": "asked by ada@acme.com"})
    (record,) = (await ask(service, "GET", "/api/v1/audit/type/VERSION_ACTIVATED", role="ADMIN")).json
    assert record["payload"]["reason"] == f"asked by {shown}"


APP, OTHER = "https://app.example.com", "https://other.example.com"


async def from_page(service: PolicyHttpService, origin: str, tenant: str = "acme-corp") -> Answered:
    headers = [*signed("GET", POLICIES, role="VIEWER", tenant=tenant), (b"origin", origin.encode())]
    return await send(service, "GET", POLICIES, headers=headers)


async def preflight(service: PolicyHttpService, origin: str) -> Answered:
    headers = [(b"origin", origin.encode()), (b"access-control-request-method", b"POST")]
    return await send(service, "OPTIONS", f"{POLICIES}/evaluate", headers=headers)


@pytest.fixture
def open_to_pages(database: Database) -> PolicyHttpService:
    settings = PolicySettings(secret_key=SECRET, cors_origins=f"{APP}, {OTHER}")
    return create_policy_service(database, settings, environ={})


async def test_pages_of_the_operators_origins_may_ask(open_to_pages: PolicyHttpService) -> None:
    asked = await preflight(open_to_pages, APP)
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == APP
    allowed = asked.headers["access-control-allow-headers"].lower()
    for name, _ in signed("GET", POLICIES, role="VIEWER", user="ada"):
        assert name.decode() in allowed
    assert (await preflight(open_to_pages, "https://evil.example.com")).status == 403
    answered = await from_page(open_to_pages, APP)
    assert (answered.status, answered.headers["access-control-allow-origin"]) == (200, APP)


async def test_without_origins_no_page_is_told_anything(service: PolicyHttpService) -> None:
    assert "access-control-allow-origin" not in (await from_page(service, APP)).headers
    assert (await preflight(service, APP)).status == 400


async def test_a_tenant_may_name_fewer_origins(open_to_pages: PolicyHttpService) -> None:
    await choose(open_to_pages, corsOrigins=[APP])
    assert (await from_page(open_to_pages, APP)).status == 200
    refused = await from_page(open_to_pages, OTHER)
    assert (refused.status, refused.code) == (403, "ORIGIN_NOT_ALLOWED")
    assert (await from_page(open_to_pages, OTHER, tenant="globex")).status == 200
    assert (await ask(open_to_pages, "GET", POLICIES)).status == 200
    await choose(open_to_pages, corsOrigins=None)
    assert (await from_page(open_to_pages, OTHER)).status == 200


@pytest.mark.parametrize("origin", ["*", "app.example.com", "https://app.example.com/", "https://a b"])
async def test_what_is_no_origin_is_refused(service: PolicyHttpService, origin: str) -> None:
    assert (await choose(service, corsOrigins=[origin])).status == 400


async def test_a_patch_knows_every_setting(service: PolicyHttpService) -> None:
    for name, value in (await ask(service, "GET", "/api/v1/tenant", role="OWNER")).json.items():
        assert (await choose(service, **{name: value})).status == 200, name
