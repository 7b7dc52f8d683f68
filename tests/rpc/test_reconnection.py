"""Clients whose connection is lost come back by themselves."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rpc.messages import Answer, Ask, Greeter

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.rpc import (
    AsterClient,
    AsterServer,
    DeadlineExceededError,
    FailedPreconditionError,
    PermissionDeniedError,
    Reconnect,
    RpcLimits,
    UnavailableError,
)
from aster.rpc.dialing import DialedPeer, Dialer
from aster.transport import shared
from aster.transport.address import parse_address
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.errors import BindFailed, CloseCode
from aster.transport.shared import lease_endpoint
from aster.trust.credential import credential_json, issue
from aster.trust.keys import SigningKey

KEY = SigningKey.generate().seed
SOON = Reconnect(first_seconds=0.01, most_seconds=0.1, give_up_seconds=60)
LIMITS = RpcLimits(handshake_seconds=2)
OWN = AsterConfig(bind_addr="127.0.0.1:0")


@asynccontextmanager
async def serving(
    greeter: Greeter, at: str = "127.0.0.1:0", root: SigningKey | None = None
) -> AsyncIterator[AsterServer]:
    """A server that can come back: same key, and the same port when ``at`` names it."""
    config = AsterConfig(
        secret_key=KEY,
        bind_addr=at,
        allow_all_consumers=root is None,
        root_pubkey=None if root is None else root.public,
    )
    async with await started(greeter, config) as server:
        yield server


async def started(greeter: Greeter, config: AsterConfig) -> AsterServer:
    """The bindings free a closed endpoint's port a little later, and say not when."""
    while True:
        server = AsterServer([greeter], config=config)
        try:
            await server.start()
        except BindFailed:
            await asyncio.sleep(0)
        else:
            return server


def place(server: AsterServer) -> str:
    [at] = [address for address in parse_address(server.address).direct if address.startswith("127.0.0.1:")]
    return at


async def test_a_client_comes_back_when_its_server_does() -> None:
    greeter = Greeter()
    async with serving(greeter) as server:
        at = place(server)
        client = AsterClient(address=server.address, config=OWN, limits=LIMITS, reconnect=SOON)
        stub = await client.client(Greeter)
        under_way = asyncio.create_task(stub.wait(Ask("x")))
        await greeter.started.wait()
    with pytest.raises(UnavailableError):
        await under_way
    waiting = [asyncio.create_task(stub.hello(Ask(str(number)), timeout=60)) for number in range(5)]
    async with serving(Greeter(), at):
        assert [(await call).text for call in waiting] == [f"hello {number}" for number in range(5)]
        await client.close()


async def test_a_call_without_a_server_ends_with_its_deadline() -> None:
    async with serving(Greeter()) as server:
        client = AsterClient(address=server.address, config=OWN, limits=LIMITS, reconnect=SOON)
        stub = await client.client(Greeter)
    with pytest.raises(DeadlineExceededError):
        await stub.hello(Ask("x"), timeout=0.05)
    await client.close()
    with pytest.raises(FailedPreconditionError, match="closed"):
        await stub.hello(Ask("x"))


async def test_a_client_that_gave_up_dials_afresh_at_the_next_call() -> None:
    impatient = Reconnect(first_seconds=0.01, most_seconds=0.01, give_up_seconds=0.01)
    limits = RpcLimits(handshake_seconds=0.2)
    async with serving(Greeter()) as server:
        at = place(server)
        client = AsterClient(address=server.address, config=OWN, limits=limits, reconnect=impatient)
        stub = await client.client(Greeter)
    with pytest.raises(UnavailableError):
        await stub.hello(Ask("x"))
    async with serving(Greeter(), at):
        assert await call_until_answered(stub) == Answer("hello x")
        await client.close()


async def call_until_answered(stub: Greeter) -> Answer:
    while True:
        try:
            return await stub.hello(Ask("x"))
        except UnavailableError:
            await asyncio.sleep(0)


async def test_a_server_that_drains_is_left_and_its_successor_called() -> None:
    greeter = Greeter()
    async with serving(greeter) as server:
        at = place(server)
        client = AsterClient(address=server.address, config=OWN, limits=LIMITS, reconnect=SOON)
        stub = await client.client(Greeter)
        under_way = asyncio.create_task(stub.wait(Ask("x")))
        await greeter.started.wait()
        draining = asyncio.create_task(server.drain(60))
        while client.current is not None:
            await asyncio.sleep(0)
        late = asyncio.create_task(stub.hello(Ask("late"), timeout=60))
        greeter.release.set()
        assert (await under_way).text == "released"
        await draining
    async with serving(Greeter(), at):
        assert (await late).text == "hello late"
        await client.close()


async def test_a_client_that_comes_back_shows_its_credential_again(tmp_path: Path) -> None:
    root, node = SigningKey.generate(), SigningKey.generate()
    file = tmp_path / "credential.json"
    later = int(time.time()) + 3600
    file.write_bytes(credential_json(issue(root, role="consumer", expires_at=later, attributes={"aster.role": "ops"})))
    config = AsterConfig(enrollment_credential_file=file, secret_key=node.seed, bind_addr="127.0.0.1:0")
    async with serving(Greeter(), root=root) as server:
        at = place(server)
        client = AsterClient(address=server.address, config=config, limits=LIMITS, reconnect=SOON)
        stub = await client.client(Greeter)
    greeter = Greeter()
    async with serving(greeter, at, root):
        await stub.hello(Ask("x"), timeout=60)
    assert greeter.seen is not None
    assert greeter.seen.attributes == {"aster.role": "ops"}
    async with serving(Greeter(), at, SigningKey.generate()):
        with pytest.raises(PermissionDeniedError):
            await stub.hello(Ask("x"), timeout=60)
        await client.close()


async def test_reconnecting_by_hand_works_with_and_without_a_connection() -> None:
    greeter = Greeter()
    async with serving(greeter) as server:
        client = AsterClient(address=server.address, config=OWN, limits=LIMITS, reconnect=None)
        stub = await client.client(Greeter)
        first = client.current
        under_way = asyncio.create_task(stub.wait(Ask("x")))
        await greeter.started.wait()
        await client.reconnect()
        with pytest.raises(UnavailableError):
            await under_way
        assert client.current is not first
        assert client.current is not None
        client.current.close(CloseCode.DONE, "lost, for the test")
        with pytest.raises(UnavailableError):
            await stub.hello(Ask("x"))
        await client.reconnect()
        assert (await stub.hello(Ask("x"))).text == "hello x"
        await client.close()
        with pytest.raises(FailedPreconditionError):
            await client.reconnect()


async def test_a_client_closed_amid_dialling_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    async with serving(Greeter()) as server:
        client = AsterClient(address=server.address, config=OWN, limits=LIMITS, reconnect=SOON)
        stub = await client.client(Greeter)
    waiting = asyncio.create_task(stub.hello(Ask("x")))
    while client._dialling is None:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(UnavailableError, match="closed"):
        await waiting
    assert asyncio.all_tasks() == before
    assert client._lanes == set()


@given(first=st.floats(0.001, 10), most=st.floats(0.001, 100))
def test_pauses_double_up_to_the_longest_and_are_never_longer(first: float, most: float) -> None:
    pauses = Reconnect(first, most).pauses()
    for attempt, pause in enumerate(itertools.islice(pauses, 20)):
        assert 0 <= pause <= min(most, first * 2**attempt)


def test_two_clients_do_not_come_back_in_step() -> None:
    ours, theirs = (list(itertools.islice(Reconnect().pauses(), 10)) for _ in range(2))
    assert ours != theirs


def test_back_off_that_can_not_be_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="most_seconds"):
        Reconnect(most_seconds=0)


def shared_here() -> list[object]:
    """Endpoints that somebody of this test still has; those of loops that have ended are nobody's."""
    loop = asyncio.get_running_loop()
    return [key for key in (*shared._endpoints, *shared._servers) if key[0] is loop]


async def test_clients_with_one_key_share_an_endpoint_until_the_last_leaves() -> None:
    settings = EndpointSettings(secret_key=KEY, bind_addr="127.0.0.1:0")
    one, two = await asyncio.gather(lease_endpoint(settings), lease_endpoint(settings))
    assert one.endpoint is two.endpoint
    other = await lease_endpoint(EndpointSettings(secret_key=KEY, bind_addr="127.0.0.1:0", local_discovery=True))
    assert other.endpoint is not one.endpoint
    await one.release()
    await one.release()
    assert two.endpoint.address().direct
    for lease in (two, other):
        await lease.release()
    assert shared_here() == []


async def test_clients_without_a_key_share_one_as_long_as_they_show_the_same() -> None:
    keyless = EndpointSettings(bind_addr="127.0.0.1:0")
    one, two, ops, edge = [await lease_endpoint(keyless, shown) for shown in (None, None, "ops", "edge")]
    assert one.endpoint is two.endpoint
    assert len({lease.endpoint.endpoint_id for lease in (one, ops, edge)}) == 3
    for lease in (one, two, ops, edge):
        await lease.release()
    assert shared_here() == []
    again = await lease_endpoint(keyless)
    assert again.endpoint.endpoint_id != one.endpoint.endpoint_id
    await again.release()


async def test_what_one_keyless_client_shows_admits_no_other(tmp_path: Path) -> None:
    root, file = SigningKey.generate(), tmp_path / "credential.json"
    file.write_bytes(credential_json(issue(root, role="consumer", expires_at=int(time.time()) + 3600)))
    async with serving(Greeter(), root=root) as server:
        enrolled = AsterConfig(enrollment_credential_file=file, bind_addr="127.0.0.1:0")
        async with (
            AsterClient(address=server.address, config=enrolled) as first,
            AsterClient(address=server.address, config=enrolled) as second,
        ):
            assert first.endpoint_id == second.endpoint_id
            stranger = AsterClient(address=server.address, config=OWN)
            with pytest.raises(PermissionDeniedError):
                await stranger.connect()
            await stranger.close()


async def test_a_node_that_serves_calls_from_its_own_endpoint_and_goes_on_without_it() -> None:
    async with serving(Greeter()) as other:
        config = AsterConfig(secret_key=SigningKey.generate().seed, bind_addr="127.0.0.1:0", allow_all_consumers=True)
        node = await started(Greeter(), config)
        client = AsterClient(address=other.address, config=config, limits=LIMITS, reconnect=SOON)
        stub = await client.client(Greeter)
        assert client._lease is not None
        assert client._lease.endpoint is node._endpoint
        async with AsterClient(address=node.address, config=OWN) as guest:
            assert (await (await guest.client(Greeter)).hello(Ask("a"))).text == "hello a"
        assert (await stub.hello(Ask("b"))).text == "hello b"
        await node.close()
        assert (await stub.hello(Ask("c"), timeout=60)).text == "hello c"
        assert client._lease.endpoint is not node._endpoint
        assert client.endpoint_id == node.endpoint_id
        await client.close()
    assert shared_here() == []


async def test_a_peer_that_was_dialled_is_dialled_again_when_it_comes_back() -> None:
    endpoint = await Endpoint.bind(EndpointSettings(bind_addr="127.0.0.1:0"))
    async with serving(Greeter()) as server:
        at = place(server)
        peer = DialedPeer(Dialer(endpoint, LIMITS), server.address, SOON)
        stub = await peer.client(Greeter)
        assert (await stub.hello(Ask("a"))).text == "hello a"
    with pytest.raises(DeadlineExceededError):
        await stub.hello(Ask("x"), timeout=0.05)
    async with serving(Greeter(), at):
        assert (await stub.hello(Ask("b"), timeout=60)).text == "hello b"
        await peer.close()
        with pytest.raises(FailedPreconditionError, match="closed"):
            await stub.hello(Ask("c"))
    await endpoint.close()


async def test_an_endpoint_that_can_not_be_bound_is_not_kept() -> None:
    taken = await Endpoint.bind(EndpointSettings(bind_addr="127.0.0.1:0"))
    [at] = [address for address in taken.address().direct if address.startswith("127.0.0.1:")]
    settings = EndpointSettings(secret_key=KEY, bind_addr=at)
    with pytest.raises(BindFailed):
        await lease_endpoint(settings)
    waiting = asyncio.create_task(lease_endpoint(EndpointSettings(secret_key=KEY, bind_addr="127.0.0.1:0")))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert shared_here() == []
    await taken.close()


async def test_two_clients_of_one_identity_call_over_one_endpoint() -> None:
    config = AsterConfig(secret_key=SigningKey.generate().seed, bind_addr="127.0.0.1:0")
    async with serving(Greeter()) as server, AsterClient(address=server.address, config=config) as first:
        async with AsterClient(address=server.address, config=config) as second:
            assert first._lease is not None
            assert second._lease is not None
            assert first._lease.endpoint is second._lease.endpoint
            await (await second.client(Greeter)).hello(Ask("x"))
        await (await first.client(Greeter)).hello(Ask("x"))
    assert shared_here() == []
