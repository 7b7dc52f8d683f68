"""Tenant administration: settings, assignments as ceilings, named keys."""

import pytest
from tests.policy.service.asgi import SECRET, ask, send, signed

from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

STORES = ("sqlite", "postgres")

SETTINGS = "/api/v1/tenant/settings"
ASSIGNMENTS = "/api/v1/tenant/rbac/assignments"
KEYS = "/api/v1/tenant/keys"


async def test_settings_are_the_defaults_until_set(service: PolicyHttpService) -> None:
    read = await ask(service, "GET", "/api/v1/tenant", role="OWNER")
    assert read.json["approvalRequired"] is False
    changed = await ask(service, "PUT", SETTINGS, {"displayName": "Acme"}, role="OWNER")
    assert changed.status == 200
    assert (await ask(service, "GET", "/api/v1/tenant", role="OWNER")).json["displayName"] == "Acme"
    assert (await ask(service, "GET", "/api/v1/tenant", role="OWNER", tenant="other")).json["displayName"] == ""
    assert (await ask(service, "PUT", SETTINGS, {"aprovalRequired": True}, role="OWNER")).status == 400


async def test_a_patch_changes_what_it_names_alone(service: PolicyHttpService) -> None:
    limited = {"displayName": "Acme", "rateLimit": {"requests": 100, "windowSeconds": 60}}
    await ask(service, "PUT", "/api/v1/tenant/settings", limited, role="OWNER")
    answered = await ask(service, "PATCH", "/api/v1/tenant/settings", {"approvalRequired": True}, role="OWNER")
    assert (answered.status, answered.json["approvalRequired"], answered.json["displayName"]) == (200, True, "Acme")
    answered = await ask(service, "PATCH", "/api/v1/tenant/settings", {"rateLimit": None}, role="OWNER")
    assert (answered.json["approvalRequired"], answered.json["rateLimit"]) == (True, None)
    unknown = await ask(service, "PATCH", "/api/v1/tenant/settings", {"nothing": 1}, role="OWNER")
    assert unknown.status == 400


async def test_an_assignment_is_a_ceiling(service: PolicyHttpService) -> None:
    assert (await ask(service, "PUT", f"{ASSIGNMENTS}/ada", {"role": "VIEWER"}, role="OWNER")).status == 201
    assert (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN", user="ada")).status == 403
    assert (await ask(service, "GET", "/api/v1/policies", role="OWNER", user="ada")).status == 200
    assert (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN", user="bob")).status == 200
    assert (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN", user="ada", tenant="other")).status == 200


async def test_assignments_are_listed_changed_and_revoked(service: PolicyHttpService) -> None:
    await ask(service, "PUT", f"{ASSIGNMENTS}/ada", {"role": "VIEWER"}, role="OWNER", user="root")
    assert (await ask(service, "PUT", f"{ASSIGNMENTS}/ada", {"role": "ADMIN"}, role="OWNER")).status == 200
    (only,) = (await ask(service, "GET", ASSIGNMENTS, role="OWNER")).json
    assert (only["userId"], only["role"], only["expiresAt"]) == ("ada", "ADMIN", None)
    assert (await ask(service, "DELETE", f"{ASSIGNMENTS}/ada", role="OWNER")).status == 204
    assert (await ask(service, "DELETE", f"{ASSIGNMENTS}/ada", role="OWNER")).status == 404


async def test_an_assignment_that_expires_raises_nobody(database: Database) -> None:
    service = create_policy_service(database, PolicySettings(secret_key=SECRET), environ={})
    body = {"role": "VIEWER", "expiresAt": "2020-01-01T00:00:00Z"}
    await ask(service, "PUT", f"{ASSIGNMENTS}/ada", body, role="OWNER")
    assert (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN", user="ada")).status == 403
    assert (await ask(service, "GET", "/api/v1/audit/head", role="ADMIN", user="bob")).status == 200


async def test_the_last_owner_stays(service: PolicyHttpService) -> None:
    await ask(service, "PUT", f"{ASSIGNMENTS}/ada", {"role": "OWNER"}, role="OWNER")
    for method, body in [("DELETE", None), ("PUT", {"role": "ADMIN"})]:
        refused = await ask(service, method, f"{ASSIGNMENTS}/ada", body, role="OWNER", user="ada")
        assert refused.status == 409
    await ask(service, "PUT", f"{ASSIGNMENTS}/bob", {"role": "OWNER"}, role="OWNER", user="ada")
    assert (await ask(service, "DELETE", f"{ASSIGNMENTS}/ada", role="OWNER", user="ada")).status == 204


async def test_the_unassigned_may_be_limited_once_there_is_an_owner(service: PolicyHttpService) -> None:
    strict = {"unassignedRole": "VIEWER"}
    assert (await ask(service, "PUT", SETTINGS, strict, role="OWNER")).status == 409
    await ask(service, "PUT", f"{ASSIGNMENTS}/ada", {"role": "OWNER"}, role="OWNER")
    assert (await ask(service, "PUT", SETTINGS, strict, role="OWNER", user="ada")).status == 200
    assert (await ask(service, "GET", "/api/v1/audit/head", role="OWNER", user="eve")).status == 403
    assert (await ask(service, "GET", "/api/v1/audit/head", role="OWNER", user="ada")).status == 200


@pytest.fixture
def with_keys(database: Database) -> PolicyHttpService:
    return create_policy_service(database, PolicySettings(secret_key=SECRET, master_key="m" * 32), environ={})


async def test_without_a_master_key_there_are_no_named_keys(service: PolicyHttpService) -> None:
    assert (await ask(service, "POST", KEYS, {}, role="OWNER")).code == "KEYS_UNAVAILABLE"


async def test_a_named_key_signs_up_to_its_ceiling_until_revoked(with_keys: PolicyHttpService) -> None:
    made = (await ask(with_keys, "POST", KEYS, {"label": "ci", "roleCeiling": "MEMBER"}, role="OWNER")).json
    secret, key_id = made["secret"], made["keyId"]

    async def status(target: str, role: str, secret: str = secret, tenant: str = "acme-corp") -> int:
        headers = [
            *signed("GET", target, role=role, secret=secret, tenant=tenant),
            (b"x-aster-key-id", key_id.encode()),
        ]
        return (await send(with_keys, "GET", target, headers=headers)).status

    assert await status("/api/v1/policies", "OWNER") == 200
    assert await status("/api/v1/audit/head", "OWNER") == 403
    assert await status("/api/v1/policies", "OWNER", secret=SECRET) == 401
    assert await status("/api/v1/policies", "OWNER", tenant="other") == 401
    (listed,) = (await ask(with_keys, "GET", KEYS, role="OWNER")).json
    assert "secret" not in listed
    assert (await ask(with_keys, "DELETE", f"{KEYS}/{key_id}", role="OWNER")).status == 204
    assert (await ask(with_keys, "DELETE", f"{KEYS}/{key_id}", role="OWNER")).status == 404
    assert await status("/api/v1/policies", "OWNER") == 401
