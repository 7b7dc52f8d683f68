"""Endpoints that meet at a relay of our own: through it only, and from there to a direct path."""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from tests.transport.network import ConnectProxy, sniffing
from tests.transport.relay.test_server import make_certificate

from aster.transport.address import NodeAddress
from aster.transport.endpoint import Connection, Endpoint, EndpointSettings
from aster.transport.errors import BindFailed, ConnectFailed, InvalidAddress
from aster.transport.proxy import HttpProxy, one_proxy, proxy_from_environment
from aster.transport.relay.server import RelayOptions, RelayServer

ALPN = b"aster-test/1"
LOOPBACK = "127.0.0.1:0"
ROOT = Path(__file__).resolve().parents[2]
SOMEBODY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@asynccontextmanager
async def relay_running(options: RelayOptions | None = None) -> AsyncIterator[RelayServer]:
    async with RelayServer(options or RelayOptions()) as relay:
        yield relay


@asynccontextmanager
async def bound(settings: EndpointSettings) -> AsyncIterator[Endpoint]:
    endpoint = await Endpoint.bind(settings)
    try:
        yield endpoint
    finally:
        await endpoint.close()


@asynccontextmanager
async def connected(
    server: Endpoint, client: Endpoint, address: NodeAddress
) -> AsyncIterator[tuple[Connection, Connection]]:
    """The dialling end first. Bytes have gone both ways."""

    async def accept() -> Connection:
        incoming = await server.accept()
        assert incoming is not None
        return await incoming.handshake(30)

    near, accepted = await asyncio.wait_for(asyncio.gather(client.connect(address, ALPN, 30), accept()), 60)
    pipe = await near.open_pipe()
    pipe.write(b"ping")
    far = await accepted.accept_pipe()
    answered = asyncio.Event()
    far.start(lambda data: far.write(data), lambda lost: None)
    pipe.start(lambda data: answered.set(), lambda lost: None)
    await asyncio.wait_for(answered.wait(), 30)
    yield near, accepted


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.02)


def by_relay(server: Endpoint) -> NodeAddress:
    """A server's address without its direct part."""
    return NodeAddress(server.endpoint_id, server.address().relay_url)


async def test_endpoints_meet_at_the_relay_and_move_to_a_direct_path() -> None:
    async with relay_running() as relay:
        settings = EndpointSettings((ALPN,), bind_addr=LOOPBACK, relay=relay.url)
        async with bound(settings) as server, bound(settings) as client:
            assert server.address().relay_url == relay.url
            async with connected(server, client, by_relay(server)) as (near, _):
                assert relay.statistics.frames > 0
                await until(lambda: any(path.kind == "ip" and path.is_selected for path in near.paths()))


async def test_a_token_in_the_relay_s_url_opens_it_and_is_told_to_nobody() -> None:
    async with relay_running(RelayOptions(tokens=(b"sesame",))) as relay:
        url = relay.url.replace("//", "//sesame@")
        settings = EndpointSettings((ALPN,), bind_addr=LOOPBACK, relay=url)
        async with bound(settings) as server, bound(settings) as client:
            assert "sesame" not in repr(settings)
            assert server.address().relay_url == relay.url
            async with connected(server, client, by_relay(server)):
                assert relay.statistics.clients == 2
        wrong = EndpointSettings((ALPN,), bind_addr=LOOPBACK, relay=relay.url.replace("//", "//other@"))
        async with bound(wrong):
            await until(lambda: relay.statistics.refused["token"] > 0)
            assert relay.statistics.accepted == 2


async def test_without_ip_transports_not_one_datagram_leaves_or_is_taken() -> None:
    async with relay_running() as relay, AsyncExitStack() as stack:
        try:
            sniffer = stack.enter_context(sniffing())
        except PermissionError:
            pytest.skip("raw sockets are not allowed here")
        sealed = EndpointSettings((ALPN,), relay=relay.url, relay_only=True)
        server = await stack.enter_async_context(bound(sealed))
        client = await stack.enter_async_context(bound(EndpointSettings(bind_addr=LOOPBACK, relay=relay.url)))
        assert server.address() == NodeAddress(server.endpoint_id, relay.url)
        own = {int(name.rpartition(":")[2]) for name in server._raw.bound_sockets()}
        peer_s = {int(name.rpartition(":")[2]) for name in client._raw.bound_sockets()}
        # The client is told the sealed sockets too, tries them, and gets nowhere.
        told = NodeAddress(server.endpoint_id, relay.url, tuple(server._raw.bound_sockets()))
        async with connected(server, client, told) as (near, far):
            seen: set[int] = set()

            def peer_tried() -> bool:
                seen.update(sniffer.sources())
                return bool(seen & peer_s)

            await until(peer_tried)
            for end in (near, far):
                assert [path.kind for path in end.paths() if path.is_selected] == ["relay"]
            assert not seen & own
        assert not sniffer.sources() & own


async def test_two_endpoints_without_ip_transports_talk_through_the_relay() -> None:
    async with relay_running() as relay:
        sealed = EndpointSettings((ALPN,), relay=relay.url, relay_only=True)
        async with bound(sealed) as server, bound(sealed) as client:
            async with connected(server, client, NodeAddress(server.endpoint_id)) as (near, _):
                assert [path.kind for path in near.paths()] == ["relay"]
            with pytest.raises(InvalidAddress, match="where the peer is"):
                async with bound(EndpointSettings()) as lonely:
                    await lonely.connect(NodeAddress(server.endpoint_id), ALPN, 30)


@pytest.mark.parametrize(
    "settings",
    [
        EndpointSettings(relay_only=True),
        EndpointSettings(relay_only=True, relay="http://127.0.0.1:1/", bind_addr=LOOPBACK),
    ],
)
async def test_what_leaves_no_way_or_contradicts_itself_is_refused(settings: EndpointSettings) -> None:
    with pytest.raises(BindFailed):
        await Endpoint.bind(settings)


async def test_a_loopback_address_is_the_only_one_that_is_bound_and_told() -> None:
    async with bound(EndpointSettings(bind_addr=LOOPBACK)) as endpoint:
        assert all(name.startswith(("127.0.0.1:", "[::1]:")) for name in endpoint._raw.bound_sockets())
        assert [name.rpartition(":")[0] for name in endpoint.address().direct] == ["127.0.0.1"]
    async with bound(EndpointSettings(bind_addr="[::1]:0")) as endpoint:
        assert all(name.startswith(("127.0.0.1:", "[::1]:")) for name in endpoint._raw.bound_sockets())
        assert [name.rpartition(":")[0] for name in endpoint.address().direct] == ["[::1]"]


async def test_relays_are_reached_through_the_proxy_with_its_credentials() -> None:
    credentials = base64.b64encode(b"user:pa ss").decode()
    async with relay_running(RelayOptions(tokens=(b"sesame",))) as relay, ConnectProxy(credentials) as proxy:
        settings = EndpointSettings(
            (ALPN,),
            relay=relay.url.replace("//", "//sesame@"),
            proxy=one_proxy(f"http://user:pa%20ss@127.0.0.1:{proxy.port}"),
            relay_only=True,
        )
        async with bound(settings) as server, bound(settings) as client:
            assert server.address().relay_url == relay.url
            async with connected(server, client, server.address()):
                assert relay.statistics.clients == 2
            assert set(proxy.asked) == {relay.url.removeprefix("http://").removesuffix("/")}
    assert "pa ss" not in repr(HttpProxy.parse("http://user:pa%20ss@127.0.0.1:1"))


async def test_a_proxy_that_refuses_leaves_no_way_around_it() -> None:
    async with relay_running() as relay, ConnectProxy("other") as proxy:
        settings = EndpointSettings((ALPN,), relay=relay.url, proxy=one_proxy(f"http://127.0.0.1:{proxy.port}"))
        async with bound(settings) as server:
            with pytest.raises(ConnectFailed):
                await server.connect(NodeAddress(SOMEBODY, relay.url), ALPN, 1)
            assert server.address().relay_url == relay.url
        assert relay.statistics.connections == 0
        assert proxy.asked == []


async def test_tls_to_a_relay_behind_a_proxy_is_checked_for_the_relay_s_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    options = RelayOptions(tls_certificate=str(certificate), tls_key=str(key))
    async with relay_running(options) as relay, ConnectProxy() as proxy:
        choice = one_proxy(f"http://127.0.0.1:{proxy.port}")
        async with bound(EndpointSettings((ALPN,), relay=relay.url, proxy=choice)):
            await until(lambda: len(proxy.asked) > 1)
            assert relay.statistics.accepted == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with bound(EndpointSettings((ALPN,), relay=relay.url, proxy=choice)):
            await until(lambda: relay.statistics.accepted == 1)


async def test_nobody_else_on_the_machine_uses_the_tunnel() -> None:
    async with relay_running() as relay, ConnectProxy() as proxy:
        settings = EndpointSettings((ALPN,), relay=relay.url, proxy=one_proxy(f"http://127.0.0.1:{proxy.port}"))
        async with bound(settings) as endpoint:
            [tunnel] = endpoint._relays._tunnels.values()
            await until(lambda: relay.statistics.clients == 1)
            asked = len(proxy.asked)
            port = int(tunnel.url.split(":")[2].split("/")[0])
            for head in (b"GET /relay HTTP/1.1", b"GET /relay?pass=x HTTP/1.1", b"POST /ping HTTP/1.1", b"CONNECT x"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(head + b"\r\nHost: x\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 403")
                writer.close()
            assert len(proxy.asked) == asked


def test_the_environment_s_proxies_are_chosen_by_scheme_and_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTPS_PROXY", "http://secure:3128")
    monkeypatch.setenv("http_proxy", "plain:3128")
    monkeypatch.setenv("NO_PROXY", "near.example, 127.0.0.1:99")
    choose = proxy_from_environment()
    assert choose("https://relay.example/") == HttpProxy("secure", 3128)
    assert choose("http://relay.example/") == HttpProxy("plain", 3128)
    assert choose("https://relay.near.example/") is None
    assert choose("http://127.0.0.1:99/") is None
    monkeypatch.delenv("HTTPS_PROXY")
    assert proxy_from_environment()("https://relay.example/") is None


@pytest.mark.parametrize("url", ["socks5://host:1080", "http://", "http://host:99999", "http://[::1"])
def test_proxies_that_can_t_be_used_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(BindFailed) as refused:
        one_proxy(url.replace("://", "://user:hunter2@"))
    assert "hunter2" not in str(refused.value)


NETWORK_CHANGE = """
import asyncio, subprocess
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.ip_seal import _datagram_sockets, _name
from aster.transport.relay.server import RelayOptions, RelayServer
from tests.transport.test_relayed import ALPN, by_relay, connected

def sockets(names):
    found = [handle for handle in _datagram_sockets()]
    kept = [handle for handle in found if _name(handle) in names]
    for handle in found:
        if handle not in kept:
            handle.close()
    return kept

async def main():
    async with RelayServer(RelayOptions()) as relay:
        sealed = EndpointSettings((ALPN,), relay=relay.url, relay_only=True)
        server, client = await Endpoint.bind(sealed), await Endpoint.bind(sealed)
        names = set(server._raw.bound_sockets()) | set(client._raw.bound_sockets())
        async with connected(server, client, by_relay(server)):
            pass
        before = len(sockets(names))
        for change in ("addr add 10.1.2.3/24 dev lo", "addr add 10.1.2.4/24 dev lo"):
            if subprocess.run(["ip", *change.split()], env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}).returncode:
                print("SKIP")
                return
        async with asyncio.timeout(60):
            while len(kept := sockets(names)) >= before:  # the bindings let go of theirs, to bind anew
                [handle.close() for handle in kept]
                await asyncio.sleep(0.05)
        async with connected(server, client, by_relay(server)):
            for handle in sockets(names):
                try:
                    handle.sendto(b"x", handle.getsockname())
                    print("OPEN", _name(handle))
                except BrokenPipeError:
                    print("SEALED")
        await client.close()
        await server.close()

asyncio.run(main())
"""


def test_the_sockets_stay_shut_when_the_network_changes() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ASTER_PRIVATE_NETWORK"}
    command = [sys.executable, "tools/private_network.py", sys.executable, "-W", "ignore", "-c", NETWORK_CHANGE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment, cwd=ROOT)
    if "SKIP" in ended.stdout or "no private network" in ended.stderr:
        pytest.skip("the network can't be changed here")
    assert ended.returncode == 0, ended.stderr
    assert "OPEN" not in ended.stdout
    assert ended.stdout.count("SEALED") >= 4
