import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.rpc.flow import Budget, Inbox, SendWindow
from aster.rpc.protocol.core import ProtocolViolation


@given(sizes=st.lists(st.integers(0, 50), max_size=60), items=st.integers(1, 8), window=st.integers(1, 100))
def test_a_sender_and_a_reader_never_stall_and_never_overrun(sizes: list[int], items: int, window: int) -> None:
    async def run() -> list[bytes]:
        send = SendWindow(items, window)
        inbox = Inbox(items, window, send.add, Budget(10_000))

        async def sender() -> None:
            for size in sizes:
                await send.take(size)
                inbox.put(bytes(size))
            inbox.end()

        task = asyncio.create_task(sender())
        received = [body async for body in inbox]
        await task
        return received

    assert [len(body) for body in asyncio.run(run())] == sizes


async def test_a_sender_waits_for_its_reader() -> None:
    send = SendWindow(2, 1000)
    inbox = Inbox(2, 1000, send.add, Budget(10_000))
    for _ in range(2):
        await send.take(1)
        inbox.put(b"x")
    third = asyncio.create_task(send.take(1))
    await asyncio.sleep(0)
    assert not third.done()
    await anext(inbox)
    await third


async def test_a_peer_that_sends_without_credit_breaks_the_protocol() -> None:
    inbox = Inbox(1, 1000, lambda items, size: None, Budget(10_000))
    inbox.put(b"")
    with pytest.raises(ProtocolViolation, match="more items than credits"):
        inbox.put(b"")
    few_bytes = Inbox(10, 5, lambda items, size: None, Budget(10_000))
    few_bytes.put(bytes(6))
    with pytest.raises(ProtocolViolation):
        few_bytes.put(b"")


def test_a_peer_that_gives_endless_credit_breaks_the_protocol() -> None:
    with pytest.raises(ProtocolViolation, match="more credit"):
        SendWindow(1, 1).add(2**31, 0)


async def test_what_has_arrived_is_read_before_the_error() -> None:
    inbox = Inbox(5, 100, lambda items, size: None, Budget(10_000))
    inbox.put(b"one")
    inbox.end(ValueError("lost"))
    inbox.end()
    assert await anext(inbox) == b"one"
    with pytest.raises(ValueError, match="lost"):
        await anext(inbox)


async def test_a_sender_that_waits_learns_that_the_stream_is_gone() -> None:
    send = SendWindow(0, 0)
    waiting = asyncio.create_task(send.take(1))
    await asyncio.sleep(0)
    send.fail(ValueError("gone"))
    with pytest.raises(ValueError, match="gone"):
        await waiting
