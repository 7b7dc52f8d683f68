"""The interceptors that come with Aster, in process, on a clock that tests turn."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aster.foundation.audit import AuditLog
from aster.foundation.errors import ConfigError, StorageError
from aster.foundation.sql import Database
from aster.rpc import (
    CallContext,
    DeadlineExceededError,
    InternalError,
    LocalClient,
    NotFoundError,
    ResourceExhaustedError,
    StatusCode,
    UnauthenticatedError,
    UnavailableError,
    interceptors,
    rpc,
    server_stream,
    service,
)
from aster.rpc.interceptors import Audit, CheckToken, CircuitBreaker, Deadline, RateLimit, Retry, SendToken
from aster.rpc.interceptors.circuit_breaker import State
from aster.rpc.interceptors.retry import Backoff, RetryBudget
from aster.rpc.status import RpcError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@service
class Flaky:
    """Fails as often as it is told to."""

    def __init__(self, *errors: RpcError) -> None:
        self.errors = list(errors)
        self.calls: list[CallContext] = []
        self.never = asyncio.Event()
        self.cancelled = asyncio.Event()

    def _answer(self) -> str:
        self.calls.append(CallContext.current())
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    @rpc(idempotent=True)
    async def read(self) -> str:
        return self._answer()

    @rpc
    async def write(self) -> str:
        return self._answer()

    @server_stream(idempotent=True)
    async def listen(self, count: int = 1) -> AsyncIterator[str]:
        for _ in range(count):
            yield self._answer()

    @rpc
    async def hang(self) -> None:
        try:
            await self.never.wait()
        finally:
            self.cancelled.set()

    @server_stream
    async def hang_after_one(self) -> AsyncIterator[int]:
        yield 1
        try:
            await self.never.wait()
        finally:
            self.cancelled.set()


async def collect(items: AsyncIterator[Any], into: list[Any]) -> None:
    async for item in items:
        into.append(item)  # noqa: PERF401  # each is kept also when the next one fails


def unavailable(times: int, **details: str) -> list[RpcError]:
    return [UnavailableError("away", details=details) for _ in range(times)]


@pytest.mark.parametrize("name", interceptors.__all__)
def test_every_name_loads(name: str) -> None:
    assert callable(getattr(interceptors, name))


# Deadline


@pytest.mark.parametrize("limit", [Deadline(0.05), Deadline(maximum=0.05)], ids=["default", "maximum"])
async def test_a_handler_that_hangs_is_ended_by_the_servers_own_limit(limit: Deadline) -> None:
    flaky = Flaky()
    async with LocalClient([flaky], interceptors=[limit]) as client:
        stub = await client.client(Flaky)
        with pytest.raises(DeadlineExceededError, match=r"longer than 0\.05 s"):
            await stub.hang()
        await flaky.cancelled.wait()
        flaky.cancelled.clear()
        received: list[int] = []
        with pytest.raises(DeadlineExceededError):
            await collect(stub.hang_after_one(), received)
        assert received == [1]
        await flaky.cancelled.wait()
        assert await stub.read() == "done"


async def test_a_clients_default_is_sent_and_its_maximum_shortens() -> None:
    flaky = Flaky()
    async with LocalClient([flaky], client_interceptors=[Deadline(30, maximum=40)]) as client:
        stub = await client.client(Flaky)
        await stub.read()
        await stub.read.with_options(timeout=500)()
        await stub.read.with_options(timeout=20)()
    left = [call.remaining_seconds or 0 for call in flaky.calls]
    assert 20 < left[0] <= 30 < left[1] <= 40
    assert left[2] <= 20


# Tokens


async def test_a_token_is_sent_and_checked() -> None:
    async def fetched() -> str:
        return "s3cret"

    async with LocalClient([Flaky()], interceptors=[CheckToken(["other", "s3cret"])]) as client:
        for send in (SendToken("s3cret"), SendToken(fetched), SendToken(lambda: "s3cret"), SendToken("other")):
            client.interceptors = [send]
            assert await (await client.client(Flaky)).read() == "done"
            assert "s3cret" not in repr(send)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "s3cret"},
        {"authorization": "Basic s3cret"},
        {"authorization": "Bearer s3cre"},
        {"authorization": "Bearer s3cret2"},
        {"authorization": "Bearer ä"},
        {"token": "Bearer s3cret"},
    ],
)
async def test_a_missing_or_wrong_token_never_reaches_the_handler(metadata: dict[str, str]) -> None:
    flaky = Flaky()
    async with LocalClient([flaky], interceptors=[CheckToken(["s3cret"])]) as client:
        with pytest.raises(UnauthenticatedError, match="a valid token is needed"):
            await (await client.client(Flaky)).read.with_options(metadata=metadata)()
        with pytest.raises(UnauthenticatedError):
            async for _ in (await client.client(Flaky)).listen.with_options(metadata=metadata)():
                pass
    assert flaky.calls == []


async def test_an_own_check_must_say_true() -> None:
    answers: list[Any] = [True, False, "yes", None]

    async def check(token: str, call: CallContext) -> bool:
        assert (token, call.method) == ("t", "read")
        return answers.pop(0)  # type: ignore[no-any-return]  # answers of any kind

    async with LocalClient(
        [Flaky()], interceptors=[CheckToken(check=check)], client_interceptors=[SendToken("t")]
    ) as client:
        stub = await client.client(Flaky)
        assert await stub.read() == "done"
        for _ in range(3):
            with pytest.raises(UnauthenticatedError):
                await stub.read()


# Rate limits


async def test_a_bucket_gives_its_burst_and_refills_with_time() -> None:
    clock = Clock()
    async with LocalClient([Flaky()], interceptors=[RateLimit(10, burst=2, clock=clock)]) as client:
        stub = await client.client(Flaky)
        await stub.read()
        await stub.read()
        with pytest.raises(ResourceExhaustedError, match="more than 10 calls a second") as caught:
            await stub.read()
        assert caught.value.details["retry_after_ms"] == "100"
        clock.now += 0.1
        await stub.read()
        with pytest.raises(ResourceExhaustedError):
            await stub.read()
        clock.now += 1000
        await stub.read()
        await stub.read()
        with pytest.raises(ResourceExhaustedError):
            await stub.read()


async def test_buckets_are_counted_per_key() -> None:
    async def refused(per: str) -> list[bool]:
        limit = RateLimit(1, per=per, clock=Clock())
        outcomes = []
        for peer in ("aa" * 32, "bb" * 32):
            async with LocalClient([Flaky()], peer=peer, interceptors=[limit]) as client:
                stub = await client.client(Flaky)
                for method in (stub.read, stub.write):
                    try:
                        await method()
                    except ResourceExhaustedError:
                        outcomes.append(True)
                    else:
                        outcomes.append(False)
        return outcomes

    assert await refused("global") == [False, True, True, True]
    assert await refused("service") == [False, True, True, True]
    assert await refused("method") == [False, False, True, True]
    assert await refused("peer") == [False, True, False, True]


async def test_buckets_are_bounded() -> None:
    limit = RateLimit(1, per="peer", max_buckets=3)
    for number in range(100):
        context = CallContext(service="s", method="m", call_id=1, peer=str(number))
        await limit(context, None, lambda request: asyncio.sleep(0))
    assert len(limit._buckets) == 3


# Retry


async def no_sleep(seconds: float) -> None:
    return None


async def test_an_idempotent_call_is_tried_again_and_says_so() -> None:
    flaky = Flaky(*unavailable(2))
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    retry = Retry(backoff=Backoff(initial=1, jitter=0), sleep=sleep)
    async with LocalClient([flaky], client_interceptors=[retry]) as client:
        assert await (await client.client(Flaky)).read() == "done"
    assert pauses == [1, 2]
    assert [call.attempt for call in flaky.calls] == [1, 2, 3]


async def test_what_is_not_idempotent_streams_and_other_codes_are_not_tried_again() -> None:
    flaky = Flaky(*unavailable(2), NotFoundError("no"))
    async with LocalClient([flaky], client_interceptors=[Retry(sleep=no_sleep)]) as client:
        stub = await client.client(Flaky)
        with pytest.raises(UnavailableError):
            await stub.write()
        with pytest.raises(UnavailableError):
            async for _ in stub.listen():
                pass
        with pytest.raises(NotFoundError):
            await stub.read()
    assert len(flaky.calls) == 3


async def test_tries_are_counted_and_the_last_error_is_raised() -> None:
    flaky = Flaky(*unavailable(9))
    async with LocalClient([flaky], client_interceptors=[Retry(4, sleep=no_sleep)]) as client:
        with pytest.raises(UnavailableError, match="away"):
            await (await client.client(Flaky)).read()
    assert len(flaky.calls) == 4


async def test_a_server_may_ask_for_a_longer_pause_and_the_deadline_is_kept() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    flaky = Flaky(*unavailable(1, retry_after_ms="2500"), *unavailable(1, retry_after_ms="60000"))
    retry = Retry(backoff=Backoff(initial=1, jitter=0), sleep=sleep)
    async with LocalClient([flaky], client_interceptors=[retry]) as client:
        with pytest.raises(UnavailableError):
            await (await client.client(Flaky)).read.with_options(timeout=20)()
    assert pauses == [2.5]


async def test_the_budget_ends_retries_of_a_server_that_is_down() -> None:
    flaky = Flaky(*unavailable(1000))
    async with LocalClient([flaky], client_interceptors=[Retry(sleep=no_sleep, budget=RetryBudget(10))]) as client:
        stub = await client.client(Flaky)
        for _ in range(100):
            with pytest.raises(UnavailableError):
                await stub.read()
    assert len(flaky.calls) < 110
    assert len(flaky.calls) > 100


def test_pauses_grow_to_their_maximum_within_their_jitter() -> None:
    backoff = Backoff(initial=0.1, maximum=1.0, multiplier=2, jitter=0.2)
    for attempt, middle in ((1, 0.1), (2, 0.2), (4, 0.8), (9, 1.0), (10**6, 1.0)):
        for _ in range(20):
            assert 0.8 * middle <= backoff.seconds(attempt) <= 1.2 * middle


# Circuit breaker


async def test_a_circuit_opens_probes_and_closes() -> None:
    clock = Clock()
    breaker = CircuitBreaker(2, recovery_seconds=5, clock=clock)
    flaky = Flaky(*unavailable(3))
    async with LocalClient([flaky], client_interceptors=[breaker]) as client:
        stub = await client.client(Flaky)
        for _ in range(2):
            with pytest.raises(UnavailableError, match="away"):
                await stub.read()
        assert breaker.state("Flaky") is State.OPEN
        with pytest.raises(UnavailableError, match="not called") as caught:
            await stub.read()
        assert caught.value.details["retry_after_ms"] == "5000"
        assert len(flaky.calls) == 2
        clock.now += 5
        assert breaker.state("Flaky") is State.HALF_OPEN
        with pytest.raises(UnavailableError, match="away"):
            await stub.read()
        assert breaker.state("Flaky") is State.OPEN
        clock.now += 5
        assert await stub.read() == "done"
        assert breaker.state("Flaky") is State.CLOSED


async def test_only_so_many_probes_run_at_once_and_a_cancelled_one_decides_nothing() -> None:
    clock = Clock()
    breaker = CircuitBreaker(1, clock=clock)
    flaky = Flaky(*unavailable(1))
    async with LocalClient([flaky], client_interceptors=[breaker]) as client:
        stub = await client.client(Flaky)
        with pytest.raises(UnavailableError):
            await stub.read()
        clock.now += 5
        probe = asyncio.create_task(stub.hang())
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="not called"):
            await stub.read()
        probe.cancel()
        await asyncio.wait([probe])
        assert breaker.state("Flaky") is State.HALF_OPEN
        assert await stub.read() == "done"


async def test_success_and_the_callers_own_mistakes_keep_a_circuit_closed() -> None:
    breaker = CircuitBreaker(2)
    errors = [UnavailableError(""), NotFoundError(""), UnavailableError(""), NotFoundError(""), UnavailableError("")]
    async with LocalClient([Flaky(*errors)], client_interceptors=[breaker]) as client:
        stub = await client.client(Flaky)
        for error in errors:
            with pytest.raises(type(error)):
                await stub.read()
    assert breaker.state("Flaky") is State.CLOSED


# Audit


async def test_every_call_is_in_the_hash_chain(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "audit.db")
    log = AuditLog(database)
    flaky = Flaky(NotFoundError("secret words"))
    async with LocalClient([flaky], peer="ab" * 32, interceptors=[Audit(log)]) as client:
        stub = await client.client(Flaky)
        with pytest.raises(NotFoundError):
            await stub.read()
        assert await stub.read() == "done"
        assert [word async for word in stub.listen(3)] == ["done"] * 3
        events = [record.event for record in log.records("rpc")]
    assert [(event["method"], event["status"]) for event in events] == [
        ("read", "NOT_FOUND"),
        ("read", "OK"),
        ("listen", "OK"),
    ]
    assert {event["peer"] for event in events} == {"ab" * 32}
    assert "secret words" not in str(events)
    assert log.verify("rpc").valid
    await database.close()


async def test_a_call_that_can_not_be_recorded_is_not_answered(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "audit.db")
    log = AuditLog(database)

    async def refuse(chain: str, event: object) -> None:
        raise StorageError("the disk is full")

    log.record = refuse  # type: ignore[method-assign,assignment]  # a full disk
    async with LocalClient([Flaky()], interceptors=[Audit(log)]) as client:
        stub = await client.client(Flaky)
        with pytest.raises(UnavailableError, match="could not be recorded"):
            await stub.read()
        with pytest.raises(UnavailableError, match="could not be recorded"):
            async for _ in stub.listen():
                pass
    await database.close()


# Together


async def test_they_compose_and_each_counts_once() -> None:
    flaky = Flaky(*unavailable(1))
    limit = RateLimit(1000, burst=10, clock=Clock())
    breaker, retry = CircuitBreaker(5), Retry(sleep=no_sleep)
    async with LocalClient(
        [flaky],
        interceptors=[Deadline(30), CheckToken(["t"]), limit],
        client_interceptors=[retry, breaker, SendToken("t")],
    ) as client:
        assert await (await client.client(Flaky)).read() == "done"
    assert len(flaky.calls) == 2
    assert limit._buckets[None][0] == 8
    assert breaker.state("Flaky") is State.CLOSED


async def test_a_fault_inside_an_interceptor_is_internal_and_hidden() -> None:
    async def broken(call: Any, request: Any, proceed: Any) -> Any:
        raise ValueError("hunter2")

    async with LocalClient([Flaky()], interceptors=[broken]) as client:
        with pytest.raises(InternalError) as caught:
            await (await client.client(Flaky)).read()
    assert "hunter2" not in str(caught.value)
    assert caught.value.status is StatusCode.INTERNAL


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: Deadline(0),
        lambda: Deadline(maximum=-1),
        lambda: CheckToken(),
        lambda: CheckToken([""]),
        lambda: CheckToken(["a"], check=lambda token, call: True),
        lambda: RateLimit(0),
        lambda: RateLimit(1, burst=0.5),
        lambda: RateLimit(1, per="planet"),
        lambda: Retry(0),
        lambda: Backoff(initial=0),
        lambda: Backoff(jitter=2),
        lambda: RetryBudget(0),
        lambda: CircuitBreaker(0),
        lambda: CircuitBreaker(recovery_seconds=0),
    ],
)
def test_options_out_of_range_are_refused(mistake: Any) -> None:
    with pytest.raises(ConfigError):
        mistake()
