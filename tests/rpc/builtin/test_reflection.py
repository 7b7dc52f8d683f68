from typing import Any

import pytest
from tests.rpc.messages import Ask, Greeter

from aster.rpc import CallContext, LocalClient, NotFoundError, ServiceDefinitionError, rpc, service
from aster.rpc.builtin.contract import CheckContract, Contract
from aster.rpc.builtin.reflection import DescribeService, ListServices, Reflection
from aster.rpc.contract.manifest import parse_manifest
from aster.rpc.contract.service import describe_service
from aster.rpc.definition import definition_of


@service("Vault", requires="keeper")
class Vault:
    @rpc
    async def look(self) -> str:
        return "gold"

    @rpc(requires="admin")
    async def empty(self, how: dict[str, int]) -> None: ...


async def listed(attributes: dict[str, str] | None) -> dict[str, tuple[str, ...]]:
    async with LocalClient([Vault(), Greeter()], attributes=attributes) as client:
        found = await (await client.client(Reflection)).list_services(ListServices())
    return {each.name: each.methods for each in found.services}


async def test_each_caller_sees_what_it_may_call() -> None:
    assert "Vault" not in await listed({})
    assert (await listed({"aster.role": "keeper"}))["Vault"] == ("look",)
    assert (await listed({"aster.role": "keeper,admin"}))["Vault"] == ("empty", "look")
    assert (await listed(None))["Vault"] == ("empty", "look")


async def test_a_description_is_the_manifest_of_what_the_caller_may_call() -> None:
    whole = describe_service(definition_of(Vault))
    async with LocalClient([Vault()], attributes={"aster.role": "keeper"}) as client:
        answer = await (await client.client(Reflection)).describe(DescribeService("Vault"))
    assert answer.contract_id == whole.contract_id
    (part,) = parse_manifest(answer.manifest, "answer").services
    assert part.partial
    assert [method.name for method in part.methods] == ["look"]
    assert "empty" not in str(part)


async def test_a_contract_that_is_known_needs_no_description() -> None:
    known = describe_service(definition_of(Greeter)).contract_id
    async with LocalClient([Greeter(), Vault()], attributes={}) as client:
        contract = await client.client(Contract)
        assert (await contract.check(CheckContract("Greeter", 2, known))).is_same
        assert not (await contract.check(CheckContract("Greeter", 2, "other"))).is_same
        for asked in (CheckContract("Greeter", 1, known), CheckContract("Vault", 1, known)):
            with pytest.raises(NotFoundError, match="no service"):
                await contract.check(asked)


async def test_interceptors_stand_around_reflection_and_not_around_the_check_of_contracts() -> None:
    seen = []

    async def watch(call: CallContext, request: Any, proceed: Any) -> Any:
        seen.append(call.service)
        return await proceed(request)

    async with LocalClient([Greeter()], interceptors=[watch]) as client:
        await (await client.client(Greeter)).hello(Ask("ann"))
        assert seen == ["Greeter"]
        await client.proxy("Greeter").hello(name="ann")
    assert seen == ["Greeter", "aster.Reflection", "Greeter"]


@pytest.mark.parametrize("asked", [DescribeService("Nobody"), DescribeService("Greeter", 9), DescribeService("Vault")])
async def test_what_is_not_there_and_what_may_not_be_seen_look_alike(asked: DescribeService) -> None:
    async with LocalClient([Greeter(), Vault()], attributes={}) as client:
        with pytest.raises(NotFoundError, match="no service"):
            await (await client.client(Reflection)).describe(asked)


async def test_the_newest_version_is_described_when_none_is_asked_for() -> None:
    @service("Greeter", version=7)
    class Newer:
        @rpc
        async def nothing(self) -> None: ...

    async with LocalClient([Newer(), Greeter()]) as client:
        answer = await (await client.client(Reflection)).describe(DescribeService("Greeter"))
    assert parse_manifest(answer.manifest, "answer").services[0].version == 7


def test_reserved_names_are_refused() -> None:
    @service("aster.Health")
    class Fake:
        @rpc
        async def check(self) -> None: ...

    with pytest.raises(ServiceDefinitionError, match="reserved"):
        LocalClient([Fake()])
