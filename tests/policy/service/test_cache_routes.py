"""Forgetting compiled programs: one's own, and nobody else's."""

import pytest
from tests.policy.service.asgi import ask

from aster.policy.service.app import PolicyHttpService

STORES = ("sqlite", "postgres")

CACHE = "/api/v1/policies/cache"


def source(module: str, rule: str = "ping") -> str:
    return f'Module {module}.\n\nRule {rule} produce Text:\n  Return "pong".\n'


@pytest.fixture
async def filled(service: PolicyHttpService) -> PolicyHttpService:
    for module, rule in (("one", "ping"), ("one", "pang"), ("two", "ping")):
        await ask(service, "POST", "/api/v1/policies", {"source": source(module, rule)})
    await ask(service, "POST", "/api/v1/policies", {"source": source("three")}, tenant="globex")
    return service


@pytest.mark.parametrize(
    ("body", "cleared", "scope"),
    [
        (None, 3, "all"),
        ({}, 3, "all"),
        ({"policyModule": "one"}, 2, "module:one"),
        ({"policyModule": "one", "policyFunction": "pang"}, 1, "function:one.pang"),
        ({"policyModule": "three"}, 0, "module:three"),
    ],
)
async def test_clearing_tells_what_was_forgotten(
    filled: PolicyHttpService, body: dict[str, str] | None, cleared: int, scope: str
) -> None:
    for expected in (cleared, 0):
        answered = await ask(filled, "DELETE", CACHE, body)
        assert answered.json == {"cleared": expected, "scope": scope, "success": True}
    records = (await ask(filled, "GET", "/api/v1/audit/type/CACHE_CLEARED", role="ADMIN")).json
    assert [record["payload"] for record in records] == [{"scope": scope, "cleared": count} for count in (0, cleared)]


async def test_names_may_stand_in_the_query(filled: PolicyHttpService) -> None:
    answered = await ask(filled, "DELETE", f"{CACHE}?policyModule=one&policyFunction=ping")
    assert answered.json["scope"] == "function:one.ping"


async def test_a_rule_needs_its_module(filled: PolicyHttpService) -> None:
    assert (await ask(filled, "DELETE", CACHE, {"policyFunction": "ping"})).status == 400


async def test_what_was_forgotten_is_compiled_again(filled: PolicyHttpService) -> None:
    await ask(filled, "DELETE", CACHE)
    answered = await ask(filled, "POST", "/api/v1/policies/evaluate", {"policyModule": "two"})
    assert answered.json["result"] == "pong"
