"""When the calls of one connection must be over: a heap and one timer of the loop for all of them.

A timer of the loop for every call cost more than sending it. The timer is set for the earliest moment and left alone
when a call ends: it finds nothing to do then, and goes on to the next. Adding costs O(log n); ended calls stay in the
heap until they are more than those that run, then it is built anew, which is O(1) a call in the long run.
"""

import asyncio
import heapq
from collections.abc import Callable

Expire = Callable[[int, float], None]
"""A call, and how many seconds it had."""

FEW = 64


class Deadlines:
    """Calls ``expire(call, seconds)`` for every call that is not removed in time."""

    __slots__ = ("_expire", "_heap", "_loop", "_moments", "_timer", "_wakes_at")

    def __init__(self, expire: Expire) -> None:
        self._loop = asyncio.get_running_loop()
        self._expire = expire
        self._heap: list[tuple[float, int, float]] = []
        self._moments: dict[int, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0

    def __len__(self) -> int:
        return len(self._moments)

    def add(self, call: int, seconds: float) -> None:
        """``call`` has so many seconds from now; its id was never used before."""
        moment = self._loop.time() + seconds
        self._moments[call] = moment
        heapq.heappush(self._heap, (moment, call, seconds))
        if self._timer is None or moment < self._wakes_at:
            self._wake_at(moment)

    def remove(self, call: int) -> None:
        """``call`` is over; safe for one that has no deadline."""
        if self._moments.pop(call, None) is not None and len(self._heap) > FEW + 2 * len(self._moments):
            self._heap = [entry for entry in self._heap if entry[1] in self._moments]
            heapq.heapify(self._heap)

    def close(self) -> None:
        """Nothing expires any more."""
        self._moments.clear()
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = moment
        self._timer = self._loop.call_at(moment, self._wake)

    def _wake(self) -> None:
        # A timer may be early by the resolution of the clock; what it was set for is due.
        self._timer = None
        due = max(self._loop.time(), self._wakes_at)
        while self._heap and (self._heap[0][0] <= due or self._heap[0][1] not in self._moments):
            _, call, seconds = heapq.heappop(self._heap)
            if self._moments.pop(call, None) is not None:
                self._expire(call, seconds)
        if self._heap and self._timer is None:
            self._wake_at(self._heap[0][0])
