import asyncio
import logging
from dataclasses import dataclass

import pytest
from tests.rpc.messages import Answer, Ask, Greeter

from aster.rpc import (
    CallContext,
    ContractViolationError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    LocalClient,
    NotFoundError,
    ResourceExhaustedError,
    RpcLimits,
    StatusCode,
    UnavailableError,
    UnimplementedError,
    rpc,
    service,
)
from aster.rpc.status import _CLASS_OF, RpcError, UnknownRpcError


async def test_a_call_goes_through_the_codec_and_comes_back_typed() -> None:
    async with LocalClient([Greeter()]) as client:
        greeter = await client.client(Greeter)
        sent = Answer("ä", ["b"])
        answer = await greeter.echo(sent)
    assert answer == sent
    assert answer is not sent


async def test_the_handler_knows_its_call() -> None:
    greeter = Greeter()
    async with LocalClient([greeter]) as client:
        stub = await client.client(Greeter)
        await stub.hello(Ask("ann"), metadata={"x-tenant": "acme"}, timeout=60)
    seen = greeter.seen
    assert seen is not None
    assert (seen.service, seen.method, seen.peer, seen.metadata) == ("Greeter", "hello", None, {"x-tenant": "acme"})
    assert seen.remaining_seconds is not None
    assert 0 < seen.remaining_seconds <= 60
    assert not seen.expired


def test_outside_of_a_call_there_is_no_context() -> None:
    with pytest.raises(LookupError, match="while a handler runs"):
        CallContext.current()


async def test_an_error_of_a_handler_arrives_as_its_class_with_details() -> None:
    async with LocalClient([Greeter()]) as client:
        with pytest.raises(NotFoundError, match="nobody called bob") as caught:
            await (await client.client(Greeter)).refuse(Ask("bob"))
    assert caught.value.details == {"name": "bob", "message": "m", "hint": "h"}
    assert caught.value.status is StatusCode.NOT_FOUND


async def test_any_other_exception_shows_only_an_id_that_the_log_explains(caplog: pytest.LogCaptureFixture) -> None:
    async with LocalClient([Greeter()]) as client:
        with caplog.at_level(logging.ERROR, "aster.rpc"), pytest.raises(InternalError) as caught:
            await (await client.client(Greeter)).break_down(Ask("bob"))
    assert "hunter2" not in str(caught.value)
    record = caplog.records[-1]
    assert vars(record)["error_id"] == caught.value.details["error_id"]
    assert record.exc_info is not None


async def test_debugging_shows_the_exception() -> None:
    async with LocalClient([Greeter()], debug_errors=True) as client:
        with pytest.raises(InternalError, match="ValueError: the database password"):
            await (await client.client(Greeter)).break_down(Ask("bob"))


async def test_an_answer_of_the_wrong_type_is_the_servers_fault() -> None:
    async with LocalClient([Greeter()], debug_errors=True) as client:
        with pytest.raises(InternalError, match=r"Greeter\.lie returned a Ask"):
            await (await client.client(Greeter)).lie(Ask("bob"))


async def test_a_request_of_the_wrong_type_does_not_leave_the_caller() -> None:
    async with LocalClient([Greeter()]) as client:
        with pytest.raises(InvalidArgumentError, match="takes a Ask, got a Answer"):
            await (await client.client(Greeter)).hello(Answer("x"))  # type: ignore[arg-type]  # the mistake under test


async def test_an_ill_typed_field_is_refused_with_its_path() -> None:
    async with LocalClient([Greeter()]) as client:
        with pytest.raises(InvalidArgumentError, match=r"\$\.count"):
            await (await client.client(Greeter)).hello(Ask("x", "many"))  # type: ignore[arg-type]  # the mistake


@dataclass
class NewerAsk:
    name: str
    surname: str = "smith"


@service("Greeter", version=2)
class NewerGreeter:
    """The same service with messages and a method that the server does not know."""

    @rpc
    async def hello(self, ask: NewerAsk) -> Answer:
        return Answer("")

    @rpc
    async def echo(self, answer: Answer) -> NewerAsk:
        return NewerAsk("")

    @rpc
    async def unheard(self, ask: NewerAsk) -> Answer:
        return Answer("")


@pytest.mark.usefixtures("unasked_contract")
async def test_a_field_that_the_contract_forbids_is_a_contract_violation() -> None:
    async with LocalClient([Greeter()]) as client:
        newer = await client.client(NewerGreeter)
        with pytest.raises(ContractViolationError, match="unknown field `surname`"):
            await newer.hello(NewerAsk("x"))


@pytest.mark.usefixtures("unasked_contract")
async def test_an_answer_that_breaks_the_contract_is_a_contract_violation() -> None:
    async with LocalClient([Greeter()]) as client:
        with pytest.raises(ContractViolationError, match="the answer is not a"):
            await (await client.client(NewerGreeter)).echo(Answer("x"))


async def test_unknown_services_versions_and_methods_are_told_apart() -> None:
    @service("Other")
    class Other:
        @rpc
        async def hello(self, ask: Ask) -> Answer:
            return Answer("")

    @service("Greeter", version=1)
    class OldGreeter(Other):
        pass

    async with LocalClient([Greeter()]) as client:
        with pytest.raises(NotFoundError, match="no service 'Other' version 1"):
            await (await client.client(Other)).hello(Ask("x"))
        with pytest.raises(NotFoundError, match="no service 'Greeter' version 1"):
            await (await client.client(OldGreeter)).hello(Ask("x"))
        with pytest.raises(UnimplementedError, match="no method 'unheard'"):
            await (await client.client(NewerGreeter)).unheard(NewerAsk("x"))


async def test_a_deadline_ends_the_call_and_the_handler() -> None:
    greeter = Greeter()
    async with LocalClient([greeter]) as client:
        with pytest.raises(DeadlineExceededError):
            await (await client.client(Greeter)).wait(Ask("x"), timeout=0.05)
        await greeter.ended.wait()


async def test_a_deadline_that_has_passed_makes_no_call() -> None:
    greeter = Greeter()
    async with LocalClient([greeter]) as client:
        with pytest.raises(DeadlineExceededError):
            await (await client.client(Greeter)).wait(Ask("x"), timeout=0)
    assert not greeter.started.is_set()


async def test_cancelling_the_caller_cancels_the_handler_and_the_connection_lives_on() -> None:
    greeter = Greeter()
    async with LocalClient([greeter]) as client:
        stub = await client.client(Greeter)
        call = asyncio.create_task(stub.wait(Ask("x")))
        await greeter.started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await greeter.ended.wait()
        assert (await stub.hello(Ask("ann"))).text == "hello ann"


async def test_answers_come_as_they_are_ready_not_in_order() -> None:
    greeter = Greeter()
    async with LocalClient([greeter]) as client:
        stub = await client.client(Greeter)
        slow = asyncio.create_task(stub.wait(Ask("x")))
        await greeter.started.wait()
        assert (await stub.hello(Ask("ann"))).text == "hello ann"
        assert not slow.done()
        greeter.release.set()
        assert (await slow).text == "released"


async def test_one_call_too_many_is_refused_and_a_place_is_free_again_afterwards() -> None:
    greeter = Greeter()
    async with LocalClient([greeter], limits=RpcLimits(max_concurrent_calls=1)) as client:
        stub = await client.client(Greeter)
        slow = asyncio.create_task(stub.wait(Ask("x")))
        await greeter.started.wait()
        with pytest.raises(ResourceExhaustedError, match="more than 1 calls"):
            await stub.hello(Ask("ann"))
        greeter.release.set()
        await slow
        await stub.hello(Ask("ann"))


async def test_messages_above_the_limit_are_refused_both_ways() -> None:
    async with LocalClient([Greeter()], limits=RpcLimits(max_message_bytes=1000)) as client:
        stub = await client.client(Greeter)
        with pytest.raises(ResourceExhaustedError, match="the request is above the limit of 1000 bytes"):
            await stub.hello(Ask("x" * 1001))
        with pytest.raises(ResourceExhaustedError, match="the answer is above the limit"):
            await stub.hello(Ask("x", 1000))


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({f"k{i}": "" for i in range(65)}, ResourceExhaustedError),
        ({"k": "v" * 4097}, ResourceExhaustedError),
        ({f"k{i}": "v" * 4000 for i in range(3)}, ResourceExhaustedError),
        ({"Upper": "v"}, InvalidArgumentError),
        ({"": "v"}, InvalidArgumentError),
        ({"a" * 257: "v"}, InvalidArgumentError),
        ({"k": 5}, InvalidArgumentError),
    ],
)
async def test_metadata_out_of_bounds_is_refused(metadata: dict[str, str], error: type[RpcError]) -> None:
    async with LocalClient([Greeter()]) as client:
        with pytest.raises(error, match="metadata"):
            await (await client.client(Greeter)).hello(Ask("x"), metadata=metadata)


async def test_a_nested_call_inherits_deadline_and_trace() -> None:
    inner = Greeter()

    @service
    class Front:
        @rpc
        async def ask(self, ask: Ask) -> Answer:
            async with LocalClient([inner]) as client:
                return await (await client.client(Greeter)).hello(ask)

    async with LocalClient([Front()]) as client:
        front = await client.client(Front)
        await front.ask(Ask("x"), timeout=30, metadata={"traceparent": "00-ab-cd-01", "x-other": "y"})
    assert inner.seen is not None
    assert inner.seen.metadata == {"traceparent": "00-ab-cd-01"}
    assert inner.seen.remaining_seconds is not None
    assert inner.seen.remaining_seconds <= 30


async def test_closing_the_client_ends_its_waiting_calls_and_their_handlers() -> None:
    greeter = Greeter()
    async with LocalClient([greeter]) as client:
        call = asyncio.create_task((await client.client(Greeter)).wait(Ask("x")))
        await greeter.started.wait()
    with pytest.raises(UnavailableError):
        await call
    assert greeter.ended.is_set()


async def test_a_client_that_is_not_open_says_so() -> None:
    with pytest.raises(FailedPreconditionError, match="not open"):
        await LocalClient([Greeter()]).client(Greeter)


def test_every_status_but_ok_has_one_class() -> None:
    statuses = {code for code in StatusCode if code is not StatusCode.OK}
    assert set(_CLASS_OF) == statuses
    for status in statuses:
        error = RpcError.of(status, "words", {"key": "value"})
        assert (error.status, error.code, error.message, error.details) == (
            status,
            status.name,
            "words",
            {"key": "value"},
        )
    assert isinstance(RpcError.of(77, "?"), UnknownRpcError)
