"""Layer 1: the tenant header."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.policy.service.asgi import SECRET, ask, replaced, send, signed

from aster.foundation.errors import ConfigError
from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings
from aster.policy.service.tenant import PATTERN


@pytest.mark.parametrize("tenant", ["a", "acme-corp", "ACME_1", "0", "-", "x" * 64])
async def test_well_formed_tenant_passes(service: PolicyHttpService, tenant: str) -> None:
    assert (await ask(service, "GET", "/api/v1/audit/head", tenant=tenant, role="ADMIN")).status == 200


@pytest.mark.parametrize(
    "tenant", [b"x" * 65, b"acme corp", b" acme", b"acme ", b"acme\n", b"acm\xc3\xa9", b"a.b", b"a/b", b"a|b"]
)
async def test_malformed_tenant_is_refused(service: PolicyHttpService, tenant: bytes) -> None:
    headers = replaced(signed("GET", "/api/v1/audit/head", role="ADMIN"), b"x-tenant-id", tenant)
    answered = await send(service, "GET", "/api/v1/audit/head", headers=headers)
    assert (answered.status, answered.code) == (400, "TENANT_INVALID")


@given(st.binary(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_only_the_documented_characters_are_a_tenant(service: PolicyHttpService, value: bytes) -> None:
    answered = await send(service, "GET", "/api/v1/audit/head", headers=[(b"x-tenant-id", value)])
    expected = 401 if PATTERN.fullmatch(value) else 400
    assert answered.status == expected


async def test_tenants_differ_by_case(service: PolicyHttpService) -> None:
    headers = signed("GET", "/api/v1/audit/head", tenant="acme", role="ADMIN", nonce="same-nonce-1")
    assert (await send(service, "GET", "/api/v1/audit/head", headers=headers)).status == 200
    headers = signed("GET", "/api/v1/audit/head", tenant="ACME", role="ADMIN", nonce="same-nonce-1")
    assert (await send(service, "GET", "/api/v1/audit/head", headers=headers)).status == 200


async def test_an_operator_may_name_the_tenants_it_serves(database: Database) -> None:
    settings = PolicySettings(secret_key=SECRET, tenants="acme-corp, globex")
    service = create_policy_service(database, settings, environ={})
    for tenant in ("acme-corp", "globex"):
        assert (await ask(service, "GET", "/api/v1/policies", tenant=tenant)).status == 200
    for tenant in ("ACME-CORP", "stranger"):
        refused = await ask(service, "GET", "/api/v1/policies", tenant=tenant)
        assert (refused.status, refused.code) == (403, "TENANT_NOT_ALLOWED")
    forged = await ask(service, "GET", "/api/v1/policies", tenant="stranger", secret="wrong")
    assert forged.status == 401


def test_what_can_not_be_a_tenant_is_no_name_to_serve(database: Database) -> None:
    with pytest.raises(ConfigError, match="not a tenant"):
        create_policy_service(database, PolicySettings(secret_key=SECRET, tenants="acme corp"), environ={})
