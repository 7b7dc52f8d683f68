"""A time limit for calls that have none, and a most for those that have; on either side.

The deadlines that callers give are enforced without this: the server cancels the handler, and calls that a handler
makes inherit what is left.
"""

import asyncio
import time
from typing import Any

from aster.foundation.errors import ConfigError
from aster.rpc.interception import Call, ClientCall, Proceed, closing
from aster.rpc.status import DeadlineExceededError


class Deadline:
    """``default`` seconds for a call without a deadline, ``maximum`` seconds for any call, streams included."""

    def __init__(self, default: float | None = None, *, maximum: float | None = None) -> None:
        for name, seconds in (("default", default), ("maximum", maximum)):
            if seconds is not None and not seconds > 0:
                raise ConfigError(f"Deadline: {name} must be above 0 seconds, got {seconds}")
        self._default = default
        self._maximum = maximum

    async def __call__(self, call: Call, request: Any, proceed: Proceed) -> Any:
        seconds = self._seconds(call)
        if seconds is None:
            return await proceed(request)
        deadline = time.monotonic() + seconds
        if isinstance(call, ClientCall):
            call.deadline = deadline
            return await proceed(request)
        if seconds <= 0:
            raise DeadlineExceededError("the deadline had passed before the call")
        limited = _Limited(seconds)
        reply = await limited.wait(proceed(request))
        return _LimitedItems(reply, limited) if call.pattern.streams_output else reply

    def _seconds(self, call: Call) -> float | None:
        left = call.remaining_seconds
        if left is None:
            left = self._default
        if self._maximum is not None:
            left = self._maximum if left is None else min(left, self._maximum)
        return left


class _Limited:
    """What is left of one call's time, spent over many waits."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds

    async def wait(self, work: Any) -> Any:
        try:
            async with asyncio.timeout_at(self._until) as limit:
                return await work
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceededError(f"the handler took longer than {self._seconds:g} s") from None


class _LimitedItems:
    def __init__(self, items: Any, limited: _Limited) -> None:
        self._items = items
        self._limited = limited

    def __aiter__(self) -> "_LimitedItems":
        return self

    async def __anext__(self) -> Any:
        return await self._limited.wait(anext(self._items))

    async def aclose(self) -> None:
        async with closing(self._items):
            return
