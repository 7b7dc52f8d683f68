"""Which chunks are asked of whom."""

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.rpc.status import UnavailableError
from aster.rpc.storage.blob_service import CHUNKS_AT_ONCE, BlobDescribed, BlobService
from aster.rpc.storage.sources import Source, Work
from aster.rpc.stub import Caller

NOBODY = cast("Caller", None)


def _bits(has: list[bool]) -> bytes:
    text = "".join("1" if each else "0" for each in has)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.data())
def test_every_chunk_is_asked_for_once_of_one_who_has_it(absent: list[bool], data: st.DataObject) -> None:
    has = [data.draw(st.lists(st.booleans(), min_size=len(absent), max_size=len(absent))) for _ in range(2)]
    sources = [Source("whole", NOBODY), *(Source("part", NOBODY, here=_bits(each)) for each in has)]
    work = Work(bytearray(absent), sources)
    asked: set[int] = set()
    for _ in range(len(absent)):
        source = data.draw(st.sampled_from(sources))
        run = work.take(source)
        if run is None:
            continue
        chunks = set(range(run[0], run[0] + run[1]))
        assert 0 < len(chunks) <= CHUNKS_AT_ONCE
        assert all(absent[chunk] and source.has(chunk) for chunk in chunks)
        assert not chunks & asked
        if data.draw(st.booleans()):
            work.done(run)
            asked |= chunks
        else:
            work.give_back(run)
    while run := work.take(sources[0]):
        asked |= set(range(run[0], run[0] + run[1]))
        work.done(run)
    assert asked == {chunk for chunk, is_absent in enumerate(absent) if is_absent}
    assert work.left == 0
    assert not work.is_under_way


async def test_who_finds_nothing_is_told_when_there_may_be_something() -> None:
    one, two = Source("one", NOBODY), Source("two", NOBODY)
    work = Work(bytearray(b"\x01"), [one, two])
    run = work.take(one)
    assert run == (0, 1)
    assert work.take(two) is None
    waiting = asyncio.ensure_future(work.moved())
    await asyncio.sleep(0)
    work.give_back(run)
    await waiting
    assert work.take(two) == run


async def test_a_peer_that_says_too_little_of_what_it_has_is_refused() -> None:
    class Said:
        async def describe(self, *_: object, timeout: float) -> BlobDescribed:
            return BlobDescribed(100 * 256 * 1024, False, here=b"\xff")

    class Peer:
        async def client(self, service: type[BlobService]) -> Said:
            return Said()

    with pytest.raises(UnavailableError):
        await Source("part", cast("Caller", Peer())).describe(bytes(32))
