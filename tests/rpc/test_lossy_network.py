"""Calls over a network that loses and delays packets."""

import asyncio

from tests.rpc.messages import Ask, Greeter
from tests.transport.faulty_relay import faulty_relay

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer


async def test_every_call_is_answered_once_on_a_lossy_and_slow_network() -> None:
    async with faulty_relay(loss=0.03, delay=0.01) as relay:
        config = AsterConfig(relay_mode=relay.url, clear_ip_transports=True)
        greeter = Greeter()
        greeter.release.set()
        async with (
            AsterServer([greeter], config=config) as server,
            AsterClient(address=server.address, config=config) as client,
        ):
            stub = await client.client(Greeter)
            answers = await asyncio.gather(*(stub.wait(Ask("x" * 2000)) for _ in range(300)))
        assert [answer.text for answer in answers] == ["released"] * 300
        assert relay.network.lost > 0
