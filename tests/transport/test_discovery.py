"""Local discovery: its messages, and endpoints that find each other by key alone."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from aster.transport.address import NodeAddress
from aster.transport.discovery import multicast
from aster.transport.discovery.local import Responder, find, is_genuine
from aster.transport.discovery.messages import (
    MAX_ADDRESSES,
    QUERY_BYTES,
    Answer,
    Query,
    answer_message,
    answer_to_sign,
    parse_message,
    query_message,
)
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.errors import BindFailed, ConnectFailed, FramingError

ALPN = b"aster-test/1"
LOOPBACK = "127.0.0.1:0"
NONCE = bytes(16)
SOCKETS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}"),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 65535)).map(lambda pair: f"[{pair[0]}]:{pair[1]}"),
)


class Node:
    """A key, without an endpoint."""

    def __init__(self) -> None:
        self.secret = Ed25519PrivateKey.generate()
        self.key = self.secret.public_key().public_bytes_raw()

    def answer(self, query: Query, *addresses: str, seconds: int = 30) -> bytes:
        signed = answer_to_sign(query, seconds, addresses)
        return answer_message(signed, self.secret.sign(signed))


@asynccontextmanager
async def bound(wanted: EndpointSettings) -> AsyncIterator[Endpoint]:
    endpoint = await Endpoint.bind(wanted)
    try:
        yield endpoint
    finally:
        await endpoint.close()


@contextmanager
def listening() -> Iterator[list[socket.socket]]:
    handles = multicast.listening_sockets(multicast.interfaces())
    try:
        yield handles
    finally:
        for handle in handles:
            handle.close()


@given(st.lists(SOCKETS, max_size=MAX_ADDRESSES), st.integers(1, 300))
def test_an_answer_says_what_was_signed_and_is_smaller_than_its_question(addresses: list[str], seconds: int) -> None:
    node = Node()
    query = Query(node.key, NONCE)
    data = node.answer(query, *addresses, seconds=seconds)
    assert len(data) <= len(query_message(query)) == QUERY_BYTES
    answer = parse_message(data)
    assert isinstance(answer, Answer)
    assert (answer.key, answer.nonce, answer.seconds) == (node.key, NONCE, seconds)
    assert list(answer.addresses) == addresses
    assert parse_message(query_message(query)) == query


@given(st.binary(max_size=600))
def test_anything_else_is_a_framing_error(data: bytes) -> None:
    for each in (data, b"asterlan\x01" + data):
        with suppress(FramingError):
            parse_message(each)


@settings(deadline=None)
@given(st.data())
def test_a_changed_answer_is_not_genuine(data: st.DataObject) -> None:
    node = Node()
    genuine = node.answer(Query(node.key, NONCE), "10.0.0.1:1", "[fe80::1]:2")
    answer = parse_message(genuine)
    assert isinstance(answer, Answer)
    assert is_genuine(answer)
    position = data.draw(st.integers(0, len(genuine) - 1))
    changed = bytearray(genuine)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        other = parse_message(bytes(changed))
    except FramingError:
        return
    assert not (isinstance(other, Answer) and is_genuine(other))


@pytest.mark.parametrize("address", [LOOPBACK, "[::1]:0", None])
async def test_a_bare_key_is_found_on_the_same_network_and_called(address: str | None) -> None:
    if not socket.if_nameindex():
        pytest.skip("no interfaces")
    async with (
        bound(EndpointSettings((ALPN,), bind_addr=address, local_discovery=True)) as server,
        bound(EndpointSettings(bind_addr=address, local_discovery=True)) as client,
    ):
        if not server.address().direct:
            pytest.skip("loopback alone is told to nobody")

        async def accept() -> str:
            incoming = await server.accept()
            assert incoming is not None
            return (await incoming.handshake(30)).peer_id

        dialling = client.connect(NodeAddress(server.endpoint_id), ALPN, 30)
        connection, peer = await asyncio.wait_for(asyncio.gather(dialling, accept()), 60)
        assert (connection.peer_id, peer) == (server.endpoint_id, client.endpoint_id)


async def test_who_does_not_answer_is_not_there_and_off_is_off() -> None:
    async with (
        bound(EndpointSettings((ALPN,), bind_addr=LOOPBACK)) as silent,
        bound(EndpointSettings(bind_addr=LOOPBACK, local_discovery=True)) as client,
    ):
        with pytest.raises(ConnectFailed, match="nobody on this network"):
            await client.connect(NodeAddress(silent.endpoint_id), ALPN, 0.3)


async def test_a_stranger_s_answer_and_a_recorded_one_count_for_nothing() -> None:
    node, stranger = Node(), Node()
    loop = asyncio.get_running_loop()
    told = 0

    def lie(handle: socket.socket) -> None:
        nonlocal told
        data, sender = handle.recvfrom(2048)
        query = parse_message(data)
        assert isinstance(query, Query)
        signed = answer_to_sign(query, 30, ["10.6.6.6:666"])
        handle.sendto(answer_message(signed, stranger.secret.sign(signed)), sender)
        handle.sendto(node.answer(Query(query.key, NONCE), "10.6.6.6:666"), sender)
        handle.sendto(stranger.answer(Query(stranger.key, query.nonce), "10.6.6.6:666"), sender)
        handle.sendto(b"noise", sender)
        told += 1

    with listening() as handles:
        for handle in handles:
            loop.add_reader(handle, lie, handle)
        assert await find(node.key, 0.5) is None
        for handle in handles:
            loop.remove_reader(handle)
    assert told > 0


async def test_a_flood_of_questions_gets_a_bounded_number_of_answers() -> None:
    node = Node()
    signatures = 0

    def sign(message: bytes) -> bytes:
        nonlocal signatures
        signatures += 1
        return node.secret.sign(message)

    responder = Responder(node.key, sign, lambda: ["127.0.0.1:1"])
    responder.start()
    try:
        [asking, *others] = multicast.asking_sockets()
        for _ in range(500):
            multicast.send_to_group(asking, query_message(Query(node.key, NONCE)))
            await asyncio.sleep(0)
        for handle in (asking, *others):
            handle.close()
        assert 0 < signatures < 100
    finally:
        responder.close()


async def test_relay_only_endpoints_have_nothing_to_tell() -> None:
    sealed = EndpointSettings((ALPN,), relay="http://127.0.0.1:1/", relay_only=True, local_discovery=True)
    with pytest.raises(BindFailed, match="local discovery"):
        await Endpoint.bind(sealed)
