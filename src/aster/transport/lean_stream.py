"""One direction of a QUIC stream on the lean driver, as coroutines: one eventfd while something waits."""

import asyncio
from typing import Any

from aster.transport.errors import ConnectionLost
from aster.transport.ffi import LENGTH_BYTES, Driver, Operation, Watch
from aster.transport.lean_pipe import WATCHES, drain


class LeanStream:
    """Runs one operation of the bindings at a time. Cancelling it gives the operation up."""

    def __init__(self, driver: Driver, raw: Any) -> None:
        self._driver = driver
        self._raw = raw
        self._loop = asyncio.get_running_loop()
        self._watch: Watch | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Return when the transport took all of ``data``."""
        await self._run(self._driver.write(self._raw, data, self._watching()))

    async def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        return await self._run(self._driver.read(self._raw, size, self._watching()), LENGTH_BYTES)

    def release(self) -> None:
        """Nothing more will run; give the watch back. Safe to call twice."""
        watch, self._watch = self._watch, None
        if watch is not None:
            self._loop.remove_reader(watch.event)
            WATCHES.give_back(watch)

    async def _run(self, operation: Operation, skip: int = 0) -> bytes:
        try:
            while True:
                state = operation.poll()
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

    def _watching(self) -> Watch:
        if self._watch is None:
            try:
                self._watch = WATCHES.take()
            except OSError as error:
                raise ConnectionLost(f"no file descriptors left for a stream: {error}") from None
            self._loop.add_reader(self._watch.event, self._woken)
        return self._watch

    def _woken(self) -> None:
        watch, waiter = self._watch, self._waiter
        if watch is not None and drain(watch.event) and waiter is not None and not waiter.done():
            waiter.set_result(None)
