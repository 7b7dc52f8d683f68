"""Relays that end with the test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from tests.transport.relay.client import end_all

from aster.transport.relay.server import RelayOptions, RelayServer

StartRelay = Callable[[RelayOptions], Awaitable[RelayServer]]


@pytest.fixture
async def start_relay() -> AsyncIterator[StartRelay]:
    async with AsyncExitStack() as stack:

        async def start(options: RelayOptions) -> RelayServer:
            return await stack.enter_async_context(RelayServer(options))

        yield start
        await end_all()
