"""The three layers together: the first one that fails decides the status."""

import itertools
from typing import Any

import pytest
from tests.policy.service.asgi import ask, replaced, send, signed, without

from aster.policy.service.app import PolicyHttpService

TARGET = "/api/v1/audit/head"

TENANT = {"present": None, "missing": ("TENANT_MISSING", 400), "invalid": ("TENANT_INVALID", 400)}
SIGNATURE = {
    "present": None,
    "missing": ("SIGNATURE_MISSING", 401),
    "invalid": ("SIGNATURE_INVALID", 401),
    "replayed": ("NONCE_REPLAYED", 409),
}
ROLE = {"present": None, "missing": ("ROLE_MISSING", 403)}
COMBINATIONS = list(itertools.product(TENANT, SIGNATURE, ROLE))


def test_there_are_24_combinations() -> None:
    assert len(COMBINATIONS) == 24


@pytest.mark.parametrize(("tenant", "signature", "role"), COMBINATIONS)
async def test_first_failing_layer_decides(service: PolicyHttpService, tenant: str, signature: str, role: str) -> None:
    headers = signed("GET", TARGET, role="ADMIN")
    if signature == "replayed":
        assert (await send(service, "GET", TARGET, headers=headers)).status == 200
    if tenant == "missing":
        headers = without(headers, b"x-tenant-id")
    if tenant == "invalid":
        headers = replaced(headers, b"x-tenant-id", b"acme corp!")
    if signature == "missing":
        headers = without(headers, b"x-aster-nonce")
    if signature == "invalid":
        headers = replaced(headers, b"x-aster-signature", b"00" * 32)
    if role == "missing":
        headers = without(headers, b"x-user-role")
    answered = await send(service, "GET", TARGET, headers=headers)
    refusals = [layer for layer in (TENANT[tenant], SIGNATURE[signature], ROLE[role]) if layer]
    if refusals:
        assert (answered.code, answered.status) == refusals[0]
    else:
        assert answered.status == 200


async def test_unknown_routes_are_told_apart_only_after_all_layers(service: PolicyHttpService) -> None:
    assert (await send(service, "GET", "/api/v1/nothing")).status == 400
    assert (await ask(service, "GET", "/api/v1/nothing", secret="wrong")).status == 401
    assert (await ask(service, "GET", "/api/v1/nothing", role="NOBODY")).status == 403
    assert (await ask(service, "GET", "/api/v1/nothing", role="VIEWER")).code == "NOT_FOUND"
    wrong_method = await ask(service, "DELETE", TARGET, role="VIEWER")
    assert (wrong_method.code, wrong_method.headers["allow"]) == ("METHOD_NOT_ALLOWED", "GET")


@pytest.mark.parametrize("query", ["", "?a=1"])
async def test_replay_of_a_refused_request_is_a_replay(service: PolicyHttpService, query: str) -> None:
    headers = signed("GET", TARGET + query, role="VIEWER")
    assert (await send(service, "GET", TARGET + query, headers=headers)).status == 403
    assert (await send(service, "GET", TARGET + query, headers=headers)).status == 409


async def test_every_refusal_has_the_envelope(service: PolicyHttpService) -> None:
    answered = await send(service, "GET", TARGET, headers=[(b"x-request-id", b"req-7")])
    body: dict[str, Any] = answered.json
    assert answered.headers["x-request-id"] == "req-7"
    assert body.pop("timestamp").endswith("Z")
    assert body == {
        "result": None,
        "error": "X-Tenant-Id is required",
        "executionTimeMs": 0,
        "errorCode": "TENANT_MISSING",
        "requestId": "req-7",
        "details": [{"path": "X-Tenant-Id", "message": "is missing"}],
    }


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (b"x-tenant-id", 400),
        (b"x-aster-signature", 401),
        (b"x-aster-nonce", 401),
        (b"x-aster-timestamp", 401),
        (b"x-user-role", 403),
        (b"x-user-id", 400),
    ],
)
async def test_odd_header_bytes_are_refused_by_their_layer(
    service: PolicyHttpService, name: bytes, status: int
) -> None:
    for value in (b"\xff\xfe", b"\xc3\xa9\x00", b"a" * 5000, b"\n", b"\x7f"):
        headers = replaced(signed("GET", TARGET, role="ADMIN"), name, value)
        assert (await send(service, "GET", TARGET, headers=headers)).status == status, value


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (b"x-tenant-id", 400),
        (b"x-aster-signature", 401),
        (b"x-aster-nonce", 401),
        (b"x-aster-timestamp", 401),
        (b"x-user-role", 403),
        (b"x-user-id", 400),
    ],
)
async def test_a_second_value_of_a_header_is_refused_and_a_repeated_one_is_not(
    service: PolicyHttpService, name: bytes, status: int
) -> None:
    headers = signed("GET", TARGET, role="ADMIN", user="ada")
    value = dict(headers)[name]
    assert (await send(service, "GET", TARGET, headers=[*headers, (name, b"other")])).status == status
    headers = signed("GET", TARGET, role="ADMIN", user="ada")
    value = dict(headers)[name]
    assert (await send(service, "GET", TARGET, headers=[*headers, (name, value)])).status == 200


async def test_too_many_header_bytes_are_refused(service: PolicyHttpService) -> None:
    headers = [*signed("GET", TARGET, role="ADMIN"), (b"x-filler", b"a" * 40_000)]
    assert (await send(service, "GET", TARGET, headers=headers)).status == 431
