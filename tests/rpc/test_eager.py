"""Coroutines that run at once, in a task that they keep only if they wait."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, TypeVar

import pytest

from aster.rpc.eager import EagerTasks

T = TypeVar("T")
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("test_eager", default="untouched")


@pytest.fixture
async def eager() -> AsyncIterator[EagerTasks]:
    """With its spare task standing by."""
    eager = EagerTasks()
    await ready(eager)
    yield eager
    eager.close()


async def ready(eager: EagerTasks) -> None:
    """Ask as a callback of the loop does, until a spare task stands by."""
    while not await as_callback(eager.ready):
        pass


async def as_callback(function: Callable[[], T]) -> T:
    """Call ``function`` as the loop calls what is not of a task."""
    result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: result.set_result(function()), context=contextvars.Context())
    return await result


async def outside_of_tasks(eager: EagerTasks, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
    """Start ``work`` as a callback of the loop does."""
    return await as_callback(lambda: eager.start(work))


async def test_what_does_not_wait_is_over_at_once_and_needs_no_task(eager: EagerTasks) -> None:
    seen: list[object] = []

    async def work() -> None:
        seen.append(asyncio.current_task())

    assert await outside_of_tasks(eager, work()) is None
    assert await outside_of_tasks(eager, work()) is None
    assert isinstance(seen[0], asyncio.Task)
    assert seen[0] is seen[1]
    assert asyncio.current_task() is not seen[0]


async def test_what_waits_goes_on_in_the_task_it_began_with(eager: EagerTasks) -> None:
    gate = asyncio.Event()
    seen: list[object] = []

    async def work() -> None:
        VARIABLE.set("mine")
        seen.append(asyncio.current_task())
        async with asyncio.timeout(60):
            await gate.wait()
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        seen.append(VARIABLE.get())

    task = await outside_of_tasks(eager, work())
    assert task is not None
    gate.set()
    await task
    assert seen == [task, task, "mine"]


async def test_each_has_a_context_of_its_own(eager: EagerTasks) -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("left behind")

    await outside_of_tasks(eager, work())
    await outside_of_tasks(eager, work())
    assert seen == ["untouched", "untouched"]


async def test_two_that_wait_for_the_same_future_both_go_on(eager: EagerTasks) -> None:
    shared: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def work() -> None:
        seen.append(await shared)

    def start() -> "tuple[asyncio.Task[None], asyncio.Task[None] | None]":
        # The ordinary task comes to wait before the other's task goes on with waiting.
        return asyncio.get_running_loop().create_task(work()), eager.start(work())

    first, second = await as_callback(start)
    assert second is not None
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shared.set_result("here")
    await asyncio.gather(first, second)
    assert seen == ["here", "here"]


@pytest.mark.parametrize("turns", [0, 1, 3], ids=["at once", "a turn later", "while it waits"])
async def test_cancelling_reaches_the_coroutine_and_what_it_waits_for(eager: EagerTasks, turns: int) -> None:
    inner: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def work() -> None:
        try:
            await inner
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    def start() -> "asyncio.Task[None] | None":
        task = eager.start(work())
        if task is not None and turns == 0:
            task.cancel()
        return task

    task = await as_callback(start)
    assert task is not None
    for _ in range(turns - 1):
        await asyncio.sleep(0)
    if turns:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]
    assert inner.cancelled()


async def test_a_cancelled_coroutine_may_go_on(eager: EagerTasks) -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("tidied up")

    task = await outside_of_tasks(eager, work())
    assert task is not None
    task.cancel()
    await task
    assert seen == ["tidied up"]


async def test_one_that_cancels_itself_is_cancelled_where_it_waits_next(eager: EagerTasks) -> None:
    seen: list[str] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = await outside_of_tasks(eager, work())
    assert task is not None
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]


async def test_one_that_cancels_itself_and_ends_does_not_cancel_the_next(eager: EagerTasks) -> None:
    async def suicidal() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    seen: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append("done")

    assert await outside_of_tasks(eager, suicidal()) is None
    await ready(eager)
    task = await outside_of_tasks(eager, work())
    assert task is not None
    await task
    assert seen == ["done"]


async def test_errors_after_a_wait_are_the_tasks(eager: EagerTasks) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("after all")

    task = await outside_of_tasks(eager, work())
    assert task is not None
    with pytest.raises(ValueError, match="after all"):
        await task


async def test_what_waits_for_no_future_gets_the_same_error_as_in_every_task(eager: EagerTasks) -> None:
    class Foreign:
        def __await__(self) -> Generator[Any, None, None]:
            yield "not a future"

    async def work() -> None:
        await Foreign()

    task = await outside_of_tasks(eager, work())
    assert task is not None
    with pytest.raises(RuntimeError, match="bad yield"):
        await task


async def test_what_fails_at_once_says_so_where_it_was_started(eager: EagerTasks) -> None:
    async def work() -> None:
        raise ValueError("at once")

    def start() -> str:
        with pytest.raises(ValueError, match="at once"):
            eager.start(work())
        return "told"

    assert await as_callback(start) == "told"
    await ready(eager)


async def test_inside_of_a_task_nothing_is_ready(eager: EagerTasks) -> None:
    assert await as_callback(eager.ready)
    assert not eager.ready()


async def test_a_task_that_was_kept_is_replaced(eager: EagerTasks) -> None:
    task = await outside_of_tasks(eager, asyncio.sleep(0))
    assert task is not None
    await ready(eager)
    other = await outside_of_tasks(eager, asyncio.sleep(0))
    assert other is not None
    assert other is not task
    await asyncio.gather(task, other)


async def test_where_a_task_factory_is_set_it_sees_every_task() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, work, **options: asyncio.Task(work, loop=loop, **options))
    try:
        eager = EagerTasks()
        for _ in range(3):
            assert not await as_callback(eager.ready)
    finally:
        loop.set_task_factory(None)


async def test_closing_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    eager = EagerTasks()
    await ready(eager)
    assert asyncio.all_tasks() > before
    eager.close()
    while asyncio.all_tasks() != before:
        await asyncio.sleep(0)


async def test_users_of_a_loop_share_one_spare_until_the_last_has_closed() -> None:
    before = asyncio.all_tasks()
    first, second = EagerTasks.shared(), EagerTasks.shared()
    assert first is second
    await ready(first)
    first.close()
    assert await as_callback(second.ready)
    second.close()
    assert not await as_callback(second.ready)
    while asyncio.all_tasks() != before:
        await asyncio.sleep(0)
    third = EagerTasks.shared()
    assert third is not first
    third.close()
