"""One direction of a QUIC stream on the lean driver, as coroutines: one eventfd while something waits."""

import asyncio
from typing import Any

from aster.transport.errors import ConnectionLost
from aster.transport.ffi import LENGTH_BYTES, Driver, Operation
from aster.transport.lean_pipe import EVENTS, drain


class LeanStream:
    """Runs one operation of the bindings at a time. Cancelling it gives the operation up."""

    def __init__(self, driver: Driver, raw: Any) -> None:
        self._driver = driver
        self._raw = raw
        self._loop = asyncio.get_running_loop()
        self._event: int | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Return when the transport took all of ``data``."""
        await self._run(self._driver.write(self._raw, data))

    async def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        return await self._run(self._driver.read(self._raw, size), LENGTH_BYTES)

    def release(self) -> None:
        """Nothing more will run; give the eventfd back. Safe to call twice."""
        event, self._event = self._event, None
        if event is not None:
            self._loop.remove_reader(event)
            EVENTS.give_back(event)

    async def _run(self, operation: Operation, skip: int = 0) -> bytes:
        try:
            while True:
                state = operation.poll(self._ready_event())
                if state:
                    return operation.take(skip)
                if state is None:
                    await asyncio.sleep(0)
                else:
                    self._waiter = self._loop.create_future()
                    await self._waiter
        except ConnectionLost:
            self.release()
            raise
        finally:
            operation.drop()

    def _ready_event(self) -> int:
        if self._event is None:
            try:
                self._event = EVENTS.take()
            except OSError as error:
                raise ConnectionLost(f"no file descriptors left for a stream: {error}") from None
            self._loop.add_reader(self._event, self._woken)
        return self._event

    def _woken(self) -> None:
        if self._event is not None and drain(self._event) and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
