"""Finding a dead peer: a PING when nothing was heard for a while, the end when that is not answered either."""

import asyncio
from collections.abc import Callable

from aster.rpc.limits import RpcLimits


class Liveness:
    """Calls ``ping`` after ``ping_seconds`` of silence and ``dead`` once after ``dead_after_seconds``."""

    def __init__(self, limits: RpcLimits, ping: Callable[[], None], dead: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._ping = ping
        self._dead = dead
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(limits.ping_seconds, self._look)

    def heard(self) -> None:
        """Something arrived from the peer."""
        self._heard = self._loop.time()

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self._heard
        if silent >= self._limits.dead_after_seconds:
            self._dead()
            return
        wait = self._limits.ping_seconds - silent
        if wait <= 0:
            self._ping()
            wait = self._limits.ping_seconds
        self._timer = self._loop.call_later(wait, self._look)
