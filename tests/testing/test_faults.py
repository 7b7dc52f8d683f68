"""Faults at chosen frames, and a clock that is turned: what callers and handlers see."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from aster.config import AsterConfig
from aster.rpc import (
    AsterServer,
    CallContext,
    DeadlineExceededError,
    Reconnect,
    ResourceExhaustedError,
    UnavailableError,
    rpc,
    server_stream,
    service,
)
from aster.rpc.interceptors import CircuitBreaker, RateLimit, Retry
from aster.testing import FakeClock, Faults, FaultyClient, gated_pair, local_pair, remote_pair


@service
class Worker:
    def __init__(self) -> None:
        self.calls = 0
        self.started = asyncio.Event()
        self.ended = asyncio.Event()

    @rpc(idempotent=True)
    async def work(self, number: int = 0) -> int:
        self.calls += 1
        return number

    @rpc
    async def hang(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    @rpc
    async def left(self) -> float | None:
        return CallContext.current().remaining_seconds

    @server_stream
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number


async def test_a_dropped_reply_is_a_deadline_for_its_caller_alone() -> None:
    faults, worker = Faults(), Worker()
    with FakeClock() as clock:
        async with local_pair(worker, faults=faults) as client:
            stub = await client.client(Worker)
            fault = faults.drop("REPLY", side="server", nth=2)
            assert await stub.work(1) == 1
            lost = asyncio.create_task(stub.work.with_options(timeout=5)(2))
            await fault.happened()
            assert await stub.work(3) == 3
            await clock.advance(4.9)
            assert not lost.done()
            await clock.advance(0.2)
            with pytest.raises(DeadlineExceededError, match="within 5 s"):
                await lost
    assert worker.calls == 3


async def test_a_held_reply_holds_what_comes_after_it_until_it_is_released() -> None:
    faults = Faults()
    async with local_pair(Worker(), faults=faults) as client:
        stub = await client.client(Worker)
        fault = faults.hold("REPLY")
        first = asyncio.create_task(stub.work(1))
        await fault.happened()
        second = asyncio.create_task(stub.work(2))
        await asyncio.sleep(0)
        fault.release()
        assert await first == 1
        assert await second == 2


async def test_a_delayed_request_arrives_when_its_time_has_come() -> None:
    faults, worker = Faults(), Worker()
    with FakeClock() as clock:
        async with local_pair(worker, faults=faults) as client:
            stub = await client.client(Worker)
            faults.delay("REQUEST", 2.0)
            call = asyncio.create_task(stub.work(1))
            await clock.advance(1.9)
            assert worker.calls == 0
            await clock.advance(0.2)
            assert await call == 1


@pytest.mark.parametrize("kind", ["REQUEST", "REPLY"])
async def test_a_cut_connection_is_unavailable(kind: str) -> None:
    faults = Faults()
    async with local_pair(Worker(), faults=faults) as client:
        stub = await client.client(Worker)
        faults.cut(kind)
        with pytest.raises(UnavailableError, match="cut"):
            await stub.work(1)


async def test_a_stream_that_is_cut_gives_what_came_and_then_an_error() -> None:
    faults = Faults()
    received: list[int] = []
    async with local_pair(Worker(), faults=faults) as client:
        stub = await client.client(Worker)
        faults.cut("ITEM", nth=4)
        with pytest.raises(UnavailableError):
            await _collect(stub.count(10), received)
    assert received == [0, 1, 2]


async def _collect(items: AsyncIterator[int], into: list[int]) -> None:
    async for item in items:
        into.append(item)  # noqa: PERF401  # each is kept also when the next one fails


async def test_a_handler_is_cancelled_when_its_connection_is_cut() -> None:
    faults, worker = Faults(), Worker()
    async with local_pair(worker, faults=faults) as client:
        stub = await client.client(Worker)
        hanging = asyncio.create_task(stub.hang())
        await worker.started.wait()
        faults.cut("REPLY")
        with pytest.raises(UnavailableError):
            await stub.work()
        with pytest.raises(UnavailableError):
            await hanging
        await worker.ended.wait()


async def test_a_deadline_is_met_to_the_second_without_waiting() -> None:
    worker = Worker()
    with FakeClock() as clock:
        async with local_pair(worker) as client:
            stub = await client.client(Worker)
            assert await stub.left.with_options(timeout=3600)() == pytest.approx(3600)
            hanging = asyncio.create_task(stub.hang.with_options(timeout=3600)())
            await worker.started.wait()
            await clock.advance(3599)
            assert not hanging.done()
            await clock.advance(1)
            with pytest.raises(DeadlineExceededError):
                await hanging
            await worker.ended.wait()


async def test_a_peer_that_stops_answering_is_found_dead() -> None:
    faults = Faults()
    with FakeClock() as clock:
        async with local_pair(Worker(), faults=faults) as client:
            stub = await client.client(Worker)
            fault = faults.hold("PONG", side="server")
            hanging = asyncio.create_task(stub.hang())
            await clock.advance(20)
            with pytest.raises(UnavailableError, match="no sign of life"):
                await hanging
            fault.release()


async def test_limits_back_off_and_circuits_follow_the_clock() -> None:
    worker, faults = Worker(), Faults()
    breaker = CircuitBreaker(1)
    with FakeClock() as clock:
        async with local_pair(
            worker,
            faults=faults,
            interceptors=[RateLimit(1)],
            client_interceptors=[breaker, Retry(codes=())],
        ) as client:
            stub = await client.client(Worker)
            assert await stub.work() == 0
            with pytest.raises(ResourceExhaustedError):
                await stub.work()
            await clock.advance(1)
            assert await stub.work() == 0
            faults.drop("REPLY")
            await clock.advance(1)
            lost = asyncio.create_task(stub.work.with_options(timeout=1)())
            await clock.advance(1)
            with pytest.raises(DeadlineExceededError):
                await lost
            with pytest.raises(UnavailableError, match="not called"):
                await stub.work()
            await clock.advance(5)
            assert await stub.work() == 0


async def test_a_retry_waits_as_long_as_the_server_asks() -> None:
    worker = Worker()
    with FakeClock() as clock:
        async with local_pair(
            worker,
            interceptors=[RateLimit(0.1)],
            client_interceptors=[Retry(codes=[ResourceExhaustedError.status])],
        ) as client:
            stub = await client.client(Worker)
            assert await stub.work(1) == 1
            again = asyncio.create_task(stub.work(2))
            await clock.advance(9)
            assert worker.calls == 1
            await clock.advance(1.1)
            assert await again == 2


SOON = Reconnect(first_seconds=0.01, most_seconds=0.1)


async def test_over_quic_a_dropped_reply_is_a_deadline_for_its_caller_alone() -> None:
    faults, worker = Faults(), Worker()
    async with remote_pair(worker, faults=faults) as pair:
        stub = await pair.client.client(Worker)
        faults.drop("REPLY", side="server", nth=2)
        assert await stub.work(1) == 1
        with pytest.raises(DeadlineExceededError):
            await stub.work.with_options(timeout=0.2)(2)
        assert await stub.work(3) == 3
        assert worker.calls == 3


async def test_over_quic_a_held_request_arrives_when_it_is_released() -> None:
    faults, worker = Faults(), Worker()
    async with remote_pair(worker, faults=faults) as pair:
        stub = await pair.client.client(Worker)
        fault = faults.hold("REQUEST", side="client")
        first = asyncio.create_task(stub.work(1))
        await fault.happened()
        second = asyncio.create_task(stub.work(2))
        await asyncio.sleep(0)
        assert worker.calls == 0
        fault.release()
        assert [await first, await second] == [1, 2]


async def test_over_quic_a_cut_ends_calls_at_both_ends_and_the_client_comes_back() -> None:
    faults, worker = Faults(), Worker()
    async with remote_pair(worker, faults=faults, reconnect=SOON) as pair:
        stub = await pair.client.client(Worker)
        hanging = asyncio.create_task(stub.hang())
        await worker.started.wait()
        received: list[int] = []
        faults.cut("ITEM", nth=4)
        with pytest.raises(UnavailableError, match="cut"):
            await _collect(stub.count(10), received)
        assert received == [0, 1, 2]
        with pytest.raises(UnavailableError):
            await hanging
        await worker.ended.wait()
        assert await stub.work.with_options(timeout=60)(5) == 5


async def test_over_quic_a_server_that_closes_is_seen_through_faults_that_never_happen() -> None:
    faults, worker = Faults(), Worker()
    async with remote_pair(worker, faults=faults, reconnect=None) as pair:
        stub = await pair.client.client(Worker)
        hanging = asyncio.create_task(stub.hang())
        await worker.started.wait()
        await pair.server.close()
        with pytest.raises(UnavailableError, match="the server was closed"):
            await hanging


async def test_clients_with_credentials_and_of_any_server_have_faults_too() -> None:
    faults = Faults()
    async with gated_pair(Worker()) as pair:
        client = await pair.enroll(faults=faults)
        faults.drop("REPLY")
        with pytest.raises(DeadlineExceededError):
            await (await client.client(Worker)).work.with_options(timeout=0.2)()
    config = AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled")
    async with (
        AsterServer([Worker()], config=config, allow_all_consumers=True) as server,
        FaultyClient(faults, address=server.address, config=config) as other,
    ):
        faults.cut("REQUEST")
        with pytest.raises(UnavailableError, match="cut"):
            await (await other.client(Worker)).work()
