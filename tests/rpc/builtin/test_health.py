import asyncio

import pytest
from tests.rpc.builtin.test_reflection import Vault
from tests.rpc.messages import Greeter

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer, LocalClient, NotFoundError, UnavailableError
from aster.rpc.builtin.health import AskHealth, Health, HealthStatus

LOOPBACK = AsterConfig(bind_addr="127.0.0.1:0")


async def test_a_server_that_drains_tells_its_watchers_and_ends_their_streams() -> None:
    async with (
        AsterServer([Greeter()], config=LOOPBACK) as server,
        AsterClient(address=server.address, reconnect=None) as client,
    ):
        health = await client.client(Health)
        assert (await health.check(AskHealth())).status is HealthStatus.SERVING
        first = asyncio.Event()
        seen = []

        async def watch() -> None:
            async for answer in health.watch(AskHealth("Greeter")):
                seen.append(answer.status)
                first.set()

        watching = asyncio.create_task(watch())
        await first.wait()
        await server.drain(grace_seconds=60)  # would take a minute if a watcher kept it
        await watching
        assert seen == [HealthStatus.SERVING, HealthStatus.DRAINING]
        with pytest.raises(UnavailableError):
            await health.check(AskHealth())


async def test_one_service_can_stop_serving_for_a_while() -> None:
    async with AsterServer([Greeter(), Vault()], config=LOOPBACK) as server:
        async with AsterClient(address=server.address) as client:
            health = await client.client(Health)
            watched = health.watch(AskHealth("Greeter"))
            assert (await anext(watched)).status is HealthStatus.SERVING
            server.health.set_serving("Greeter", False)
            assert (await anext(watched)).status is HealthStatus.NOT_SERVING
            assert (await health.check(AskHealth())).status is HealthStatus.NOT_SERVING
            server.health.set_serving("Greeter", True)
            assert (await anext(watched)).status is HealthStatus.SERVING
        with pytest.raises(NotFoundError):
            server.health.set_serving("Gretter", False)


async def test_the_health_of_what_a_caller_may_not_see_is_not_told() -> None:
    async with LocalClient([Greeter(), Vault()], attributes={}) as client:
        health = await client.client(Health)
        for hidden in ("Vault", "Nobody"):
            with pytest.raises(NotFoundError, match="no service"):
                await health.check(AskHealth(hidden))
