"""The streaming patterns, in process and over real connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import msgspec
import pytest

from aster.config import AsterConfig
from aster.rpc import (
    AsterClient,
    AsterServer,
    CallContext,
    ContractViolationError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    LocalClient,
    NotFoundError,
    RpcLimits,
    ServiceDefinitionError,
    UnavailableError,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)
from aster.rpc.definition import definition_of
from aster.rpc.patterns import Pattern
from aster.rpc.stub import Caller


class Number(msgspec.Struct, forbid_unknown_fields=True):
    value: int
    padding: bytes = b""


@service
class Numbers:
    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.ended = asyncio.Event()
        self.context: CallContext | None = None

    @server_stream
    async def count(self, to: Number, context: CallContext) -> AsyncIterator[Number]:
        """Count from zero."""
        self.context = context
        try:
            for value in range(to.value):
                self.sent += 1
                yield Number(value, to.padding)
        finally:
            self.ended.set()

    @server_stream
    async def count_then_fail(self, to: Number) -> AsyncIterator[Number]:
        for value in range(to.value):
            yield Number(value)
        raise NotFoundError("no more numbers")

    @server_stream
    async def wait_for_ever(self, to: Number) -> AsyncIterator[Number]:
        try:
            yield to
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    @server_stream
    async def lie(self, to: Number) -> AsyncIterator[Number]:
        yield "not a number"  # type: ignore[misc]  # a handler that breaks its contract

    @client_stream
    async def add(self, numbers: AsyncIterator[Number]) -> Number:
        total = 0
        async for number in numbers:
            self.received += 1
            total += number.value
        return Number(total)

    @client_stream
    async def first(self, numbers: AsyncIterator[Number]) -> Number:
        async for number in numbers:
            return number
        raise NotFoundError("no numbers")

    @bidi_stream
    async def double(self, numbers: AsyncIterator[Number]) -> AsyncIterator[Number]:
        try:
            async for number in numbers:
                yield Number(2 * number.value)
        finally:
            self.ended.set()

    @bidi_stream
    async def speak_first(self, numbers: AsyncIterator[Number]) -> AsyncIterator[Number]:
        yield Number(1)
        async for number in numbers:
            yield number


async def numbers_to(end: int) -> AsyncIterator[Number]:
    for value in range(end):
        yield Number(value)


async def read_into(received: list[int], stream: AsyncIterator[Number]) -> None:
    async for number in stream:
        received.append(number.value)  # noqa: PERF401  # what came before an error must stay


def over_quic(numbers: Numbers, limits: RpcLimits) -> AbstractAsyncContextManager[Caller]:
    @asynccontextmanager
    async def connect() -> AsyncIterator[Caller]:
        config = AsterConfig(allow_all_consumers=True, bind_addr="127.0.0.1:0")
        server = AsterServer([numbers], config=config, limits=limits)
        async with server, AsterClient(address=server.address, limits=limits) as client:
            yield client

    return connect()


def in_process(numbers: Numbers, limits: RpcLimits) -> AbstractAsyncContextManager[Caller]:
    return LocalClient([numbers], limits=limits)


Connect = Callable[[Numbers, RpcLimits], AbstractAsyncContextManager[Caller]]
CONNECT = pytest.mark.parametrize("connect", [in_process, over_quic])
DEFAULT = RpcLimits()


@CONNECT
async def test_each_pattern_carries_its_messages_in_order(connect: Connect) -> None:
    async with connect(Numbers(), DEFAULT) as client:
        stub = await client.client(Numbers)
        counted = [number.value async for number in stub.count(Number(2000))]
        assert counted == list(range(2000))
        assert (await stub.add(numbers_to(2000))).value == sum(range(2000))
        doubled = [number.value async for number in stub.double(numbers_to(2000))]
        assert doubled == [2 * value for value in range(2000)]


@CONNECT
async def test_empty_streams_are_streams(connect: Connect) -> None:
    async with connect(Numbers(), DEFAULT) as client:
        stub = await client.client(Numbers)
        assert [number async for number in stub.count(Number(0))] == []
        assert await stub.add(numbers_to(0)) == Number(0)
        assert [number async for number in stub.double(numbers_to(0))] == []


@CONNECT
async def test_a_slow_reader_stops_a_fast_writer(connect: Connect) -> None:
    numbers = Numbers()
    async with connect(numbers, RpcLimits(stream_window_items=8)) as client:
        stub = await client.client(Numbers)
        async with aclosing(stub.count(Number(100_000))) as counting:
            await anext(counting)
            for _ in range(10):
                await stub.add(numbers_to(1))
            assert numbers.sent <= 8 + 4 + 1 + 1
    await numbers.ended.wait()


@CONNECT
async def test_a_stream_is_bounded_in_bytes_too(connect: Connect) -> None:
    numbers = Numbers()
    async with connect(numbers, RpcLimits(stream_window_bytes=10_000)) as client:
        stub = await client.client(Numbers)
        async with aclosing(stub.count(Number(1000, bytes(4000)))) as counting:
            await anext(counting)
            for _ in range(10):
                await stub.add(numbers_to(1))
            assert numbers.sent <= 6
    await numbers.ended.wait()


@CONNECT
async def test_leaving_a_stream_early_cancels_its_handler(connect: Connect) -> None:
    numbers = Numbers()
    async with connect(numbers, DEFAULT) as client:
        stub = await client.client(Numbers)
        async for number in stub.wait_for_ever(Number(7)):
            assert number.value == 7
            break
        await numbers.ended.wait()
        assert (await stub.add(numbers_to(3))).value == 3


@CONNECT
async def test_a_deadline_ends_a_stream_on_both_sides(connect: Connect) -> None:
    numbers = Numbers()
    async with connect(numbers, DEFAULT) as client:
        stub = await client.client(Numbers)
        received: list[int] = []
        with pytest.raises(DeadlineExceededError):
            await read_into(received, stub.wait_for_ever(Number(7), timeout=0.1))
        assert received == [7]
        await numbers.ended.wait()


@CONNECT
async def test_what_came_before_an_error_is_delivered_and_then_the_error(connect: Connect) -> None:
    async with connect(Numbers(), DEFAULT) as client:
        stub = await client.client(Numbers)
        received: list[int] = []
        with pytest.raises(NotFoundError, match="no more numbers"):
            await read_into(received, stub.count_then_fail(Number(3)))
        assert received == [0, 1, 2]
        with pytest.raises(InternalError):
            await read_into(received, stub.lie(Number(1)))


@CONNECT
async def test_an_answer_may_come_before_the_last_request(connect: Connect) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[Number]:
        try:
            value = 0
            while True:
                yield Number(value)
                value += 1
                await asyncio.sleep(0)
        finally:
            closed.set()

    async with connect(Numbers(), DEFAULT) as client:
        stub = await client.client(Numbers)
        assert (await stub.first(endless())).value == 0
        await closed.wait()


@CONNECT
async def test_a_bidi_handler_may_speak_first(connect: Connect) -> None:
    heard = asyncio.Event()

    async def after_hearing() -> AsyncIterator[Number]:
        await heard.wait()
        yield Number(2)

    async with connect(Numbers(), DEFAULT) as client:
        stub = await client.client(Numbers)
        received = []
        async for number in stub.speak_first(after_hearing()):
            received.append(number.value)
            heard.set()
        assert received == [1, 2]


@CONNECT
async def test_an_error_in_the_callers_own_iterable_reaches_the_caller(connect: Connect) -> None:
    async def fails() -> AsyncIterator[Number]:
        yield Number(1)
        raise ValueError("mine")

    async def wrong() -> AsyncIterator[Number]:
        yield "x"  # type: ignore[misc]  # the mistake under test

    numbers = Numbers()
    async with connect(numbers, DEFAULT) as client:
        stub = await client.client(Numbers)
        with pytest.raises(ValueError, match="mine"):
            await stub.add(fails())
        with pytest.raises(ValueError, match="mine"):
            await read_into([], stub.double(fails()))
        with pytest.raises(InvalidArgumentError, match="takes a Number"):
            await stub.add(wrong())


@CONNECT
async def test_closing_the_client_ends_its_streams(connect: Connect) -> None:
    numbers = Numbers()
    async with connect(numbers, DEFAULT) as client:
        stub = await client.client(Numbers)
        stream = stub.wait_for_ever(Number(7))
        assert (await anext(stream)).value == 7
        rest = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
    with pytest.raises(UnavailableError):
        await rest
    await numbers.ended.wait()


async def test_a_handler_of_a_stream_knows_its_call() -> None:
    numbers = Numbers()
    async with LocalClient([numbers]) as client:
        stub = await client.client(Numbers)
        assert [n.value async for n in stub.count(Number(1), metadata={"a": "b"}, timeout=60)] == [0]
    assert numbers.context is not None
    assert numbers.context.metadata == {"a": "b"}


async def test_a_request_and_its_cancellation_in_one_chunk_leave_nothing_behind() -> None:
    async with LocalClient([Numbers()], limits=RpcLimits(max_concurrent_calls=4)) as client:
        stub = await client.client(Numbers)
        for _ in range(20):
            call = asyncio.create_task(stub.add(numbers_to(0)))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
        assert (await stub.add(numbers_to(3))).value == 3


@pytest.mark.usefixtures("unasked_contract")
async def test_a_pattern_that_is_not_the_servers_is_refused() -> None:
    @service("Numbers")
    class Mistaken:
        @rpc
        async def count(self, to: Number) -> Number:
            return to

    async with LocalClient([Numbers()]) as client:
        with pytest.raises(FailedPreconditionError, match="is server_stream, not unary"):
            await (await client.client(Mistaken)).count(Number(1))


@pytest.mark.usefixtures("unasked_contract")
async def test_a_stream_of_unknown_fields_is_a_contract_violation() -> None:
    class Newer(msgspec.Struct):
        value: int
        colour: str = "red"

    @service("Numbers")
    class NewerNumbers:
        @client_stream
        async def add(self, numbers: AsyncIterator[Newer]) -> Number:
            return Number(0)

    async def one() -> AsyncIterator[Newer]:
        yield Newer(1)

    async with LocalClient([Numbers()]) as client:
        with pytest.raises(ContractViolationError, match="unknown field `colour`"):
            await (await client.client(NewerNumbers)).add(one())


def test_patterns_and_messages_are_known_from_the_definition() -> None:
    methods = definition_of(Numbers).methods
    assert methods["count"].options.pattern is Pattern.SERVER_STREAM
    assert methods["add"].options.pattern is Pattern.CLIENT_STREAM
    assert methods["double"].options.pattern is Pattern.BIDI_STREAM
    assert {method.request.annotation for method in methods.values()} == {Number}


def no_yield() -> None:
    @server_stream  # type: ignore[arg-type]  # the mistake under test
    async def count(self: object, to: Number) -> Number:
        return to


def no_iterator() -> None:
    @service
    class Mistaken:
        @client_stream  # type: ignore[arg-type]  # the mistake under test
        async def add(self, numbers: Number) -> Number:
            return numbers


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (no_yield, "@server_stream: .* must be an 'async def' function that yields"),
        (no_iterator, "must take one stream of requests and nothing else"),
    ],
)
def test_a_mistaken_stream_is_an_error_when_it_is_defined(mistake: Callable[[], None], message: str) -> None:
    with pytest.raises(ServiceDefinitionError, match=message):
        mistake()
