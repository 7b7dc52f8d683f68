"""Layer 3: roles and the user's name."""

import pytest
from tests.policy.service.asgi import ask, replaced, send, signed

from aster.policy.service.app import PolicyHttpService
from aster.policy.service.caller import Role

HEAD = "/api/v1/audit/head"


@pytest.mark.parametrize("written", ["ADMIN", "admin", "Admin", "OWNER"])
async def test_sufficient_role_passes_in_any_case(service: PolicyHttpService, written: str) -> None:
    assert (await ask(service, "GET", HEAD, role=written)).status == 200


@pytest.mark.parametrize("written", ["ROOT", "ADMIN ", "ADMIN,OWNER", "4", "administrator"])
async def test_unknown_role_is_refused(service: PolicyHttpService, written: str) -> None:
    answered = await ask(service, "GET", HEAD, role=written)
    assert (answered.status, answered.code) == (403, "ROLE_INVALID")


async def test_a_refusal_names_the_role_that_is_needed(service: PolicyHttpService) -> None:
    answered = await ask(service, "GET", HEAD, role="MEMBER")
    assert (answered.status, answered.code) == (403, "ROLE_INSUFFICIENT")
    assert answered.json["details"] == [{"path": "X-User-Role", "message": "requires ADMIN"}]


async def test_role_matrix_of_every_route(service: PolicyHttpService) -> None:
    for route in service.routes:
        assert isinstance(route.access, Role), route.path
        for role in Role:
            answered = await ask(service, route.method, route.path, role=role.name)
            assert (answered.status == 403) == (role < route.access), (route.path, role)


@pytest.mark.parametrize("user", [b"a" * 129, b"tab\there", b"\xff", b"\xe2\x80\xae"])
async def test_malformed_user_is_refused(service: PolicyHttpService, user: bytes) -> None:
    headers = replaced(signed("GET", HEAD, role="ADMIN"), b"x-user-id", user)
    answered = await send(service, "GET", HEAD, headers=headers)
    assert (answered.status, answered.code) == (400, "VALIDATION_ERROR")


async def test_user_may_be_any_printable_text(service: PolicyHttpService) -> None:
    headers = replaced(signed("GET", HEAD, role="ADMIN"), b"x-user-id", "Zoë@例".encode())
    assert (await send(service, "GET", HEAD, headers=headers)).status == 200


async def test_a_denial_of_a_signed_request_is_recorded(service: PolicyHttpService) -> None:
    for role in ("VIEWER", "NOBODY"):
        await ask(service, "GET", HEAD, role=role, user="ada")
    await ask(service, "GET", HEAD, role="VIEWER", secret="wrong")
    records = (await ask(service, "GET", "/api/v1/audit", role="ADMIN")).json
    found = [(record["actorId"], record["actorRole"], record["errorCode"]) for record in records]
    assert found == [("ada", "NONE", "ROLE_INVALID"), ("ada", "VIEWER", "ROLE_INSUFFICIENT")]
    assert records[1]["payload"] == {"method": "GET", "route": HEAD}
    assert {record["eventType"] for record in records} == {"ACCESS_DENIED"}
