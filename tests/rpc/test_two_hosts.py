"""Machines on one network that know each other's key and nothing else, over IPv4 and over IPv6."""

import pytest
from tests.rpc.two_hosts import cable

SERVER = """
import asyncio
from aster.config import AsterConfig
from aster.rpc import AsterServer
from tests.rpc.messages import Greeter

async def main():
    config = AsterConfig(bind_addr=BIND, relay_mode="disabled", local_discovery=True, allow_all_consumers=True)
    async with AsterServer([Greeter()], config=config) as server:
        print(server.endpoint_id, flush=True)
        await server.serve()

asyncio.run(main())
"""

CLIENT = """
import asyncio, sys
from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.rpc import AsterClient
from tests.rpc.messages import Ask, Greeter

async def ask(endpoint_id, discovers):
    config = AsterConfig(bind_addr=BIND, relay_mode="disabled", local_discovery=discovers)
    async with AsterClient(address=endpoint_id, config=config) as client:
        return (await (await client.client(Greeter)).hello(Ask("ann"))).text

async def main():
    endpoint_id = (await asyncio.to_thread(sys.stdin.readline)).strip()
    for discovers in (False, True):
        try:
            print(await ask(endpoint_id, discovers), flush=True)
        except ConfigError:
            print("nowhere", flush=True)

asyncio.run(main())
"""

NETWORKS = {
    "IPv4": ("0.0.0.0:0", "10.77.0.1/24", "10.77.0.2/24"),
    "IPv6": ("[::]:0", "fd77::1/64", "fd77::2/64"),
}


@pytest.mark.parametrize("network", NETWORKS)
async def test_a_bare_key_is_found_on_another_machine_and_called(network: str) -> None:
    bind, ours, theirs = NETWORKS[network]
    bound = f"BIND = {bind!r}\n"
    async with cable(bound + SERVER, bound + CLIENT, ours, theirs) as (server, client):
        client.tell(await server.line())
        assert await client.line() == "nowhere", "without local discovery a key is no place"
        assert await client.line() == "hello ann"
