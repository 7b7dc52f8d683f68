"""Back-pressure of one stream: credits to send with, and an inbox that hands credits out as it is read."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from aster.rpc.protocol.core import ProtocolViolation
from aster.rpc.protocol.wire import MAX_CREDIT


class StreamClosed(Exception):
    """A stream's other end is gone; its writer stops without further ado."""


Grant = Callable[[int, int], None]
"""Tell the peer that it may send so many more items and bytes."""


class Budget:
    """Bytes that one connection may hold for its peer, all calls together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def reserve(self, size: int) -> bool:
        """Take ``size`` bytes, if they are left."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def release(self, size: int) -> None:
        self.used -= size


class OverBudget(Exception):
    """A message does not fit into what its connection may hold."""


class SendWindow:
    """What this side may still send; `take` waits until the reader has read."""

    def __init__(self, items: int, size: int) -> None:
        self._items = items
        self._bytes = size
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None

    async def take(self, size: int) -> None:
        """Spend the credit for one message of ``size`` bytes; raises what `fail` was given."""
        if self.try_take(size):
            return
        while self._error is None and (self._items <= 0 or self._bytes <= 0):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._error is not None:
            raise self._error
        self._items -= 1
        self._bytes -= size

    def try_take(self, size: int) -> bool:
        """Spend the credit at once, if it is there."""
        if self._error is not None or self._items <= 0 or self._bytes <= 0:
            return False
        self._items -= 1
        self._bytes -= size
        return True

    def add(self, items: int, size: int) -> None:
        """The peer's CREDIT."""
        self._items += items
        self._bytes += size
        if self._items > MAX_CREDIT or self._bytes > MAX_CREDIT:
            raise ProtocolViolation("more credit than there can be")
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Nothing can be sent any more."""
        self._error = self._error or error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@dataclass(frozen=True, slots=True)
class Later:
    """The place of a message that another task is still reading."""

    size: int
    reading: "asyncio.Task[bytes]"


class Inbox:
    """Received messages of one stream, at most a window of them; read by one reader as an async iterator.

    A message that travels on a stream of its own keeps its place in the order: the task that reads it waits here.
    """

    def __init__(self, items: int, size: int, grant: Grant, budget: Budget) -> None:
        self._half_items = max(1, items // 2)
        self._half_bytes = max(1, size // 2)
        self._allowed_items = items
        self._allowed_bytes = size
        self._read_items = 0
        self._read_bytes = 0
        self._grant = grant
        self._budget = budget
        self._queue: deque[bytes | Later] = deque()
        self._ended = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, body: bytes) -> None:
        """A message arrived; raises as `expect` does."""
        self.expect(len(body))
        self._queue.append(body)
        self._wake()

    def put_later(self, later: Later) -> None:
        """A message that was expected is on its way."""
        self._queue.append(later)
        self._wake()

    def expect(self, size: int) -> None:
        """Account for a message of ``size`` bytes: `ProtocolViolation` without credit, `OverBudget` without room."""
        if self._allowed_items <= 0 or self._allowed_bytes <= 0:
            raise ProtocolViolation("more items than credits")
        if not self._budget.reserve(size):
            raise OverBudget
        self._allowed_items -= 1
        self._allowed_bytes -= size

    def end(self, error: BaseException | None = None) -> None:
        """No more messages; a reader gets those that are here, then ``error``."""
        if not self._ended:
            self._ended, self._error = True, error
            self._wake()

    def abandon(self) -> None:
        """Nobody reads on: give back what is here, give up what is on its way."""
        while self._queue:
            message = self._queue.popleft()
            if isinstance(message, Later):
                message.reading.cancel()
            self._budget.release(message.size if isinstance(message, Later) else len(message))

    def __aiter__(self) -> "Inbox":
        return self

    def take(self) -> bytes | None:
        """The next message if it is here, whole; else None, and awaiting this iterator tells what comes."""
        queue = self._queue
        if not queue:
            return None
        body = queue[0]
        if isinstance(body, Later):
            return None
        queue.popleft()
        self._was_read(len(body))
        return body

    async def __anext__(self) -> bytes:
        while (body := self.take()) is None:
            first = self._queue[0] if self._queue else None
            if isinstance(first, Later):
                body = await self._whole(first.reading)
                self._queue.popleft()
                self._was_read(len(body))
                break
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return body

    def _was_read(self, size: int) -> None:
        self._budget.release(size)
        self._read_items += 1
        self._read_bytes += size
        if not self._ended and (self._read_items >= self._half_items or self._read_bytes >= self._half_bytes):
            self._give_credit()

    async def _whole(self, reading: "asyncio.Task[bytes]") -> bytes:
        """Wait for a message on its way; a reader that is cancelled here finds it again."""
        while not reading.done() and not (self._ended and self._error):
            self._waiter = asyncio.get_running_loop().create_future()
            reading.add_done_callback(self._wake)
            await self._waiter
        if not reading.done() or reading.cancelled():
            self.abandon()
            raise self._error or StreamClosed("the call is over")
        return reading.result()

    def _give_credit(self) -> None:
        items, size = self._read_items, self._read_bytes
        self._read_items = self._read_bytes = 0
        self._allowed_items += items
        self._allowed_bytes += size
        self._grant(items, size)

    def _wake(self, reading: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
