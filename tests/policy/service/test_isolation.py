"""Every route of the table, walked by two tenants: nothing of the one is seen, found or changed by the other."""

import re
from typing import Any

import msgspec
import pytest
from tests.policy.service.asgi import SECRET, Answered, ask
from tests.policy.service.conftest import Clock

from aster.foundation.http.routes import Route
from aster.foundation.sql import Database
from aster.policy import compile_source
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.policies import TenantPolicies
from aster.policy.service.settings import PolicySettings
from aster.policy.service.tenants import TenantAdministration

STORES = ("sqlite", "postgres")

MARK = "only-acme-knows"
SOURCE = f'Module marked.\n\nRule mark produce Text:\n  Return "{MARK}".\n'

BODIES: dict[str, Any] = {
    "DeployRequest": {"source": SOURCE.replace(MARK, "globex")},
    "PolicyPatch": {"name": "taken over"},
    "RollbackRequest": {"targetVersion": 1},
    "CommentRequest": {},
    "EvaluateSourceRequest": {"source": SOURCE.replace(MARK, "globex")},
    "EvaluateSourceBatchRequest": {"source": SOURCE.replace(MARK, "globex"), "inputs": [{}]},
    "EvaluateJsonRequest": {"policy": compile_source(SOURCE.replace(MARK, "globex")).core_ir()},
    "EvaluateRequest": {"policyModule": "marked"},
    "EvaluateBatchRequest": {"requests": [{"policyModule": "marked"}]},
    "ChainRequest": {"steps": [{"policyModule": "marked"}]},
    "TenantSettings": {"displayName": "globex"},
    "AssignmentRequest": {"role": "MEMBER"},
    "KeyRequest": {},
    "SchemaRequest": {"source": SOURCE.replace(MARK, "globex")},
    "CompileRequest": {"source": SOURCE.replace(MARK, "globex")},
    "ValidateRequest": {"policyModule": "marked"},
    "ReplayRequest": {},
    "GraphqlRequest": {"query": "{ policies { moduleName name } auditLog { payload } keys { label } }"},
    "ClearCacheRequest": {},
    "SettingsPatch": {"displayName": "globex"},
}
"""A body that is right for each type of the table; a new type without one fails the walk."""


@pytest.fixture
def service(database: Database) -> PolicyHttpService:
    return create_policy_service(database, PolicySettings(secret_key=SECRET, master_key="m" * 32), environ={})


async def settle_in(service: PolicyHttpService) -> dict[str, str]:
    """What acme owns, by the name of the path parameter that would name it."""
    made = await ask(service, "POST", "/api/v1/policies", {"source": SOURCE, "name": MARK}, user=MARK)
    await ask(service, "POST", "/api/v1/policies", {"source": SOURCE + "\n# again\n"}, user=MARK)
    await ask(service, "PUT", "/api/v1/tenant/rbac/assignments/ada", {"role": "OWNER"}, role="OWNER", user=MARK)
    await ask(service, "PUT", "/api/v1/tenant/settings", {"displayName": MARK}, role="OWNER")
    key = await ask(service, "POST", "/api/v1/tenant/keys", {"label": MARK}, role="OWNER")
    return {
        "policy_id": made.json["policyId"],
        "number": "1",
        "other": "2",
        "user_id": "ada",
        "key_id": key.json["keyId"],
        "sequence": "1",
        "event_type": "POLICY_DEPLOYED",
        "module": "marked",
        "function": "mark",
    }


QUERIES = {
    "/api/v1/audit/range": "?startTime=2020-01-01T00:00:00Z&endTime=9000-01-01T00:00:00Z",
    "/api/v1/audit/stats/version-usage": "?policyId={policy_id}",
    "/api/v1/audit/compare": "?policyId={policy_id}&versionA=1&versionB=2",
}


def target_of(route: Route, owned: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: owned[found[1]], route.path) + QUERIES.get(route.path, "").format(**owned)


async def visit(service: PolicyHttpService, route: Route, owned: dict[str, str], tenant: str) -> Answered:
    body = BODIES[route.body.__name__] if route.body is not None else None
    return await ask(service, route.method, target_of(route, owned), body, tenant=tenant, role="OWNER", user="eve")


TENANT_TABLES = {
    "sqlite": (
        "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c"
        " WHERE m.type = 'table' AND c.name = 'tenant' ORDER BY 1"
    ),
    "postgres": (
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND column_name = 'tenant' ORDER BY 1"
    ),
}


async def snapshot(database: Database, tenant: str) -> dict[str, Any]:
    """Every row of a tenant, in every table that has tenants."""

    def query(connection: Any) -> dict[str, Any]:
        tables = [row[0] for row in connection.execute(TENANT_TABLES[database.engine])]
        rows: dict[str, Any] = {}
        for table in tables:
            if table != "policy_nonces":
                rows[table] = connection.execute(f"SELECT * FROM {table} WHERE tenant = ?", (tenant,)).fetchall()
        rows["audit"] = connection.execute(
            "SELECT * FROM audit_chains WHERE name = ?", (f"policy:{tenant}",)
        ).fetchall()
        return rows

    return database.read_now(query)


async def test_another_tenant_finds_and_changes_nothing(service: PolicyHttpService, database: Database) -> None:
    owned = await settle_in(service)
    before = await snapshot(database, "acme-corp")
    for route in service.routes:
        answered = await visit(service, route, owned, "globex")
        assert answered.status < 500, route.path
        assert MARK.encode() not in answered.body, f"{route.method} {route.path} tells what is acme's"
        if "{policy_id}" in route.path + QUERIES.get(route.path, "") or "{key_id}" in route.path:
            assert answered.status == 404, f"{route.method} {route.path}"
    assert await snapshot(database, "acme-corp") == before


async def test_the_owner_does_find_it(service: PolicyHttpService) -> None:
    """The walk above would prove nothing if its paths were wrong for everybody."""
    owned = await settle_in(service)
    for route in service.routes:
        if route.method == "GET":
            answered = await ask(
                service,
                "GET",
                target_of(route, owned),
                role="OWNER",
                user=MARK,
            )
            assert answered.status == 200, f"{route.path}: {answered.body!r}"


async def test_an_unknown_id_and_a_foreign_one_get_the_same_answer(service: PolicyHttpService) -> None:
    owned = await settle_in(service)
    unknown = {**owned, "policy_id": "00000000-0000-4000-8000-000000000000", "key_id": "k0000000000000000"}
    for route in service.routes:
        if "{policy_id}" in route.path + QUERIES.get(route.path, "") or "{key_id}" in route.path:
            answers = []
            for ids in (owned, unknown):
                body = (await visit(service, route, ids, "globex")).json
                del body["requestId"], body["timestamp"]
                answers.append(body)
            assert answers[0] == answers[1], route.path


class Counting:
    """A connection that notes the statements it is given."""

    def __init__(self, connection: Any, noted: list[str]) -> None:
        self._connection = connection
        self._noted = noted

    def execute(self, statement: str, *parameters: Any) -> Any:
        self._noted.append(statement)
        return self._connection.execute(statement, *parameters)

    def executemany(self, statement: str, *parameters: Any) -> Any:
        self._noted.append(statement)
        return self._connection.executemany(statement, *parameters)


def count_statements(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of every read and write from now on."""
    noted: list[str] = []
    read, submit = database.read_now, database._submit
    monkeypatch.setattr(database, "read_now", lambda query: read(lambda link: query(Counting(link, noted))))
    monkeypatch.setattr(database, "_submit", lambda work: submit(lambda link: work(Counting(link, noted))))
    return noted


REMEMBERED = ("policy_tenants", "policy_assignments")
"""Read when what is remembered of a tenant was forgotten, which has nothing to do with what is asked for."""

NAMED = [
    ("POST", "/api/v1/policies/evaluate", {"policyModule": "{module}"}),
    ("POST", "/api/v1/policies/evaluate/batch", {"requests": [{"policyModule": "{module}"}]}),
    ("POST", "/api/v1/policies/validate", {"policyModule": "{module}"}),
    ("POST", "/api/v1/policies", {"source": "Module user.\nUse {module}.\nRule r produce Int:\n  Return 1.\n"}),
    ("GET", "/api/v1/policies?module={module}", None),
]


async def test_no_work_tells_a_foreign_id_from_an_unknown_one(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements in the same order, so that not even their time could tell: tests assert no times."""
    settings = PolicySettings(secret_key=SECRET, master_key="m" * 32)
    service = create_policy_service(database, settings, environ={}, now_ms=clock)
    monkeypatch.setattr("aster.policy.service.signing.time.time", lambda: clock.ms / 1000)
    owned = {**await settle_in(service), "module": "marked"}
    unknown = {
        **owned,
        "policy_id": "00000000-0000-4000-8000-000000000000",
        "key_id": "k" + 16 * "0",
        "module": "other",
    }
    await ask(service, "POST", "/api/v1/policies", {"source": SOURCE.replace("marked", "own")}, tenant="globex")
    statements = count_statements(database, monkeypatch)

    async def work_of(method: str, target: str, body: Any) -> list[str]:
        statements.clear()
        await ask(service, method, target, body, tenant="globex", role="OWNER", user="eve")
        return [each for each in statements if not any(table in each for table in REMEMBERED)]

    for route in service.routes:
        if "{policy_id}" in route.path + QUERIES.get(route.path, "") or "{key_id}" in route.path:
            body = BODIES[route.body.__name__] if route.body is not None else None
            work = [await work_of(route.method, target_of(route, ids), body) for ids in (owned, unknown)]
            assert work[0] == work[1], route.path
            assert work[0], route.path
    for method, target, named in NAMED:
        work = []
        for ids in (owned, unknown):
            body = msgspec.json.decode(msgspec.json.encode(named).replace(b"{module}", ids["module"].encode()))
            work.append(await work_of(method, target.format(module=ids["module"]), body))
        assert work[0] == work[1], target
        assert work[0], target


async def test_every_route_answers_in_its_declared_shape(service: PolicyHttpService) -> None:
    owned = await settle_in(service)
    for route in service.routes:
        answered = await ask(
            service,
            route.method,
            target_of(route, owned),
            BODIES[route.body.__name__] if route.body is not None else None,
            role="OWNER",
            user=MARK,
        )
        if answered.status == route.status and route.answer is not None:
            shown = msgspec.to_builtins(msgspec.json.decode(answered.body, type=route.answer))
            assert shown is not None
        elif answered.status >= 400:
            assert answered.status in (*route.errors, 400, 404, 409), f"{route.method} {route.path} {answered.body!r}"


def test_a_repository_can_not_be_made_without_a_tenant(database: Database) -> None:
    for kind in (TenantPolicies, TenantAdministration):
        with pytest.raises(ValueError, match="tenant"):
            database.read_now(lambda connection, kind=kind: kind(connection, ""))  # type: ignore[misc]  # a lambda's default has no type
