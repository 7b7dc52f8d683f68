import msgspec
import pytest

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer, LocalClient, UnimplementedError, any_of, rpc, service
from aster.rpc.contract.agreement import ContractMismatchError


class Old(msgspec.Struct):
    name: str


class Wider(msgspec.Struct):
    name: str
    greeting: str = "hello"


class Changed(msgspec.Struct):
    name: int


class Reply(msgspec.Struct):
    text: str


@service("Greeter")
class Greeter:
    @rpc
    async def hello(self, request: Old) -> Reply:
        return Reply(f"hello {request.name}")

    @rpc
    async def bye(self, request: Old) -> Reply:
        return Reply(f"bye {request.name}")


@service("Greeter")
class CompatibleClient:
    @rpc
    async def hello(self, request: Wider) -> Reply:
        raise NotImplementedError

    @rpc
    async def later(self, request: Wider) -> Reply:
        raise NotImplementedError


@service("Greeter")
class BrokenClient:
    @rpc
    async def hello(self, request: Changed) -> Reply:
        raise NotImplementedError

    @rpc
    async def bye(self, request: Old) -> Reply:
        raise NotImplementedError


async def test_a_compatible_difference_works() -> None:
    async with LocalClient([Greeter()]) as client:
        stub = await client.client(CompatibleClient)
        assert (await stub.hello(Wider("ann"))).text == "hello ann"
        with pytest.raises(UnimplementedError, match="no method 'later'"):
            await stub.later(Wider("ann"))


async def test_a_breaking_difference_stops_the_method_before_anything_is_sent_and_the_others_work() -> None:
    config = AsterConfig(bind_addr="127.0.0.1:0")
    async with AsterServer([Greeter()], config=config) as server, AsterClient(address=server.address) as client:
        stub = await client.client(BrokenClient)
        with pytest.raises(ContractMismatchError, match="name is str instead of int") as refused:
            await stub.hello(Changed(3))
        assert [change.where for change in refused.value.changes] == ["Greeter.hello request $.name"]
        assert (await stub.bye(Old("ann"))).text == "bye ann"


async def test_a_service_of_another_scope_stops_the_client_at_once() -> None:
    @service("Greeter", scoped="session")
    class Sessions:
        @rpc
        async def bye(self, request: Old) -> Reply:
            raise NotImplementedError

    async with LocalClient([Greeter()]) as client:
        with pytest.raises(ContractMismatchError, match="both sides must agree on sessions"):
            await client.client(Sessions)


async def test_methods_that_a_caller_may_not_see_are_no_mismatch() -> None:
    @service("Vault")
    class Vault:
        @rpc
        async def look(self, request: Old) -> Reply:
            return Reply("seen")

        @rpc(requires=any_of("admin"))
        async def open(self, request: Old) -> Reply:
            return Reply("open")

    async with LocalClient([Vault()], attributes={}) as client:
        assert (await (await client.client(Vault)).look(Old("a"))).text == "seen"
