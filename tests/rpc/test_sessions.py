"""Session-scoped services: one instance a session, one call at a time in each, closed at the end."""

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
    CancelledError,
    FailedPreconditionError,
    InternalError,
    LocalClient,
    NotFoundError,
    ResourceExhaustedError,
    RpcLimits,
    ServiceDefinitionError,
    SessionContext,
    UnavailableError,
    per_session,
    rpc,
    server_stream,
    service,
)
from aster.rpc.stub import Caller

LOOPBACK = AsterConfig(bind_addr="127.0.0.1:0")


class Journal:
    """What happened to the instances of one test."""

    def __init__(self) -> None:
        self.made: list[SessionContext] = []
        self.closed: list[SessionContext] = []
        self.one_closed = asyncio.Event()
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.inside = 0
        self.most_inside = 0


@service(scoped="session")
class Counter:
    def __init__(self, journal: Journal, session: SessionContext) -> None:
        self.journal = journal
        self.session = session
        self.count = 0
        journal.made.append(session)

    @rpc
    async def add(self, by: int = 1) -> int:
        self.count += by
        return self.count

    @rpc
    async def hold(self) -> int:
        journal = self.journal
        journal.inside += 1
        journal.most_inside = max(journal.most_inside, journal.inside)
        journal.entered.set()
        try:
            await journal.release.wait()
        finally:
            journal.inside -= 1
        self.count += 1
        return self.count

    @rpc
    async def where(self, context: CallContext) -> list[int | bool | None]:
        assert CallContext.current() is context
        return [context.session_id, context.is_streaming]

    @server_stream
    async def count_up(self, to: int) -> AsyncIterator[int]:
        assert CallContext.current().session_id == self.session.id
        assert CallContext.current().is_streaming
        for _ in range(to):
            self.count += 1
            yield self.count

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.journal.closed.append(self.session)
        self.journal.one_closed.set()


@service
class Shared:
    @rpc
    async def ping(self) -> str:
        assert CallContext.current().session_id is None
        return "pong"


@pytest.fixture
def journal() -> Journal:
    return Journal()


def counters(journal: Journal) -> object:
    return per_session(Counter, lambda session: Counter(journal, session))


async def test_every_session_has_an_instance_of_its_own(journal: Journal) -> None:
    async with LocalClient([counters(journal), Shared()], peer="ab" * 32, attributes={"a": "b"}) as client:
        mine = await client.client(Counter)
        assert [await mine.add(), await mine.add(5)] == [1, 6]
        async with await client.open_session() as session, await client.open_session() as other:
            theirs = await session.client(Counter)
            again = await session.client(Counter)
            assert [await theirs.add(), await again.add(), await (await other.client(Counter)).add()] == [1, 2, 1]
            assert [value async for value in theirs.count_up(2)] == [3, 4]
            assert [await mine.where(), await theirs.where()] == [[0, False], [1, False]]
        assert await mine.add() == 7
        assert await (await client.client(Shared)).ping() == "pong"
    assert [made.id for made in journal.made] == [0, 1, 2]
    assert {(made.peer, made.attributes["a"]) for made in journal.made} == {("ab" * 32, "b")}
    assert sorted(closed.id for closed in journal.closed) == [0, 1, 2]


async def test_calls_of_one_session_run_one_after_the_other_and_sessions_side_by_side(journal: Journal) -> None:
    async with LocalClient([counters(journal)]) as client:
        mine = await client.client(Counter)
        first = asyncio.create_task(mine.hold())
        await journal.entered.wait()
        second, third = asyncio.create_task(mine.add(10)), asyncio.create_task(mine.hold())
        async with await client.open_session() as session:
            assert await (await session.client(Counter)).add() == 1
            assert not second.done()
            journal.release.set()
            assert list(await asyncio.gather(first, second, third)) == [1, 11, 12]
    assert journal.most_inside == 1


async def test_a_stream_holds_its_session_until_it_is_left(journal: Journal) -> None:
    async with LocalClient([counters(journal)], limits=RpcLimits(stream_window_items=2)) as client:
        mine = await client.client(Counter)
        async with aclosing(mine.count_up(1000)) as values:
            assert await anext(values) == 1
            waiting = asyncio.create_task(mine.add(0))
            assert await anext(values) == 2
            assert not waiting.done()
        assert await waiting < 1000


async def test_a_waiting_call_that_is_cancelled_never_runs(journal: Journal) -> None:
    async with LocalClient([counters(journal)]) as client:
        mine = await client.client(Counter)
        first = asyncio.create_task(mine.hold())
        await journal.entered.wait()
        second = asyncio.create_task(mine.add(100))
        await asyncio.sleep(0)
        second.cancel()
        await client.open_session()  # a round trip: the server has read the cancellation
        journal.release.set()
        assert await first == 1
        assert await mine.add() == 2


async def test_closing_a_session_cancels_its_calls_and_closes_its_instances(journal: Journal) -> None:
    async with LocalClient([counters(journal)]) as client:
        session = await client.open_session()
        stub = await session.client(Counter)
        running = asyncio.create_task(stub.hold())
        await journal.entered.wait()
        await session.close()
        await session.close()
        with pytest.raises(CancelledError):
            await running
        await journal.one_closed.wait()
        with pytest.raises(FailedPreconditionError, match="the session is closed"):
            await stub.add()
        assert journal.inside == 0
        assert [closed.id for closed in journal.closed] == [1]


async def test_one_session_too_many_is_refused_until_another_is_left(journal: Journal) -> None:
    async with LocalClient([counters(journal)], limits=RpcLimits(max_sessions=2)) as client:
        assert await (await client.client(Counter)).add() == 1
        first, second = await client.open_session(), await client.open_session()
        with pytest.raises(ResourceExhaustedError, match="more than 2 sessions"):
            await client.open_session()
        await first.close()
        third = await client.open_session()
        assert await (await third.client(Counter)).add() == 1
        assert await (await second.client(Counter)).add() == 1


async def test_a_session_costs_no_method_numbers_for_ever(journal: Journal) -> None:
    async with LocalClient([counters(journal)], limits=RpcLimits(max_methods=3)) as client:
        for _ in range(10):
            async with await client.open_session() as session:
                assert await (await session.client(Counter)).add() == 1


class Elsewhere(Caller):
    """Calls in a session that was not opened."""

    def __init__(self, client: Caller, session: int) -> None:
        self._client = client
        self.session = session

    async def connection(self) -> Any:
        return await self._client.connection()


async def test_a_session_that_is_not_open_is_not_found_and_a_shared_service_has_no_sessions(journal: Journal) -> None:
    async with LocalClient([counters(journal), Shared()]) as client:
        with pytest.raises(NotFoundError, match="the session is not open"):
            await (await Elsewhere(client, 7).client(Counter)).add()
        with pytest.raises(FailedPreconditionError, match="shared by all sessions"):
            await (await Elsewhere(client, 7).client(Shared)).ping()
        async with await client.open_session() as session:
            with pytest.raises(FailedPreconditionError, match="'Shared' is shared by all sessions"):
                await session.client(Shared)
            with pytest.raises(FailedPreconditionError, match="opened by the client"):
                await session.open_session()


async def test_a_class_may_take_its_peer_or_its_session_or_nothing() -> None:
    @service(scoped="session")
    class ByPeer:
        def __init__(self, peer: str | None) -> None:
            self.peer = peer

        @rpc
        async def who(self) -> str | None:
            return self.peer

    @service(scoped="session")
    class BySession:
        def __init__(self, session: SessionContext, more: int = 1) -> None:
            self.session = session

        @rpc
        async def who(self) -> str | None:
            return self.session.peer

    @service(scoped="session")
    class Plain:
        @rpc
        async def who(self) -> str | None:
            return CallContext.current().peer

    async with LocalClient([ByPeer, BySession, Plain], peer="cd" * 32) as client:
        for kind in (ByPeer, BySession, Plain):
            stub: Any = await client.client(kind)
            assert await stub.who() == "cd" * 32


def test_what_can_not_be_made_once_a_session_is_an_error_when_it_is_served(journal: Journal) -> None:
    with pytest.raises(ServiceDefinitionError, match="its __init__ needs 'journal'") as caught:
        LocalClient([Counter])
    assert "per_session(Counter" in str(caught.value)
    with pytest.raises(ServiceDefinitionError, match="an instance can't be served"):
        LocalClient([Counter(journal, SessionContext(0))])
    with pytest.raises(ServiceDefinitionError, match="Shared is shared"):
        per_session(Shared, lambda session: Shared())


async def test_an_instance_that_can_not_be_made_fails_the_call_and_is_tried_again() -> None:
    tries = []

    async def make(session: SessionContext) -> Counter:
        tries.append(session)
        if len(tries) == 1:
            raise OSError("the database is away")
        return Counter(Journal(), session)

    async with LocalClient([per_session(Counter, make)]) as client:
        mine = await client.client(Counter)
        with pytest.raises(InternalError):
            await mine.add()
        assert await mine.add() == 1


async def test_a_close_hook_that_fails_does_not_keep_the_others_from_closing(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    @service(scoped="session")
    class Broken:
        @rpc
        async def ping(self) -> None: ...

        def on_session_close(self) -> None:
            raise OSError("no")

    async with LocalClient([counters(journal), Broken]) as client:
        await (await client.client(Counter)).add()
        await (await client.client(Broken)).ping()
    assert [closed.id for closed in journal.closed] == [0]
    assert "close hook failed" in caplog.text


async def test_a_session_ends_with_its_connection_over_quic(journal: Journal) -> None:
    async with AsterServer([counters(journal)], config=LOOPBACK) as server:
        async with AsterClient(address=server.address, config=LOOPBACK) as client:
            session = await client.open_session()
            stub = await session.client(Counter)
            assert await stub.add() == 1
        with pytest.raises(UnavailableError):
            await stub.add()
        await journal.one_closed.wait()
    assert journal.closed == journal.made
    assert journal.made[0].peer is not None


async def test_closing_the_server_waits_for_the_close_hooks(journal: Journal) -> None:
    server = AsterServer([counters(journal)], config=LOOPBACK)
    await server.start()
    async with AsterClient(address=server.address, config=LOOPBACK) as client:
        for _ in range(3):
            assert await (await (await client.open_session()).client(Counter)).add() == 1
        await server.close()
        assert len(journal.closed) == 3


async def test_a_thousand_sessions_at_once(journal: Journal) -> None:
    async with (
        AsterServer([counters(journal)], config=LOOPBACK) as server,
        AsterClient(address=server.address, config=LOOPBACK) as client,
    ):
        sessions = await asyncio.gather(*(client.open_session() for _ in range(1000)))
        stubs = await asyncio.gather(*(session.client(Counter) for session in sessions))
        for round_ in (1, 2):
            assert await asyncio.gather(*(stub.add() for stub in stubs)) == [round_] * 1000
        await asyncio.gather(*(session.close() for session in sessions))
        assert await (await client.client(Counter)).add() == 1
    assert len(journal.closed) == 1001


async def test_a_draining_server_opens_no_sessions(journal: Journal) -> None:
    async with (
        AsterServer([counters(journal)], config=LOOPBACK) as server,
        AsterClient(address=server.address, config=LOOPBACK) as client,
    ):
        stub = await client.client(Counter)
        running = asyncio.create_task(stub.hold())
        await journal.entered.wait()
        draining = asyncio.create_task(server.drain())
        with pytest.raises(UnavailableError):
            await _open_sessions_until_refused(client)
        journal.release.set()
        assert await running == 1
        await draining
    assert len(journal.closed) == len(journal.made)


async def _open_sessions_until_refused(client: AsterClient) -> None:
    while True:
        await client.open_session()
