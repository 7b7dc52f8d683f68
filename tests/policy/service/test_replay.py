"""Replaying recorded evaluations."""

from typing import Any

from tests.policy.service.asgi import ask

from aster.policy.service.app import PolicyHttpService

STORES = ("sqlite", "postgres")

HELLO = 'Module greeting.\n\nRule greet given name as Text, produce Text:\n  Return "Hello, " plus name plus "!".\n'


async def replay(service: PolicyHttpService, sequence: int, body: dict[str, Any]) -> Any:
    return (await ask(service, "POST", f"/api/v1/audit/{sequence}/replay", body, role="ADMIN")).json


async def test_a_stored_decision_is_proved_by_its_context(service: PolicyHttpService) -> None:
    await ask(service, "POST", "/api/v1/policies", {"source": HELLO})
    call = {"policyModule": "greeting", "context": {"name": "Ada"}}
    await ask(service, "POST", "/api/v1/policies/evaluate", call)
    await ask(service, "POST", "/api/v1/policies", {"source": HELLO.replace("Hello", "Goodbye")})
    found = await replay(service, 2, {"context": {"name": "Ada"}})
    assert (found["proved"], found["result"]) == (True, "Hello, Ada!")
    other = await replay(service, 2, {"context": {"name": "Eve"}})
    assert (other["proved"], other["inputMatches"], other["sourceMatches"]) == (False, False, True)


async def test_a_source_must_be_brought(service: PolicyHttpService) -> None:
    body = {"source": HELLO, "context": {"name": "Ada"}}
    await ask(service, "POST", "/api/v1/policies/evaluate-source", body)
    assert (await replay(service, 1, {"context": {"name": "Ada"}}))["errorCode"] == "VALIDATION_ERROR"
    assert (await replay(service, 1, body))["proved"]
    assert not (await replay(service, 1, {**body, "source": HELLO + "\n"}))["sourceMatches"]


async def test_a_failure_is_proved_like_a_result(service: PolicyHttpService) -> None:
    body = {"source": HELLO, "context": {"name": 7}}
    await ask(service, "POST", "/api/v1/policies/evaluate-source", body)
    assert (await replay(service, 1, body))["proved"]


async def test_only_evaluations_can_be_replayed(service: PolicyHttpService) -> None:
    await ask(service, "POST", "/api/v1/policies", {"source": HELLO})
    assert (await replay(service, 1, {}))["errorCode"] == "ILLEGAL_STATE"
    assert (await replay(service, 9, {}))["errorCode"] == "NOT_FOUND"
