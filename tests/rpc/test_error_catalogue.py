"""Every way in which a call can fail, in one table: its status, its class, and the words for people."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from aster.rpc import (
    AbortedError,
    CancelledError,
    ContractViolationError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    LocalClient,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    RpcError,
    RpcLimits,
    StatusCode,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownRpcError,
    rpc,
    server_stream,
    service,
)
from aster.rpc.interceptors import CheckToken
from aster.rpc.stub import Caller, ClientSession

pytestmark = pytest.mark.usefixtures("unasked_contract")

SECRET = "the database password is hunter2"
LIMITS = RpcLimits(max_message_bytes=2000, max_concurrent_calls=2, max_sessions=1)


class Question(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    count: int = 0


class Newer(msgspec.Struct):
    text: str
    colour: str = "red"


@service
class Server:
    def __init__(self) -> None:
        self.started = asyncio.Event()

    @rpc
    async def ask(self, question: Question) -> Question:
        return question

    @rpc(requires="ops")
    async def guarded(self) -> None: ...

    @rpc
    async def raises(self, status: int) -> None:
        if status < 0:
            raise ValueError(SECRET)
        raise RpcError.of(status, "as it was raised", {"key": "value"})

    @rpc
    async def lies(self) -> int:
        return "no number"  # type: ignore[return-value]  # a handler that breaks its contract

    @rpc
    async def grows(self, size: int) -> bytes:
        return bytes(size)

    @rpc
    async def hangs(self) -> None:
        self.started.set()
        await asyncio.Event().wait()

    @server_stream
    async def counts(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number


@service(scoped="session")
class InSessions:
    @rpc
    async def hangs(self) -> None:
        await asyncio.Event().wait()


@service(interceptors=[CheckToken(["s3cret"])])
class WithToken:
    @rpc
    async def ask(self) -> None: ...


@service("Server")
class Old:
    """What a client of another contract sends."""

    @rpc
    async def ask(self, question: Newer) -> Newer: ...  # type: ignore[empty-body]  # only called from afar

    @rpc
    async def missing(self) -> None: ...

    @rpc
    async def counts(self, to: int) -> int: ...  # type: ignore[empty-body]  # only called from afar

    @rpc
    async def grows(self, size: int) -> str: ...  # type: ignore[empty-body]  # only called from afar


@service("Server", version=7)
class Version7:
    @rpc
    async def ask(self) -> None: ...


@service("Nowhere")
class Nowhere:
    @rpc
    async def ask(self) -> None: ...


async def stub(client: Caller, kind: type) -> Any:
    return await client.client(kind)


async def unknown_service(client: Caller) -> None:
    await (await stub(client, Nowhere)).ask()


async def unknown_version(client: Caller) -> None:
    await (await stub(client, Version7)).ask()


async def unknown_method(client: Caller) -> None:
    await (await stub(client, Old)).missing()


async def another_pattern(client: Caller) -> None:
    await (await stub(client, Old)).counts(3)


async def wrong_class(client: Caller) -> None:
    await (await stub(client, Server)).ask(Newer("x"))


async def wrong_type(client: Caller) -> None:
    await (await stub(client, Server)).ask(Question("x", "many"))  # type: ignore[arg-type]  # the mistake under test


async def missing_argument(client: Caller) -> None:
    await (await stub(client, Server)).raises()


async def unknown_field(client: Caller) -> None:
    await (await stub(client, Old)).ask(Newer("x"))


async def an_answer_of_another_type(client: Caller) -> None:
    await (await stub(client, Old)).grows(3)


async def bad_metadata(client: Caller) -> None:
    await (await stub(client, Server)).ask(Question("x"), metadata={"Upper": "x"})


async def missing_role(client: Caller) -> None:
    await (await stub(client, Server)).guarded()


async def missing_token(client: Caller) -> None:
    await (await stub(client, WithToken)).ask()


async def handlers_fault(client: Caller) -> None:
    await (await stub(client, Server)).raises(-1)


async def handlers_lie(client: Caller) -> None:
    await (await stub(client, Server)).lies()


async def long_request(client: Caller) -> None:
    await (await stub(client, Server)).ask(Question("x" * 2001))


async def long_answer(client: Caller) -> None:
    await (await stub(client, Server)).grows(2001)


async def deadline(client: Caller) -> None:
    await (await stub(client, Server)).hangs(timeout=0.02)


async def deadline_in_the_past(client: Caller) -> None:
    await (await stub(client, Server)).hangs(timeout=0)


async def one_call_too_many(client: Caller) -> None:
    hanging = await stub(client, Server)
    calls = [asyncio.create_task(hanging.hangs()) for _ in range(3)]
    done, running = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    for call in running:
        call.cancel()
    await asyncio.wait(running)
    await done.pop()


async def one_session_too_many(client: Caller) -> None:
    await client.open_session()
    await client.open_session()


async def a_session_that_is_not_open(client: Caller) -> None:
    closed = ClientSession(await client.connection(), 9)
    await (await stub(closed, InSessions)).hangs()


async def a_shared_service_in_a_session(client: Caller) -> None:
    async with await client.open_session() as session:
        await stub(session, Server)


async def a_session_that_is_left(client: Caller) -> None:
    session = await client.open_session()
    call = asyncio.create_task((await stub(session, InSessions)).hangs())
    await asyncio.sleep(0)
    await session.close()
    await call


async def a_lost_connection(client: Caller) -> None:
    call = asyncio.create_task((await stub(client, Server)).hangs())
    await asyncio.sleep(0)
    assert isinstance(client, LocalClient)
    await client.__aexit__(None, None, None)
    await call


Way = Callable[[Caller], Awaitable[None]]

CATALOGUE: list[tuple[Way, type[RpcError], str]] = [
    (unknown_service, NotFoundError, "no service 'Nowhere' version 1 here"),
    (unknown_version, NotFoundError, "no service 'Server' version 7 here"),
    (unknown_method, UnimplementedError, "service 'Server' has no method 'missing'"),
    (another_pattern, FailedPreconditionError, "'Server.counts' is server_stream, not unary"),
    (wrong_class, InvalidArgumentError, "Server.ask takes a Question, got a Newer"),
    (wrong_type, InvalidArgumentError, "request is not a Question: Expected `int`, got `str` - at `$.count`"),
    (missing_argument, InvalidArgumentError, "<method Server.raises>: Missing required argument 'status'"),
    (unknown_field, ContractViolationError, "request is not a Question: Object contains unknown field `colour`"),
    (an_answer_of_another_type, ContractViolationError, "the answer is not a str: Expected `str`, got `bytes`"),
    (bad_metadata, InvalidArgumentError, "metadata key 'Upper' is not allowed"),
    (missing_role, PermissionDeniedError, "'Server.guarded' needs the role ops"),
    (missing_token, UnauthenticatedError, "a valid token is needed"),
    (handlers_fault, InternalError, "internal error"),
    (handlers_lie, InternalError, "internal error"),
    (long_request, ResourceExhaustedError, "the request is above the limit of 2000 bytes"),
    (long_answer, ResourceExhaustedError, "the answer is above the limit of 2000 bytes"),
    (deadline, DeadlineExceededError, "no answer within 0.02 s"),
    (deadline_in_the_past, DeadlineExceededError, "the deadline had passed before the call"),
    (one_call_too_many, ResourceExhaustedError, "more than 2 calls at once"),
    (one_session_too_many, ResourceExhaustedError, "more than 1 sessions on one connection"),
    (a_session_that_is_not_open, NotFoundError, "the session is not open"),
    (a_shared_service_in_a_session, FailedPreconditionError, "'Server' is shared by all sessions"),
    (a_session_that_is_left, CancelledError, "the call was cancelled"),
    (a_lost_connection, UnavailableError, "closed by this side: the client was closed"),
]


@pytest.mark.parametrize(("way", "kind", "words"), CATALOGUE, ids=[way.__name__ for way, _, _ in CATALOGUE])
async def test_each_failure_has_its_status_class_and_words(way: Way, kind: type[RpcError], words: str) -> None:
    services = [Server(), InSessions, WithToken()]
    async with LocalClient(services, peer="ab" * 32, limits=LIMITS) as client:
        with pytest.raises(RpcError) as caught:
            await way(client)
    assert type(caught.value) is kind
    assert caught.value.message.startswith(words)
    assert SECRET not in f"{caught.value} {caught.value.details}"


RAISED = [code for code in StatusCode if code is not StatusCode.OK]


@pytest.mark.parametrize("status", RAISED)
async def test_a_handler_can_raise_every_status_and_its_caller_gets_that_class(status: StatusCode) -> None:
    async with LocalClient([Server()]) as client:
        with pytest.raises(RpcError) as caught:
            await (await stub(client, Server)).raises(int(status))
    assert type(caught.value) is type(RpcError.of(status, ""))
    assert (caught.value.status, caught.value.message) == (status, "as it was raised")
    assert caught.value.details == {"key": "value"}


async def test_a_status_of_a_newer_peer_is_unknown() -> None:
    async with LocalClient([Server()]) as client:
        with pytest.raises(UnknownRpcError):
            await (await stub(client, Server)).raises(99)


async def test_errors_of_one_family_are_told_apart_by_class() -> None:
    async with LocalClient([Server()]) as client:
        server = await stub(client, Server)
        with pytest.raises(AbortedError):
            await server.raises(int(StatusCode.ABORTED))
        with pytest.raises(InternalError) as caught:
            await server.raises(-1)
    assert len(bytes.fromhex(caught.value.details["error_id"])) == 8
