"""Policies over P2P: a peer is who its admission says."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import MappingProxyType

import pytest

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Database
from aster.policy.rpc_service import EvaluateSource, PolicyService, caller_of_peer
from aster.policy.service.app import create_policy_service
from aster.policy.service.caller import Role
from aster.policy.service.settings import PolicySettings
from aster.rpc import CallContext, InvalidArgumentError, LocalClient, PermissionDeniedError, ResourceExhaustedError

PING = 'Module demo.\n\nRule ping produce Text:\n  Return "pong".'
TWO_RULES = "Module two.\n\nRule one produce Int:\n  Return 1.\n\nRule two produce Int:\n  Return 2.\n"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(tmp_path / "policy.db", durability="normal")
    yield opened
    await opened.close()


def admitted(**attributes: str) -> CallContext:
    named = {f"aster.{name}": value for name, value in attributes.items()}
    return CallContext(service="s", method="m", call_id=7, peer="ab" * 32, attributes=MappingProxyType(named))


async def test_a_peer_evaluates_in_the_open_tenant_and_is_recorded(database: Database) -> None:
    policy = create_policy_service(database, environ={})
    async with LocalClient([PolicyService(policy)]) as client:
        stub = await client.client(PolicyService)
        answer = await stub.evaluate_source(EvaluateSource(source=PING, function_name="ping"))
    assert (answer.result, answer.error) == ("pong", None)
    (record,) = AuditLog(database).records("policy:local")
    assert (record.event["entrance"], record.event["actorRole"]) == ("p2p", "MEMBER")
    assert AuditLog(database).chains() == ["policy:local"]


async def test_what_the_policy_does_wrong_is_an_answer(database: Database) -> None:
    policy = create_policy_service(database, environ={})
    async with LocalClient([PolicyService(policy)]) as client:
        stub = await client.client(PolicyService)
        answer = await stub.evaluate_source(EvaluateSource(source=PING, function_name="pong"))
        assert answer.error_code == "RULE_NOT_FOUND"
        with pytest.raises(InvalidArgumentError):
            await stub.evaluate_source(EvaluateSource(source=TWO_RULES))


@pytest.mark.parametrize(
    "request_", [EvaluateSource(source=PING, locale="x" * 17), EvaluateSource(source=PING, function_name="x" * 257)]
)
async def test_a_peers_names_are_as_short_as_over_http(database: Database, request_: EvaluateSource) -> None:
    async with LocalClient([PolicyService(create_policy_service(database, environ={}))]) as client:
        stub = await client.client(PolicyService)
        with pytest.raises(InvalidArgumentError):
            await stub.evaluate_source(request_)
    assert AuditLog(database).chains() == []


async def test_a_source_above_the_operators_limit_is_an_invalid_argument(database: Database) -> None:
    policy = create_policy_service(database, PolicySettings(source_characters=10), environ={})
    async with LocalClient([PolicyService(policy)]) as client:
        stub = await client.client(PolicyService)
        with pytest.raises(InvalidArgumentError) as refused:
            await stub.evaluate_source(EvaluateSource(source=PING))
    assert refused.value.details["code"] == "SOURCE_TOO_LARGE"


async def test_the_tenants_rate_limit_holds_for_peers_too(database: Database) -> None:
    policy = create_policy_service(database, PolicySettings(rate_requests=1, rate_seconds=3600), environ={})
    async with LocalClient([PolicyService(policy)]) as client:
        stub = await client.client(PolicyService)
        await stub.evaluate_source(EvaluateSource(source=PING))
        with pytest.raises(ResourceExhaustedError):
            await stub.evaluate_source(EvaluateSource(source=PING))


def test_tenant_and_role_come_from_the_admission() -> None:
    caller = caller_of_peer(admitted(tenant="acme", role="consumer, member,Admin"), "local")
    assert (caller.tenant, caller.role, caller.user) == ("acme", Role.ADMIN, "ab" * 32)


@pytest.mark.parametrize(
    "attributes",
    [{"tenant": "acme"}, {"role": "admin"}, {"tenant": "a b", "role": "admin"}, {"tenant": "a", "role": "x"}],
)
def test_an_admission_without_tenant_and_role_is_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(PermissionDeniedError):
        caller_of_peer(admitted(**attributes), "local")


def test_peers_without_attributes_can_be_refused() -> None:
    with pytest.raises(PermissionDeniedError):
        caller_of_peer(admitted(), None)
