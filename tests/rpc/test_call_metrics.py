"""What `/metrics` of a server says, scraped over HTTP, and what a client counts."""

import asyncio
import re
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.rpc.test_health import config, free_port

from aster.config import AsterConfig
from aster.rpc import (
    AsterClient,
    AsterServer,
    InternalError,
    InvalidArgumentError,
    LocalClient,
    NotFoundError,
    PermissionDeniedError,
    RpcLimits,
    UnimplementedError,
    rpc,
    server_stream,
    service,
)
from aster.rpc.builtin import is_reserved
from aster.rpc.interceptors import Metrics
from aster.trust.keys import SigningKey


@service
class Counted:
    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    @rpc
    async def ok(self, number: int = 0) -> int:
        return number

    @rpc
    async def broken(self) -> None:
        raise ValueError

    @rpc
    async def hold(self) -> None:
        self.entered.set()
        await self.release.wait()

    @rpc(requires="ops")
    async def guarded(self) -> None: ...

    @server_stream
    async def stream(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


@service("Counted")
class Stranger:
    @rpc
    async def made_up(self) -> None: ...

    @rpc
    async def ok(self, number: str) -> int: ...  # type: ignore[empty-body]  # only called from afar


@service("MadeUp")
class MadeUp:
    @rpc
    async def call(self) -> None: ...


def handled(page: str) -> dict[tuple[str, str, str], float]:
    """What was counted of services but the built-in ones, which every client asks."""
    found = re.findall(r'aster_rpc_handled_total{code="(\w+)",method="([^"]+)",service="([^"]+)"} (\S+)', page)
    return {(service, method, code): float(value) for code, method, service, value in found if not is_reserved(service)}


def value(page: str, name: str) -> float:
    [found] = re.findall(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return float(found)


@pytest.mark.usefixtures("unasked_contract")
async def test_every_call_is_counted_once_by_service_method_and_code() -> None:
    port = free_port()
    counted = Counted()
    async with (
        AsterServer([counted], config=config(port)) as server,
        AsterClient(address=server.address, config=AsterConfig(bind_addr="127.0.0.1:0")) as client,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        stub, stranger = await client.client(Counted), await client.client(Stranger)
        for number in range(3):
            await stub.ok(number)
        assert [n async for n in stub.stream(5)] == list(range(5))
        with pytest.raises(InternalError):
            await stub.broken()
        with pytest.raises(PermissionDeniedError):
            await stub.guarded()
        with pytest.raises(InvalidArgumentError):
            await stranger.ok("no number")
        with pytest.raises(UnimplementedError):
            await stranger.made_up()
        with pytest.raises(NotFoundError):
            await (await client.client(MadeUp)).call()
        running = asyncio.create_task(stub.hold())
        await counted.entered.wait()
        async with await client.open_session():
            page = (await http.get("/metrics")).text
        counted.release.set()
        await running
        done = (await http.get("/metrics")).text
    assert handled(page) == {
        ("Counted", "ok", "OK"): 3,
        ("Counted", "ok", "INVALID_ARGUMENT"): 1,
        ("Counted", "stream", "OK"): 1,
        ("Counted", "broken", "INTERNAL"): 1,
        ("Counted", "guarded", "PERMISSION_DENIED"): 1,
        ("(unknown)", "(unknown)", "UNIMPLEMENTED"): 1,
        ("(unknown)", "(unknown)", "NOT_FOUND"): 1,
    }
    assert value(page, 'aster_rpc_started_total{method="ok",service="Counted"}') == 4
    assert value(page, 'aster_rpc_in_flight{method="hold",service="Counted"}') == 1
    assert value(done, 'aster_rpc_in_flight{method="hold",service="Counted"}') == 0
    assert value(page, 'aster_rpc_seconds_count{code="OK",method="ok",service="Counted"}') == 3
    assert value(page, 'aster_rpc_seconds_count{code="INVALID_ARGUMENT",method="ok",service="Counted"}') == 1
    assert value(page, "aster_rpc_sessions") == 1
    assert value(page, "aster_rpc_connections") == 1
    assert value(page, "aster_rpc_accepted_total") == 1
    assert value(page, "aster_rpc_refused_total") == 0


@pytest.mark.usefixtures("unasked_contract")
async def test_names_that_strangers_make_up_add_no_series() -> None:
    port = free_port()
    async with (
        AsterServer([Counted()], config=config(port)) as server,
        AsterClient(address=server.address, config=AsterConfig(bind_addr="127.0.0.1:0")) as client,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        for number in range(20):

            @service(f"MadeUp{number}")
            class Other:
                @rpc
                async def call(self) -> None: ...

            with pytest.raises(NotFoundError):
                await (await client.client(Other)).call()
        page = (await http.get("/metrics")).text
    assert handled(page) == {("(unknown)", "(unknown)", "NOT_FOUND"): 20}
    assert "MadeUp" not in page


async def test_calls_that_are_cancelled_late_or_cut_off_end_too() -> None:
    port = free_port()
    counted = Counted()
    async with (
        AsterServer([counted], config=config(port), limits=RpcLimits(max_concurrent_calls=2)) as server,
        AsterClient(address=server.address, config=AsterConfig(bind_addr="127.0.0.1:0")) as client,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        stub = await client.client(Counted)
        with pytest.raises(Exception, match="no answer within"):
            await stub.hold.with_options(timeout=0.05)()
        await client.open_session()  # a round trip: the server has ended the call as well
        running = [asyncio.create_task(stub.hold()) for _ in range(3)]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running[0].cancel()
        await asyncio.wait(running[:1])
        await client.open_session()
        page = (await http.get("/metrics")).text
    codes = {code: count for (_, _, code), count in handled(page).items()}
    assert codes.pop("DEADLINE_EXCEEDED", 0) + codes.pop("CANCELLED", 0) == 2
    assert codes == {"RESOURCE_EXHAUSTED": 1}
    assert value(page, 'aster_rpc_in_flight{method="hold",service="Counted"}') == 1


async def test_two_servers_of_one_process_count_apart() -> None:
    ports = free_port(), free_port()
    async with (
        AsterServer([Counted()], config=config(ports[0])) as first,
        AsterServer([Counted()], config=config(ports[1])),
        AsterClient(address=first.address, config=AsterConfig(bind_addr="127.0.0.1:0")) as client,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        await (await client.client(Counted)).ok()
        pages = [(await http.get(f"http://127.0.0.1:{port}/metrics")).text for port in ports]
    assert [len(handled(page)) for page in pages] == [1, 0]


async def test_a_refused_peer_is_counted() -> None:
    port = free_port()
    peer = SigningKey.generate()
    config_of_peer = AsterConfig(bind_addr="127.0.0.1:0", secret_key=peer.seed)
    async with (
        AsterServer([Counted()], config=config(port)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        await server.deny(peer.public.hex())
        with pytest.raises(PermissionDeniedError):
            async with AsterClient(address=server.address, config=config_of_peer):
                pass
        page = (await http.get("/metrics")).text
    assert value(page, "aster_rpc_accepted_total") == 0
    assert value(page, "aster_rpc_refused_total") == 1


async def test_a_client_counts_in_a_registry_of_its_own() -> None:
    registry = CollectorRegistry()
    async with LocalClient([Counted()], client_interceptors=[Metrics(registry)]) as client:
        stub = await client.client(Counted)
        began = time.perf_counter()
        await stub.ok()
        assert [n async for n in stub.stream(2)] == [0, 1]
        with pytest.raises(InternalError):
            await stub.broken()
        passed = time.perf_counter() - began
    page = generate_latest(registry).decode()
    assert value(page, 'aster_rpc_client_handled_total{code="OK",method="stream",service="Counted"}') == 1
    assert value(page, 'aster_rpc_client_handled_total{code="INTERNAL",method="broken",service="Counted"}') == 1
    assert value(page, 'aster_rpc_client_in_flight{method="ok",service="Counted"}') == 0
    assert 0 < value(page, 'aster_rpc_client_seconds_sum{code="OK",method="ok",service="Counted"}') <= passed
