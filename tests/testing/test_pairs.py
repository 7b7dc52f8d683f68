"""The harness, used as its users do."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from aster.rpc import (
    CallContext,
    FailedPreconditionError,
    PermissionDeniedError,
    SessionContext,
    per_session,
    rpc,
    server_stream,
    service,
)
from aster.testing import gated_pair, local_pair, remote_pair, session_pair


@service(requires="ops")
class Control:
    @rpc
    async def who(self) -> str:
        return CallContext.current().attributes.get("aster.role", "nobody")


@service
class Echo:
    @rpc
    async def echo(self, text: str) -> str:
        return text

    @rpc
    async def peer(self) -> str | None:
        return CallContext.current().peer

    @server_stream
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number


@service(scoped="session")
class Basket:
    def __init__(self, label: str = "") -> None:
        self.items: list[str] = []
        self.label = label

    @rpc
    async def add(self, item: str) -> list[str]:
        self.items.append(item)
        return [self.label, *self.items]


async def test_a_local_pair_calls_without_a_network() -> None:
    async with local_pair(Echo()) as client:
        stub = await client.client(Echo)
        assert await stub.echo("hello") == "hello"
        assert await stub.peer() is None


async def test_a_session_pair_is_a_stub_in_its_own_session() -> None:
    async with session_pair(Basket) as basket:
        await basket.add("milk")
        assert await basket.add("bread") == ["", "milk", "bread"]

    def make(session: SessionContext) -> Basket:
        return Basket(f"session {session.id}")

    async with session_pair(per_session(Basket, make)) as basket:
        assert await basket.add("milk") == ["session 1", "milk"]


async def test_a_remote_pair_has_two_real_endpoints() -> None:
    async with remote_pair(Echo()) as pair:
        stub = await pair.client.client(Echo)
        assert await stub.echo("hello") == "hello"
        peer = await stub.peer()
        assert peer is not None
        assert peer != pair.server.endpoint_id


async def test_a_gated_pair_admits_who_is_enrolled_with_what_they_were_given() -> None:
    async with gated_pair(Control()) as pair:
        ops, reader = await pair.enroll("ops", "admin"), await pair.enroll("reader")
        assert await (await ops.client(Control)).who() == "ops,admin"
        with pytest.raises(PermissionDeniedError, match="needs the role ops"):
            await (await reader.client(Control)).who()
        stranger = pair.stranger()
        with pytest.raises(PermissionDeniedError, match="did not admit"):
            await stranger.connect()
        await stranger.close()


async def test_what_a_pair_made_is_closed_after_it() -> None:
    async with gated_pair(Control()) as pair:
        stub = await (await pair.enroll("ops")).client(Control)
        await stub.who()
    with pytest.raises(FailedPreconditionError, match="the client was closed"):
        await stub.who()
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
