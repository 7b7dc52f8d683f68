"""The first step of a coroutine: done at once where it can be, and no different where it can't."""

import asyncio

import pytest

from aster.foundation.http.first_step import FirstStep


async def _after(*events: asyncio.Event) -> int:
    for event in events:
        await event.wait()
    return len(events)


async def test_a_coroutine_that_need_not_wait_is_done_at_once() -> None:
    step = FirstStep(_after())
    assert step.is_done
    assert step.value == 0
    assert await step == 0


async def test_one_that_waits_goes_on_when_it_is_awaited() -> None:
    events = [asyncio.Event() for _ in range(3)]
    step = FirstStep(_after(*events))
    assert not step.is_done
    for turn, event in enumerate(events):
        asyncio.get_running_loop().call_later(0.001 * turn, event.set)
    assert await step == 3


async def test_its_error_is_the_awaiters() -> None:
    async def fails(event: asyncio.Event) -> None:
        await event.wait()
        raise ValueError("late")

    with pytest.raises(ValueError, match="at once"):
        FirstStep(_raises())
    event = asyncio.Event()
    step = FirstStep(fails(event))
    event.set()
    with pytest.raises(ValueError, match="late"):
        await step


async def _raises() -> None:
    raise ValueError("at once")


async def test_a_timeout_reaches_into_it_and_ends_it() -> None:
    ended = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    step = FirstStep(waits())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await step
    assert ended == [True]


async def test_it_may_outlive_a_cancellation_that_it_handles() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "still here"
        return "never"

    async def awaits() -> str:
        return await FirstStep(stubborn())

    task = asyncio.create_task(awaits())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "still here"
