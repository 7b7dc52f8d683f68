"""Interceptors as an onion: order, once a call, errors outwards, all four patterns, both sides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from aster.config import AsterConfig
from aster.rpc import (
    AsterClient,
    AsterServer,
    CallContext,
    InvalidArgumentError,
    LocalClient,
    NotFoundError,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)
from aster.rpc.interception import Call, ClientCall, Proceed, until_end
from aster.rpc.patterns import Pattern
from aster.rpc.protocol.wire import Declaration
from aster.rpc.services import BoundMethod, ServiceTable
from aster.rpc.stub import Caller, RemoteUnary


class Recorder:
    """Writes down when it is entered and left."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.calls: list[Call] = []
        self.errors: list[BaseException | None] = []

    async def __call__(self, call: Call, request: Any, proceed: Proceed) -> Any:
        self.calls.append(call)
        self.log.append(f"{self.name} in")

        def ended(error: BaseException | None) -> None:
            self.errors.append(error)
            self.log.append(f"{self.name} out")

        return await until_end(call, request, proceed, ended)


LOG: list[str] = []
OF_SERVICE = Recorder("service", LOG)


@service(interceptors=[OF_SERVICE])
class Numbers:
    @rpc(idempotent=True)
    async def double(self, number: int) -> int:
        LOG.append("handler")
        if number < 0:
            raise NotFoundError("negative")
        return 2 * number

    @server_stream
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number
        if to > 3:
            raise NotFoundError("too far")

    @client_stream
    async def add(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    @bidi_stream
    async def doubles(self, numbers: AsyncIterator[int]) -> AsyncIterator[int]:
        async for number in numbers:
            yield 2 * number


@service(scoped="session")
class Session:
    @rpc
    async def ping(self) -> str:
        return "pong"

    @server_stream
    async def pings(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield "pong"


@pytest.fixture(autouse=True)
def fresh_log() -> None:
    LOG.clear()
    OF_SERVICE.calls.clear()
    OF_SERVICE.errors.clear()


async def collect(items: AsyncIterator[int], into: list[int]) -> None:
    async for item in items:
        into.append(item)  # noqa: PERF401  # each is kept also when the next one fails


async def numbers(*values: int) -> AsyncIterator[int]:
    for value in values:
        yield value


async def test_the_first_in_a_list_is_the_outermost_and_the_servers_are_around_the_services() -> None:
    first, second = Recorder("first", LOG), Recorder("second", LOG)
    near, far = Recorder("near", LOG), Recorder("far", LOG)
    async with LocalClient([Numbers()], interceptors=[first, second], client_interceptors=[near, far]) as client:
        assert await (await client.client(Numbers)).double(4) == 8
    inwards = ["near in", "far in", "first in", "second in", "service in", "handler"]
    outwards = ["service out", "second out", "first out", "far out", "near out"]
    assert inwards + outwards == LOG


@pytest.mark.parametrize("method", ["double", "count", "add", "doubles"])
async def test_each_runs_exactly_once_a_call_in_every_pattern(method: str) -> None:
    server, caller = Recorder("server", LOG), Recorder("client", LOG)
    async with LocalClient([Numbers()], interceptors=[server], client_interceptors=[caller]) as client:
        stub: Any = await client.client(Numbers)
        for _ in range(3):
            if method == "double":
                assert await stub.double(2) == 4
            elif method == "count":
                assert [n async for n in stub.count(3)] == [0, 1, 2]
            elif method == "add":
                assert await stub.add(numbers(1, 2, 3)) == 6
            else:
                assert [n async for n in stub.doubles(numbers(1, 2))] == [2, 4]
        await client.open_session()  # a round trip, after which the server is done as well
    for recorder in (server, caller, OF_SERVICE):
        assert [call.method for call in recorder.calls] == [method] * 3
        assert recorder.errors == [None] * 3
        assert {call.pattern for call in recorder.calls} == {recorder.calls[0].pattern}
    assert isinstance(server.calls[0], CallContext)
    assert isinstance(caller.calls[0], ClientCall)
    assert server.calls[0].idempotent is caller.calls[0].idempotent is (method == "double")


async def test_errors_pass_outwards_through_all_of_them() -> None:
    server, caller = Recorder("server", LOG), Recorder("client", LOG)
    async with LocalClient([Numbers()], interceptors=[server], client_interceptors=[caller]) as client:
        stub = await client.client(Numbers)
        with pytest.raises(NotFoundError, match="negative"):
            await stub.double(-1)
        received: list[int] = []
        with pytest.raises(NotFoundError, match="too far"):
            await collect(stub.count(4), received)
        assert received == [0, 1, 2, 3]
    for recorder in (server, caller):
        assert [type(error) for error in recorder.errors] == [NotFoundError, NotFoundError]


async def test_a_stream_that_is_left_early_ends_once_as_cancelled_on_both_sides() -> None:
    server, caller = Recorder("server", LOG), Recorder("client", LOG)
    async with LocalClient([Numbers()], interceptors=[server], client_interceptors=[caller]) as client:
        stub: Any = await client.client(Numbers)
        async with aclosing(stub.count(1_000_000)) as values:
            assert await anext(values) == 0
    for recorder in (server, caller):
        [error] = recorder.errors
        assert isinstance(error, asyncio.CancelledError)


async def test_requests_replies_and_items_can_be_changed() -> None:
    async def plus_one(call: Call, request: Any, proceed: Proceed) -> Any:
        async def changed(items: AsyncIterator[int]) -> AsyncIterator[int]:
            async for item in items:
                yield item + 1

        if call.pattern.streams_input:
            request = changed(request)
        reply = await proceed(request)
        return changed(reply) if call.pattern.streams_output else reply + 1

    async with LocalClient([Numbers()], interceptors=[plus_one], client_interceptors=[plus_one]) as client:
        stub = await client.client(Numbers)
        assert await stub.double(1) == 4
        assert [n async for n in stub.count(2)] == [2, 3]
        assert await stub.add(numbers(1, 1)) == 8
        assert [n async for n in stub.doubles(numbers(0))] == [6]


async def test_an_interceptor_can_refuse_and_can_answer_itself() -> None:
    async def only_small(call: Call, request: Any, proceed: Proceed) -> Any:
        if request.number > 100:
            raise InvalidArgumentError("too big")
        return 0 if request.number == 7 else await proceed(request)

    async with LocalClient([Numbers()], interceptors=[only_small]) as client:
        stub = await client.client(Numbers)
        assert await stub.double(7) == 0
        assert await stub.double(8) == 16
        with pytest.raises(InvalidArgumentError, match="too big"):
            await stub.double(101)
    assert LOG.count("handler") == 1


async def test_session_scoped_services_and_sessions_have_them_too() -> None:
    server, caller = Recorder("server", LOG), Recorder("client", LOG)
    async with (
        LocalClient([Session], interceptors=[server], client_interceptors=[caller]) as client,
        await client.open_session() as session,
    ):
        stub = await session.client(Session)
        assert await stub.ping() == "pong"
        assert [pong async for pong in stub.pings(2)] == ["pong", "pong"]
    assert [len(server.errors), len(caller.errors)] == [2, 2]


async def test_interceptors_run_over_quic() -> None:
    server, caller = Recorder("server", LOG), Recorder("client", LOG)
    loopback = AsterConfig(bind_addr="127.0.0.1:0")
    async with (
        AsterServer([Numbers()], config=loopback, interceptors=[server]) as running,
        AsterClient(address=running.address, config=loopback, interceptors=[caller]) as client,
    ):
        assert await (await client.client(Numbers)).double(1) == 2
    assert isinstance(server.calls[0], CallContext)
    assert server.calls[0].peer is not None
    assert len(caller.calls) == 1


async def test_without_interceptors_nothing_stands_between_stub_and_handler() -> None:
    async with LocalClient([Session]) as client:
        stub: Any = await client.client(Session)
        assert isinstance(stub.ping._remote, RemoteUnary)

    @service
    class Plain:
        @rpc
        async def ping(self) -> str:
            return "pong"

    table = ServiceTable([Plain()])
    assert Caller.interceptors == ()
    bound = table.find(Declaration("Plain", 1, "ping", Pattern.UNARY), None)
    assert isinstance(bound, BoundMethod)
    assert bound.call.__qualname__.startswith("_inline_handler")
