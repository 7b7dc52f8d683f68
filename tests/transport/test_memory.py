import asyncio

from aster.transport.errors import ConnectionLost
from aster.transport.memory import MemoryPipe
from aster.transport.pipe import HIGH_WATER


async def test_writes_of_one_turn_arrive_as_one_chunk() -> None:
    near, far = MemoryPipe.pair()
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    far.start(arrived.put_nowait, lambda lost: None)
    for word in (b"one ", b"two ", b"three"):
        near.write(word)
    assert await arrived.get() == b"one two three"


async def test_what_is_written_before_the_other_end_reads_is_kept() -> None:
    near, far = MemoryPipe.pair()
    near.write(b"early")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    far.start(arrived.put_nowait, lambda lost: None)
    assert await arrived.get() == b"early"


async def test_closing_one_end_breaks_the_other_once() -> None:
    near, far = MemoryPipe.pair()
    broken: asyncio.Queue[ConnectionLost] = asyncio.Queue()
    far.start(lambda data: None, broken.put_nowait)
    near.close()
    near.close()
    assert "other side" in (await broken.get()).message
    assert broken.empty()
    far.write(b"dropped")
    assert far.waiting == 0


async def test_a_full_pipe_says_so_until_its_bytes_are_taken() -> None:
    near, far = MemoryPipe.pair()
    far.start(lambda data: None, lambda lost: None)
    near.write(bytes(HIGH_WATER + 1))
    assert near.is_full
    await near.writable()
    assert not near.is_full
