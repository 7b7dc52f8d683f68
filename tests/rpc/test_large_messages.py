"""Messages above 64 KiB, on streams of their own, in process and over real connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest
from tests.rpc.raw_peer import RawPeer, raw_in_process, raw_over_quic

from aster.config import AsterConfig
from aster.rpc import (
    AsterClient,
    AsterServer,
    DeadlineExceededError,
    LocalClient,
    ResourceExhaustedError,
    RpcLimits,
    StatusCode,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)
from aster.rpc.client_connection import ClientConnection
from aster.rpc.protocol.core import ServerProtocol
from aster.rpc.protocol.events import Failed, Replied
from aster.rpc.protocol.wire import FarBody
from aster.rpc.server_connection import ServerConnection
from aster.rpc.services import ServiceTable
from aster.rpc.stub import Caller
from aster.transport.errors import CloseCode, TransportError
from aster.transport.memory import MemoryPipe
from aster.transport.memory_streams import MemoryStreams
from aster.transport.side_streams import MAX_OPEN, OutgoingStream

LARGE = 300_000
SIZES = [10, LARGE, 20, 70_000, 2_000_000, 0, 30, LARGE]


class Blob(msgspec.Struct):
    data: bytes
    number: int = 0


@service
class Blobs:
    def __init__(self) -> None:
        self.begun = asyncio.Queue[int]()
        self.release = asyncio.Event()
        self.ended = asyncio.Event()

    @rpc
    async def echo(self, blob: Blob) -> Blob:
        return blob

    @rpc
    async def hold(self, blob: Blob) -> Blob:
        self.begun.put_nowait(len(blob.data))
        try:
            await self.release.wait()
        finally:
            self.ended.set()
        return Blob(b"", len(blob.data))

    @rpc
    async def make(self, blob: Blob) -> Blob:
        return Blob(bytes(blob.number))

    @server_stream
    async def make_many(self, blob: Blob) -> AsyncIterator[Blob]:
        for _ in range(3):
            yield Blob(bytes(blob.number))

    @server_stream
    async def download(self, blob: Blob) -> AsyncIterator[Blob]:
        for number, size in enumerate(SIZES):
            yield Blob(bytes(size), number + len(blob.data))

    @client_stream
    async def upload(self, blobs: AsyncIterator[Blob]) -> Blob:
        sizes = [len(blob.data) async for blob in blobs]
        return Blob(repr(sizes).encode())

    @client_stream
    async def upload_unread(self, blobs: AsyncIterator[Blob]) -> Blob:
        await self.release.wait()
        return Blob(b"")

    @bidi_stream
    async def mirror(self, blobs: AsyncIterator[Blob]) -> AsyncIterator[Blob]:
        async for blob in blobs:
            yield blob


def over_quic(blobs: Blobs, limits: RpcLimits) -> AbstractAsyncContextManager[Caller]:
    @asynccontextmanager
    async def connect() -> AsyncIterator[Caller]:
        config = AsterConfig(allow_all_consumers=True, bind_addr="127.0.0.1:0")
        server = AsterServer([blobs], config=config, limits=limits)
        async with server, AsterClient(address=server.address, limits=limits) as client:
            yield client

    return connect()


def in_process(blobs: Blobs, limits: RpcLimits) -> AbstractAsyncContextManager[Caller]:
    return LocalClient([blobs], limits=limits)


Connect = Callable[[Blobs, RpcLimits], AbstractAsyncContextManager[Caller]]
CONNECT = pytest.mark.parametrize("connect", [in_process, over_quic])
ConnectRaw = Callable[[object, RpcLimits], AbstractAsyncContextManager[RawPeer]]
CONNECT_RAW = pytest.mark.parametrize("connect", [raw_in_process, raw_over_quic])
DEFAULT = RpcLimits()


async def blobs_of(sizes: list[int]) -> AsyncIterator[Blob]:
    for number, size in enumerate(sizes):
        yield Blob(bytes(size), number)


async def write_for_ever(stream: OutgoingStream) -> None:
    while True:
        await stream.write(bytes(1000))
        await asyncio.sleep(0)


@CONNECT
async def test_large_requests_and_answers_arrive_whole(connect: Connect) -> None:
    async with connect(Blobs(), DEFAULT) as client:
        stub = await client.client(Blobs)
        blobs = [Blob(number.to_bytes(4, "big") * (size // 4), number) for number, size in enumerate(SIZES)]
        assert await asyncio.gather(*(stub.echo(blob) for blob in blobs)) == blobs


@CONNECT
async def test_more_large_calls_than_streams_all_succeed(connect: Connect) -> None:
    async with connect(Blobs(), RpcLimits(body_streams=2)) as client:
        stub = await client.client(Blobs)
        answers = await asyncio.gather(*(stub.echo(Blob(bytes(LARGE), number)) for number in range(MAX_OPEN + 50)))
        assert [(len(answer.data), answer.number) for answer in answers] == [
            (LARGE, number) for number in range(MAX_OPEN + 50)
        ]


@CONNECT
async def test_streams_of_small_and_large_messages_keep_their_order(connect: Connect) -> None:
    async with connect(Blobs(), DEFAULT) as client:
        stub = await client.client(Blobs)
        large = Blob(bytes(LARGE))
        answers = [(len(blob.data), blob.number - LARGE) async for blob in stub.download(large)]
        expected = [(size, number) for number, size in enumerate(SIZES)]
        assert answers == expected
        assert (await stub.upload(blobs_of(SIZES))).data == repr(SIZES).encode()
        assert [(len(blob.data), blob.number) async for blob in stub.mirror(blobs_of(SIZES))] == expected


@CONNECT_RAW
async def test_a_small_call_overtakes_a_large_one_that_is_still_arriving(connect: ConnectRaw) -> None:
    async with connect(Blobs(), DEFAULT) as peer:
        method = peer.declare("Blobs", 1, "echo")
        body = msgspec.msgpack.encode(Blob(bytes(LARGE)))
        stream = await peer.streams.open()
        large, wire = peer.protocol.far_request(method, 0, 0, b"", FarBody(stream.number, len(body)))
        peer.write(wire)
        await stream.write(body[:100_000])
        small, wire = peer.protocol.request(method, 0, 0, b"", msgspec.msgpack.encode(Blob(b"x")))
        peer.write(wire)
        assert (await peer.event(Replied)).call == small
        await stream.write(body[100_000:])
        await stream.finish()
        answer = await peer.event(Replied)
        assert isinstance(answer.body, FarBody)
        assert (answer.call, answer.body.length) == (large, len(body))
        reply = await peer.streams.accept()
        assert reply.number == answer.body.stream
        received = b""
        while piece := await reply.read(1 << 20):
            received += piece
        assert received == body


@CONNECT_RAW
@pytest.mark.parametrize(
    ("announced", "sent", "ending"),
    [
        (200_000, 100_000, "finish"),
        (200_000, 0, "finish"),
        (200_000, 200_001, "finish"),
        (200_000, 100_000, "abandon"),
    ],
)
async def test_a_message_that_is_not_whole_is_data_loss_and_the_next_call_is_served(
    connect: ConnectRaw, announced: int, sent: int, ending: str
) -> None:
    blobs = Blobs()
    async with connect(blobs, DEFAULT) as peer:
        method = peer.declare("Blobs", 1, "hold")
        stream = await peer.streams.open()
        call, wire = peer.protocol.far_request(method, 0, 0, b"", FarBody(stream.number, announced))
        peer.write(wire)
        await stream.write(bytes(sent))
        await getattr(stream, ending)()
        failed = await peer.event(Failed)
        assert (failed.call, failed.status.status) == (call, StatusCode.DATA_LOSS)
        echo = peer.declare("Blobs", 1, "echo")
        call, wire = peer.protocol.request(echo, 0, 0, b"", msgspec.msgpack.encode(Blob(b"x")))
        peer.write(wire)
        assert (await peer.event(Replied)).call == call
    assert blobs.begun.empty()


@CONNECT_RAW
async def test_a_cancelled_call_stops_its_request_on_the_way(connect: ConnectRaw) -> None:
    blobs = Blobs()
    async with connect(blobs, DEFAULT) as peer:
        method = peer.declare("Blobs", 1, "hold")
        stream = await peer.streams.open()
        call, wire = peer.protocol.far_request(method, 0, 0, b"", FarBody(stream.number, LARGE))
        peer.write(wire)
        await stream.write(bytes(1000))
        peer.write(peer.protocol.cancel(call))
        with pytest.raises(TransportError):
            await write_for_ever(stream)
    assert blobs.begun.empty()


@CONNECT_RAW
async def test_an_announcement_above_the_limit_is_refused_unread(connect: ConnectRaw) -> None:
    async with connect(Blobs(), RpcLimits(max_message_bytes=LARGE)) as peer:
        method = peer.declare("Blobs", 1, "echo")
        stream = await peer.streams.open()
        call, wire = peer.protocol.far_request(method, 0, 0, b"", FarBody(stream.number, LARGE + 1))
        peer.write(wire)
        failed = await peer.event(Failed)
        assert (failed.call, failed.status.status) == (call, StatusCode.RESOURCE_EXHAUSTED)
        with pytest.raises(TransportError):
            await write_for_ever(stream)


@pytest.mark.parametrize("numbers", [[2 * MAX_OPEN], [2**63], [0, 0]])
async def test_a_stream_that_can_not_be_costs_the_connection(numbers: list[int]) -> None:
    async with raw_in_process(Blobs(), DEFAULT) as peer:
        method = peer.declare("Blobs", 1, "hold")
        for number in numbers:
            peer.write(peer.protocol.far_request(method, 0, 0, b"", FarBody(number, LARGE))[1])
        await peer.lost


@CONNECT
async def test_what_large_requests_hold_is_limited_and_given_back(connect: Connect) -> None:
    blobs = Blobs()
    async with connect(blobs, RpcLimits(max_bytes_in_flight=2 * LARGE)) as client:
        stub = await client.client(Blobs)
        held = asyncio.create_task(stub.hold(Blob(bytes(LARGE))))
        assert await blobs.begun.get() == LARGE
        for _ in range(3):
            with pytest.raises(ResourceExhaustedError, match="unread"):
                await stub.hold(Blob(bytes(LARGE)))
        blobs.release.set()
        assert (await held).number == LARGE
        for _ in range(3):
            assert (await stub.hold(Blob(bytes(LARGE)))).number == LARGE


@CONNECT_RAW
@pytest.mark.parametrize("method", ["make", "make_many"])
async def test_answers_that_nobody_reads_may_hold_so_much_and_no_more(connect: ConnectRaw, method: str) -> None:
    size = 4_000_000  # more than QUIC takes in without a reader
    limits = RpcLimits(max_bytes_in_flight=3 * size, body_streams=2)
    async with connect(Blobs(), limits) as peer:
        number = peer.declare("Blobs", 1, method, "server_stream" if method == "make_many" else "unary")
        request = msgspec.msgpack.encode(Blob(b"", size))
        calls = set()
        for _ in range(20):
            call, wire = peer.protocol.request(number, 0, 0, b"", request)
            peer.write(wire)
            calls.add(call)
            peer.write(peer.protocol.credit(call, 10, 10 * size))
        for _ in range(20 - 3):
            failed = await peer.event(Failed)
            calls.remove(failed.call)
            assert failed.status.status == StatusCode.RESOURCE_EXHAUSTED
            assert "answers unread" in failed.status.message
        assert len(calls) == 3
        small = peer.declare("Blobs", 1, "echo")
        answered, wire = peer.protocol.request(small, 0, 0, b"", msgspec.msgpack.encode(Blob(b"small")))
        peer.write(wire)
        while (replied := await peer.event(Replied)).call != answered:
            assert not isinstance(replied.body, bytes), "the large ones are announced only"


@CONNECT
@pytest.mark.parametrize("size", [10_000, LARGE])
async def test_a_handler_that_does_not_read_may_hold_so_much_and_no_more(connect: Connect, size: int) -> None:
    blobs = Blobs()
    limits = RpcLimits(max_bytes_in_flight=LARGE, stream_window_bytes=1 << 20)
    async with connect(blobs, limits) as client:
        stub = await client.client(Blobs)
        with pytest.raises(ResourceExhaustedError, match="unread"):
            await stub.upload_unread(blobs_of([size] * 100))
        assert (await stub.upload(blobs_of([10, LARGE - 1000]))).data == repr([10, LARGE - 1000]).encode()


@CONNECT
async def test_a_caller_that_leaves_or_is_late_gives_its_large_messages_up(connect: Connect) -> None:
    blobs = Blobs()
    async with connect(blobs, DEFAULT) as client:
        stub = await client.client(Blobs)
        call = asyncio.create_task(stub.hold(Blob(bytes(LARGE))))
        await blobs.begun.get()
        call.cancel()
        await blobs.ended.wait()
        with pytest.raises(DeadlineExceededError):
            await stub.hold(Blob(bytes(LARGE)), timeout=0.05)
        async for blob in stub.download(Blob(b"")):
            if blob.number == 3:
                break
        assert (await stub.make(Blob(b"", LARGE))).data == bytes(LARGE)
        assert client.current is not None
        assert not client.current._bodies_in_use._awaited


@pytest.mark.usefixtures("unasked_contract")
async def test_a_deadline_and_a_cancellation_hold_while_nobody_reads_the_request() -> None:
    near, far = MemoryPipe.pair()
    streams, _ = MemoryStreams.pair()
    client = ClientConnection(near, DEFAULT, lambda code, reason: None, streams)
    greeting = ServerProtocol(DEFAULT, body_streams=1).hello()
    far.start(lambda data: None, lambda lost: None)
    far.write(greeting)
    client.start()
    await client.ready()
    stub = await ConnectedCaller(client).client(Blobs)
    with pytest.raises(DeadlineExceededError):
        await stub.hold(Blob(bytes(4_000_000)), timeout=0.05)
    call = asyncio.create_task(stub.hold(Blob(bytes(4_000_000))))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    assert not client._waiting
    client.close(CloseCode.DONE, "over")


class ConnectedCaller(Caller):
    def __init__(self, connection: ClientConnection) -> None:
        self.current = connection

    async def connection(self) -> ClientConnection:
        assert self.current is not None
        return self.current


async def test_a_peer_that_reads_no_side_streams_gets_everything_on_the_lane() -> None:
    near, far = MemoryPipe.pair()
    streams, _ = MemoryStreams.pair()
    server = ServerConnection(far, ServiceTable([Blobs()]), DEFAULT, lambda code, reason: None)
    client = ClientConnection(near, DEFAULT, lambda code, reason: None, streams)
    server.start()
    client.start()
    await client.ready()
    stub = await ConnectedCaller(client).client(Blobs)
    assert await stub.echo(Blob(bytes(LARGE))) == Blob(bytes(LARGE))
    client.close(CloseCode.DONE, "over")
    await server.gone()


@CONNECT
async def test_closing_amid_large_messages_ends_every_call(connect: Connect) -> None:
    blobs = Blobs()
    async with connect(blobs, DEFAULT) as client:
        stub = await client.client(Blobs)
        calls = [asyncio.create_task(stub.echo(Blob(bytes(3_000_000)))) for _ in range(5)]
        held = asyncio.create_task(stub.hold(Blob(bytes(LARGE))))
        await blobs.begun.get()
    await asyncio.wait([*calls, held])
    await blobs.ended.wait()


@CONNECT
async def test_what_leaves_the_lane_is_a_setting(connect: Connect) -> None:
    async with connect(Blobs(), RpcLimits(lane_message_bytes=100)) as client:
        stub = await client.client(Blobs)
        assert client.current is not None
        bodies = client.current._bodies_in_use
        assert await stub.echo(Blob(bytes(50))) == Blob(bytes(50))
        assert bodies._accepted == 0
        assert await stub.echo(Blob(bytes(101))) == Blob(bytes(101))
        assert bodies._accepted == 1


@CONNECT
async def test_metadata_above_its_limits_is_refused_at_the_caller(connect: Connect) -> None:
    async with connect(Blobs(), RpcLimits(max_metadata_entries=2, max_metadata_bytes=100)) as client:
        stub = await client.client(Blobs)
        for metadata in ({"a": "1", "b": "2", "c": "3"}, {"a": "x" * 200}):
            with pytest.raises(ResourceExhaustedError):
                await stub.echo(Blob(b""), metadata=metadata)
        await stub.echo(Blob(b""), metadata={"a": "1", "b": "2"})
