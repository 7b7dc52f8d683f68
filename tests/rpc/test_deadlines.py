"""One timer for the deadlines of all calls of a connection."""

import asyncio

from aster.rpc.deadlines import FEW, Deadlines


class Expired:
    """What expired, in order, and when all of it has."""

    def __init__(self, awaited: int) -> None:
        self.calls: list[int] = []
        self._awaited = awaited
        self._all = asyncio.Event()

    def __call__(self, call: int, seconds: float) -> None:
        self.calls.append(call)
        if len(self.calls) == self._awaited:
            self._all.set()

    async def all(self) -> list[int]:
        await self._all.wait()
        return self.calls


async def test_calls_expire_in_the_order_of_their_moments_not_of_their_begin() -> None:
    expired = Expired(3)
    deadlines = Deadlines(expired)
    for call, seconds in ((1, 0.03), (2, 0.01), (3, 0.02)):
        deadlines.add(call, seconds)
    assert await expired.all() == [2, 3, 1]
    assert len(deadlines) == 0


async def test_a_call_that_is_over_does_not_expire() -> None:
    expired = Expired(1)
    deadlines = Deadlines(expired)
    deadlines.add(1, 0.001)
    deadlines.add(2, 0.002)
    deadlines.remove(1)
    deadlines.remove(1)
    deadlines.remove(77)
    assert await expired.all() == [2]


async def test_a_deadline_after_the_timer_found_nothing_is_kept_too() -> None:
    expired = Expired(1)
    deadlines = Deadlines(expired)
    deadlines.add(1, 0.001)
    deadlines.remove(1)
    await asyncio.sleep(0)
    deadlines.add(2, 0.002)
    assert await expired.all() == [2]
    expired = Expired(1)
    deadlines = Deadlines(expired)
    deadlines.add(3, 60)
    deadlines.add(4, 0.001)
    assert await expired.all() == [4]
    assert len(deadlines) == 1
    deadlines.close()


async def test_whoever_expires_may_add_and_remove() -> None:
    expired = Expired(2)

    def expire(call: int, seconds: float) -> None:
        if call == 1:
            deadlines.remove(2)
            deadlines.add(3, 0.001)
        expired(call, seconds)

    deadlines = Deadlines(expire)
    deadlines.add(1, 0.001)
    deadlines.add(2, 0.001)
    assert await expired.all() == [1, 3]


async def test_calls_that_ended_long_before_their_deadlines_take_no_room() -> None:
    deadlines = Deadlines(Expired(1))
    deadlines.add(0, 3600)
    for call in range(1, 10_000):
        deadlines.add(call, 3600)
        deadlines.remove(call)
    assert len(deadlines) == 1
    assert len(deadlines._heap) <= FEW + 3
    deadlines.close()
    assert len(deadlines) == 0


async def test_nothing_expires_after_the_end() -> None:
    expired = Expired(1)
    deadlines = Deadlines(expired)
    deadlines.add(1, 0.001)
    deadlines.close()
    other = Expired(1)
    later = Deadlines(other)
    later.add(2, 0.003)
    await other.all()
    assert expired.calls == []
