"""Idempotency keys: one change, the same answer twice."""

import msgspec
from tests.policy.service.asgi import Answered, ask, send, signed

from aster.policy.service.app import PolicyHttpService

STORES = ("sqlite", "postgres")

ROOT = "/api/v1/policies"


async def deploy(service: PolicyHttpService, answer: str, key: bytes, tenant: str = "acme-corp") -> Answered:
    source = f'Module m.\n\nRule r produce Text:\n  Return "{answer}".\n'
    body = msgspec.json.encode({"source": source})
    headers = [*signed("POST", ROOT, body, tenant=tenant), (b"idempotency-key", key)]
    return await send(service, "POST", ROOT, body, headers)


async def test_a_repeated_change_is_made_once(service: PolicyHttpService) -> None:
    first = await deploy(service, "one", b"key-1")
    second = await deploy(service, "one", b"key-1")
    assert (first.status, second.status) == (201, 201)
    assert first.body == second.body
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    policy_id = first.json["policyId"]
    assert len((await ask(service, "GET", f"{ROOT}/{policy_id}/versions")).json) == 1


async def test_the_same_key_for_another_request_is_a_conflict(service: PolicyHttpService) -> None:
    await deploy(service, "one", b"key-1")
    assert (await deploy(service, "two", b"key-1")).code == "IDEMPOTENCY_CONFLICT"
    assert (await deploy(service, "two", b"key-1", tenant="other")).status == 201


async def test_a_malformed_key_is_refused(service: PolicyHttpService) -> None:
    for key in (b"two words", b"a" * 129, b"\xff"):
        assert (await deploy(service, "one", key)).code == "VALIDATION_ERROR"
