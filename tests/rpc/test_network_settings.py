"""The network settings of the configuration, on real servers and clients."""

import pytest
from tests.rpc.messages import Ask, Greeter
from tests.transport.network import ConnectProxy

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.rpc import AsterClient, AsterServer
from aster.transport.address import parse_address
from aster.transport.errors import BindFailed
from aster.transport.relay.server import RelayOptions, RelayServer

LOOPBACK = AsterConfig(bind_addr="127.0.0.1:0")
NOBODY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def greeter() -> Greeter:
    """One whose `wait` answers at once."""
    served = Greeter()
    served.release.set()
    return served


async def test_calls_go_through_the_relay_and_the_proxy_only_when_the_settings_say_so() -> None:
    async with RelayServer(RelayOptions(tokens=(b"sesame",))) as relay, ConnectProxy() as proxy:
        config = AsterConfig(
            relay_mode=relay.url.replace("//", "//sesame@"),
            clear_ip_transports=True,
            proxy_url=f"http://127.0.0.1:{proxy.port}",
        )
        async with AsterServer([greeter()], config=config) as server:
            address = parse_address(server.address)
            assert (address.relay_url, address.direct) == (relay.url, ())
            async with AsterClient(address=server.address, config=config) as client:
                assert (await (await client.client(Greeter)).wait(Ask("Ada"))).text == "released"
        assert relay.statistics.frames > 0
        assert proxy.asked


async def test_a_bare_endpoint_id_is_found_at_the_relay_that_both_use() -> None:
    async with RelayServer(RelayOptions()) as relay:
        config = AsterConfig(relay_mode=relay.url, bind_addr="127.0.0.1:0")
        async with (
            AsterServer([greeter()], config=config) as server,
            AsterClient(address=server.endpoint_id, config=config) as client,
        ):
            assert (await (await client.client(Greeter)).wait(Ask("Ada"))).text == "released"


async def test_a_bare_endpoint_id_that_nothing_can_find_fails_at_once_and_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="inline: the address does not say where") as refused:
        await AsterClient(address=NOBODY, config=LOOPBACK).connect()
    assert refused.value.hint is not None
    assert "aster1 ticket" in refused.value.hint


async def test_settings_that_leave_no_way_stop_the_start() -> None:
    with pytest.raises(BindFailed, match="neither"):
        await AsterServer([Greeter()], config=AsterConfig(clear_ip_transports=True)).start()
    with pytest.raises(ConfigError, match="inline: a proxy of kind 'socks5'"):
        await AsterServer([Greeter()], config=AsterConfig(proxy_url="socks5://user:hunter2@host:1")).start()
