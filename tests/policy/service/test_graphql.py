"""GraphQL: the table's routes as fields, behind the same layers, with the same roles, within bounds."""

import sys
from typing import Any

import msgspec
import pytest
from tests.policy.service.asgi import SECRET, Answered, ask, send, signed
from tests.policy.service.conftest import Clock

from aster.foundation.http.routes import Route
from aster.foundation.sql import Database
from aster.policy.service import graphql_schema
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.caller import Role
from aster.policy.service.settings import PolicySettings

SOURCE = "Module greetings.\n\nRule hello given name as Text, produce Text:\n  Return name.\n"
DEPLOY = "mutation Deploy($input: DeployInput!) { createPolicy(input: $input) { policyId version active } }"


@pytest.fixture
def service(database: Database) -> PolicyHttpService:
    return create_policy_service(database, PolicySettings(secret_key=SECRET, master_key="m" * 32), environ={})


async def post(service: PolicyHttpService, query: str, variables: Any = None, **options: Any) -> Answered:
    body = {"query": query} if variables is None else {"query": query, "variables": variables}
    return await ask(service, "POST", "/graphql", body, **{"role": "OWNER", **options})


async def data(service: PolicyHttpService, query: str, variables: Any = None, **options: Any) -> Any:
    answered = await post(service, query, variables, **options)
    assert answered.status == 200, answered.body
    assert "errors" not in answered.json, answered.json
    return answered.json["data"]


async def codes(service: PolicyHttpService, query: str, variables: Any = None, **options: Any) -> list[str]:
    answered = await post(service, query, variables, **options)
    return [error["extensions"]["code"] for error in answered.json.get("errors", ())]


async def test_a_policys_life_is_the_same_as_over_its_routes(service: PolicyHttpService) -> None:
    made = (await data(service, DEPLOY, {"input": {"source": SOURCE}}))["createPolicy"]
    assert (made["version"], made["active"]) == (1, True)
    await data(service, DEPLOY, {"input": {"source": SOURCE + "\n# again\n", "notes": "second"}})
    evaluate = (
        'mutation ($context: JSON) { evaluate(input: {policyModule: "greetings", context: $context}, trace: true)'
    )
    found = await data(service, evaluate + " { result error decisionTrace } }", {"context": {"name": "Zoë"}})
    assert found["evaluate"]["result"] == "Zoë"
    assert found["evaluate"]["decisionTrace"]["functionName"] == "hello"
    seen = await data(
        service,
        'query ($id: String!) { policies(module: "greetings", page: 0) { moduleName version }'
        ' versions(policyId: $id, order: "desc") { version notes }'
        ' policy(policyId: $id, include: "source") { source updatedAt }'
        ' versionDiff(policyId: $id, number: "1", other: "2") { diff } }',
        {"id": made["policyId"]},
    )
    assert seen["policies"] == [{"moduleName": "greetings", "version": 2}]
    assert seen["versions"] == [{"version": 2, "notes": "second"}, {"version": 1, "notes": ""}]
    assert "# again" in seen["policy"]["source"]
    assert "+# again" in seen["versionDiff"]["diff"]
    back = "mutation ($id: String!) { rollback(policyId: $id, input: {targetVersion: 1}) { activeVersion } }"
    assert (await data(service, back, {"id": made["policyId"]}))["rollback"] == {"activeVersion": 1}
    delete = "mutation ($id: String!) { deletePolicy(policyId: $id) }"
    assert await data(service, delete, {"id": made["policyId"]}) == {"deletePolicy": True}


async def test_what_is_done_is_in_the_audit_chain(service: PolicyHttpService) -> None:
    await data(service, DEPLOY, {"input": {"source": SOURCE}}, user="ada")
    await data(service, 'mutation { evaluate(input: {policyModule: "greetings", context: ["x"]}) { result } }')
    found = await data(
        service,
        '{ auditLog(eventType: "POLICY_EVALUATED", success: true) { actorId sequence policyModule }'
        ' created: auditLog(user: "ada") { eventType } auditHead { lastSequence lastHash }'
        " verifyAudit { valid recordsVerified } }",
    )
    assert found["auditLog"] == [{"actorId": "anonymous", "sequence": 2, "policyModule": "greetings"}]
    assert found["created"] == [{"eventType": "POLICY_DEPLOYED"}]
    assert found["verifyAudit"] == {"valid": True, "recordsVerified": 2}


async def test_mutations_of_one_document_are_done_in_order_and_fail_alone(service: PolicyHttpService) -> None:
    document = """mutation ($one: DeployInput!, $broken: DeployInput!) {
      first: createPolicy(input: $one) { version }
      second: createPolicy(input: $broken) { version }
      third: evaluate(input: {policyModule: "greetings", context: ["x"]}) { result }
    }"""
    variables = {"one": {"source": SOURCE}, "broken": {"source": "Module x.\n\nRule y produce Text:\n  Return 1 plus."}}
    answered = (await post(service, document, variables)).json
    assert [(error["path"], error["extensions"]["code"]) for error in answered["errors"]] == [
        (["second"], "COMPILATION_FAILED")
    ]
    assert answered["errors"][0]["extensions"]["problems"][0]["path"].startswith("source:4:")


def example(service: PolicyHttpService, field: str, handler: str) -> tuple[str, Route]:
    """The shortest document that is valid for a field, with its route."""
    route = next(each for each in service.routes if each.handler.__name__ == handler)
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    given = [f'{graphql_schema.camel(name)}: "1"' for name in names]
    if route.body is not None and not route.optional_body:
        given.append(f"input: {INPUTS.get(route.body.__name__, '{}')}")
    arguments = f"({', '.join(given)})" if given else ""
    selection = "" if route.answer is None else " { __typename }"
    kind = "query" if field in graphql_schema.QUERIES else "mutation"
    return f"{kind} {{ {field}{arguments}{selection} }}", route


INPUTS = {
    "DeployRequest": '{source: "x"}',
    "EvaluateRequest": '{policyModule: "x"}',
    "EvaluateSourceRequest": '{source: "x"}',
    "EvaluateSourceBatchRequest": '{source: "x", inputs: []}',
    "ChainRequest": '{steps: [{policyModule: "x"}]}',
    "EvaluateJsonRequest": '{policy: "{}"}',
    "EvaluateBatchRequest": '{requests: [{policyModule: "x"}]}',
    "CompileRequest": '{source: "x"}',
    "RollbackRequest": "{targetVersion: 1}",
    "AssignmentRequest": '{role: "MEMBER", expiresAt: "2020-01-01T00:00:00Z"}',
}
FIELDS = {**graphql_schema.QUERIES, **graphql_schema.MUTATIONS}


@pytest.mark.parametrize("field", FIELDS)
async def test_every_field_needs_its_routes_role(service: PolicyHttpService, field: str) -> None:
    document, route = example(service, field, FIELDS[field])
    for role in Role:
        refused = "ROLE_INSUFFICIENT" in await codes(service, document, role=role.name)
        assert refused == (role < route.access), (field, role)


def test_every_route_is_a_field(service: PolicyHttpService) -> None:
    """But for listings that are filters of another one, exports, and GraphQL itself."""
    handlers = {route.handler.__name__ for route in service.routes}
    aliases = {"list_logs", "list_type", "list_policy", "list_range", "replace_settings", "source_schema", "export"}
    assert handlers - set(FIELDS.values()) == {*aliases, "graphql", "graphql_schema"}


async def test_a_denied_field_is_recorded_as_its_route(service: PolicyHttpService) -> None:
    assert await codes(service, "{ auditHead { count } }", role="MEMBER") == ["ROLE_INSUFFICIENT"]
    records = (await ask(service, "GET", "/api/v1/audit", role="ADMIN")).json
    assert [each["payload"] for each in records] == [{"method": "GET", "route": "/api/v1/audit/head"}]


async def test_another_tenants_things_are_not_there(service: PolicyHttpService) -> None:
    made = (await data(service, DEPLOY, {"input": {"source": SOURCE}}))["createPolicy"]
    query = "query ($id: String!) { policy(policyId: $id) { moduleName } policies { moduleName } auditLog { hash } }"
    answered = (await post(service, query, {"id": made["policyId"]}, tenant="globex")).json
    assert [error["extensions"]["code"] for error in answered["errors"]] == ["POLICY_NOT_FOUND"]
    assert await data(service, "{ policies { moduleName } auditLog { hash } }", tenant="globex") == {
        "policies": [],
        "auditLog": [],
    }


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"tenant": "not a tenant"}, 400, "TENANT_INVALID"),
        ({"secret": "wrong"}, 401, "SIGNATURE_INVALID"),
        ({"role": "NOBODY"}, 403, "ROLE_INVALID"),
    ],
)
async def test_the_layers_come_first(
    service: PolicyHttpService, options: dict[str, str], status: int, code: str
) -> None:
    answered = await post(service, "{ broken", **options)
    assert (answered.status, answered.code) == (status, code)


async def test_a_document_can_not_be_replayed(service: PolicyHttpService) -> None:
    body = msgspec.json.encode({"query": "{ policies { moduleName } }"})
    headers = signed("POST", "/graphql", body)
    statuses = [(await send(service, "POST", "/graphql", body, headers)).status for _ in range(2)]
    assert statuses == [200, 409]


BOMB = "{ ...f0 } " + " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{ a" + " { a" * 20 + " }" * 21, "15 levels"),
        ("{ policies { " + "name " * 400 + "} }", "300 fields"),
        ("{ " + " ".join(f"p{n}: policies {{ name }}" for n in range(21)) + " }", "20 operations"),
        (BOMB + " fragment f60 on Query { policies { name } }", "fields"),
        ("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }", "spreads itself"),
        ("{ policies { name } " * 500, "Syntax Error"),
        ("{ policies(name: " + "[" * 30_000, "Syntax Error|nested too deeply"),
        ("not graphql", "Syntax Error"),
        ("", "Syntax Error"),
    ],
)
async def test_documents_are_bounded_before_they_are_validated(
    service: PolicyHttpService, document: str, words: str
) -> None:
    answered = await post(service, document)
    assert answered.status == 400
    assert any(word in answered.json["error"] for word in words.split("|")), answered.json["error"]


async def test_unknown_fields_and_wrong_values_are_told(service: PolicyHttpService) -> None:
    assert await codes(service, "{ nothing }") == ["VALIDATION_ERROR"]
    assert await codes(service, "{ policies(size: 0) { name } }") == ["VALIDATION_ERROR"]
    assert await codes(service, 'mutation { evaluate(input: {policyModule: ""}) { result } }') == ["VALIDATION_ERROR"]
    wrong = 'mutation { evaluate(input: {policyModule: "x", version: "1"}) { result } }'
    assert await codes(service, wrong) == ["VALIDATION_ERROR"]


async def test_each_operation_costs_a_request(stopped: PolicyHttpService, clock: Clock) -> None:
    documents = ("{ auditHead { count } }", "{ a: auditHead { count } b: auditHead { count } c: auditHead { count } }")
    answers = [await post(stopped, each, timestamp_ms=clock.ms) for each in documents]
    assert [each.headers["x-ratelimit-remaining"] for each in answers] == ["59999", "59996"]


async def test_an_idempotency_key_is_for_single_changes(service: PolicyHttpService) -> None:
    body = msgspec.json.encode({"query": "{ policies { name } }"})
    headers = [*signed("POST", "/graphql", body), (b"idempotency-key", b"k")]
    assert (await send(service, "POST", "/graphql", body, headers)).code == "VALIDATION_ERROR"


@pytest.mark.parametrize("document", ["{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'])
async def test_introspection_is_for_admins(service: PolicyHttpService, database: Database, document: str) -> None:
    for role, status in (("VIEWER", 403), ("MEMBER", 403), ("ADMIN", 200)):
        assert (await post(service, document, role=role)).status == status
        assert (await ask(service, "GET", "/graphql/schema.graphql", role=role)).status == status
    closed = create_policy_service(database, PolicySettings(secret_key=SECRET, introspection="off"), environ={})
    assert (await post(closed, document, role="OWNER")).status == 403
    assert (await ask(closed, "GET", "/graphql/schema.graphql", role="OWNER")).status == 403
    hidden = "query { ...f } fragment f on Query { ... { __schema { types { name } } } }"
    assert (await post(closed, hidden)).status == 403


async def test_without_the_extra_the_answer_names_it(
    service: PolicyHttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "strawberry", None)
    answered = await post(service, "{ policies { name } }")
    assert (answered.status, answered.code) == (501, "EXTRA_MISSING")
    assert "aster-platform[graphql]" in answered.json["error"]


async def test_what_fails_inside_stays_inside(service: PolicyHttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: Any) -> None:
        raise ValueError("a secret of the inside")

    monkeypatch.setattr("aster.policy.service.audit_routes.AuditRoutes._slice", explode)
    await data(service, DEPLOY, {"input": {"source": SOURCE}})
    answered = (await post(service, "{ auditLog { hash } }")).json
    assert [error["extensions"]["code"] for error in answered["errors"]] == ["INTERNAL_ERROR"]
    assert "inside" not in str(answered)
