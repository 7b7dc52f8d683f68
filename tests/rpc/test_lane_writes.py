"""When a lane writes: joined at the end of a turn of the loop, and what does not wait for that."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from aster.rpc import LocalClient, rpc, server_stream, service
from aster.rpc.lane import ENOUGH_BYTES
from aster.rpc.limits import RpcLimits
from aster.rpc.protocol.wire import Kind
from aster.transport.framing import FrameSplitter
from aster.transport.memory import MemoryPipe


class Word(msgspec.Struct):
    text: str


@service
class Echo:
    @rpc
    async def echo(self, word: Word) -> Word:
        return word

    @server_stream
    async def repeat(self, word: Word) -> AsyncIterator[Word]:
        for _ in range(8):
            yield word


class Recorded(MemoryPipe):
    """Remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def _send(self, data: bytes) -> None:
        self.writes.append(data)
        super()._send(data)


class RecordedClient(LocalClient):
    """A client whose writes, and whose server's, can be looked at."""

    near: Recorded
    far: Recorded

    def _pipes(self) -> tuple[MemoryPipe, MemoryPipe]:
        self.near, self.far = Recorded.pair()
        return self.near, self.far

    def forget(self) -> None:
        self.near.writes.clear()
        self.far.writes.clear()


def kinds(write: bytes) -> list[Kind]:
    return [Kind(kind) for kind, _, _ in FrameSplitter(1 << 20).feed(write)]


async def test_a_lone_call_does_not_wait_for_the_end_of_the_turn() -> None:
    async with RecordedClient([Echo()]) as client:
        stub = await client.client(Echo)
        await stub.echo(Word("first"))
        client.forget()
        call = asyncio.create_task(stub.echo(Word("alone")))
        await asyncio.sleep(0)
        assert [kinds(write) for write in client.near.writes] == [[Kind.REQUEST]]
        await call


async def test_calls_of_one_turn_are_joined_after_the_first() -> None:
    async with RecordedClient([Echo()]) as client:
        stub = await client.client(Echo)
        await stub.echo(Word("first"))
        client.forget()
        await asyncio.gather(*(stub.echo(Word("together")) for _ in range(10)))
        assert [len(kinds(write)) for write in client.near.writes] == [1, 9]
        assert sum(len(kinds(write)) for write in client.far.writes) == 10
        assert len(client.far.writes) == 2


async def test_many_calls_go_out_in_growing_parts_while_the_turn_lasts() -> None:
    word = Word("x" * 60)
    async with RecordedClient([Echo()]) as client:
        stub = await client.client(Echo)
        await stub.echo(word)
        client.forget()
        calls = [asyncio.create_task(stub.echo(word)) for _ in range(200)]
        await asyncio.sleep(0)
        before_the_end = [len(write) for write in client.near.writes[1:]]
        await asyncio.gather(*calls)
        assert len(before_the_end) == 2
        for size, enough in zip(before_the_end, (ENOUGH_BYTES, 2 * ENOUGH_BYTES), strict=True):
            assert enough <= size < enough + 200
        assert sum(len(kinds(write)) for write in client.near.writes) == 200


async def test_credits_are_written_while_the_reader_reads_on() -> None:
    limits = RpcLimits(stream_window_items=4)
    async with RecordedClient([Echo()], limits=limits) as client:
        stub = await client.client(Echo)
        await stub.echo(Word("first"))
        client.forget()
        answers = stub.repeat(Word("again"))
        read = 0
        async for _ in answers:
            read += 1
            granted = [kinds(write) for write in client.near.writes if Kind.CREDIT in kinds(write)]
            assert len(granted) >= min(read // 2, 2)
        assert read == 8
