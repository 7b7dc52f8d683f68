import re
import socket

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from aster import AsterClient, AsterConfig, AsterServer, rpc, service
from aster.foundation.http.server import AddressUnavailable


class Ping(msgspec.Struct):
    pass


@service
class Pinger:
    @rpc
    async def ping(self, request: Ping) -> Ping:
        return request


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def config(port: int) -> AsterConfig:
    return AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled", health_port=port)


async def test_a_health_port_is_served_from_start_to_close() -> None:
    port = free_port()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        async with AsterServer(services=[Pinger()], config=config(port)):
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.get("/readyz")).json()["status"] == "ready"
            assert "aster_rpc_connections 0.0" in (await http.get("/metrics")).text
            assert (await http.get("/nothing")).status_code == 404
        with pytest.raises(httpx.ConnectError):
            await http.get("/healthz")


async def test_the_port_of_the_environment_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("ASTER_HEALTH_PORT", str(port))
    monkeypatch.setenv("ASTER_BIND_ADDR", "127.0.0.1:0")
    async with AsterServer(services=[Pinger()]), httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200


async def metrics(port: int, *, enable_monitoring: bool) -> str:
    watched = config(port).with_inline(enable_monitoring=enable_monitoring)
    async with AsterServer(services=[Pinger()], config=watched) as server, httpx.AsyncClient(trust_env=False) as http:
        async with AsterClient(address=server.address, config=AsterConfig(bind_addr="127.0.0.1:0")) as client:
            await (await client.client(Pinger)).ping(Ping())
            during = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
            peer = client.endpoint_id
        assert peer not in (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        return during.replace(peer, "PEER")


async def test_monitoring_shows_the_endpoint_and_the_paths_to_every_peer() -> None:
    text = await metrics(free_port(), enable_monitoring=True)
    numbers = {name: float(value) for name, value in re.findall(r"^(\S+) (\S+)$", text, re.MULTILINE)}
    assert numbers["aster_endpoint_socket_num_conns_opened"] >= 1
    [path] = [name.partition("{")[2] for name in numbers if name.startswith("aster_path_selected{")]
    assert 'kind="ip"' in path
    assert 'peer="PEER"' in path
    assert numbers["aster_path_sent_bytes_total{" + path] > 0
    assert numbers["aster_path_mtu_bytes{" + path] >= 1200
    assert numbers["aster_path_rtt_seconds{" + path] >= 0


async def test_without_monitoring_there_are_no_such_metrics() -> None:
    text = await metrics(free_port(), enable_monitoring=False)
    assert "aster_rpc_connections 1.0" in text
    assert "aster_endpoint_" not in text
    assert "aster_path_" not in text


@pytest.mark.parametrize("enable_monitoring", [False, True])
async def test_a_registry_of_the_hosts_shows_the_same_until_the_server_is_closed(*, enable_monitoring: bool) -> None:
    registry, port = CollectorRegistry(), free_port()
    watched = config(port).with_inline(enable_monitoring=enable_monitoring)
    async with AsterServer([Pinger()], config=watched, metrics=registry) as server, httpx.AsyncClient() as http:
        caller = AsterClient(address=server.address, config=AsterConfig(bind_addr="127.0.0.1:0"))
        await (await caller.client(Pinger)).ping(Ping())
        text = generate_latest(registry).decode()
        assert 'aster_rpc_handled_total{code="OK",method="ping",service="Pinger"} 1.0' in text
        assert "aster_rpc_connections 1.0" in text
        assert ("aster_path_selected" in text) is enable_monitoring
        page = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        assert set(re.findall(r"# TYPE (\S+)", page)) >= set(re.findall(r"# TYPE (\S+)", text))
        await caller.close()
    assert generate_latest(registry) == b""


async def test_monitoring_without_a_health_port_says_that_it_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with AsterServer(services=[Pinger()], config=config(0).with_inline(enable_monitoring=True)):
        pass
    assert "nothing is shown" in caplog.text


async def test_monitoring_on_a_client_is_said_to_show_nothing(caplog: pytest.LogCaptureFixture) -> None:
    local = AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled")
    async with AsterServer([Pinger()], config=local) as server:
        caplog.clear()
        asking = local.with_inline(enable_monitoring=True)
        async with AsterClient(address=server.address, config=asking):
            assert caplog.text.count("nothing is shown") == 1


async def test_a_busy_health_port_stops_the_start_and_frees_the_endpoint() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        server = AsterServer(services=[Pinger()], config=config(busy.getsockname()[1]))
        with pytest.raises(AddressUnavailable):
            await server.start()
