"""Coroutines that run at once and become a task only if they wait.

A task for each handler costs more than most handlers: it is made, registered, queued in the loop, and forgotten. Here
a coroutine takes its first step where it is started, with a spare task as `asyncio.current_task`. Only if it waits
does it keep that task, which then goes on with it: what it has done with its task before (a timeout, a task group)
stays true, and cancelling works as for every task. Coroutines that end without waiting share the spare one, each in a
context of its own.
"""

import asyncio
import types
from asyncio import current_task
from asyncio.tasks import _enter_task, _leave_task  # made for other implementations of tasks, see "Extending asyncio"
from collections.abc import Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any

Work = Coroutine[Any, Any, None]


class EagerTasks:
    """Starts coroutines on the running loop. `shared` has one spare task for all that a loop starts."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._users = 1
        self._spare: _Spare | None = None
        # Whoever sets a task factory wants to see every task made.
        self._closed = self._loop.get_task_factory() is not None

    def ready(self) -> bool:
        """Is a spare task standing by? One will be the next time, where that is possible."""
        if self._spare is None and not self._closed:
            self._spare = _Spare(self._loop)
        return self._spare is not None and self._spare.is_ready and current_task(self._loop) is None

    def start(self, work: Work) -> "asyncio.Task[None] | None":
        """Run ``work`` to its first wait, once `ready`: the task that goes on with it, or None when it is over."""
        spare, self._spare = self._spare, None
        if spare is None:
            raise RuntimeError("no task stands by")
        loop, task, context = self._loop, spare.task, copy_context()
        _enter_task(loop, task)
        try:
            waits_for = context.run(work.send, None)
        except StopIteration:
            if not task.cancelling() and not self._closed:
                self._spare = spare
            return None
        except BaseException:
            task.cancel()
            raise
        finally:
            _leave_task(loop, task)
        return spare.keep(work, context, waits_for)

    @classmethod
    def shared(cls) -> "EagerTasks":
        """Those of the running loop; whoever asks for them calls `close` once."""
        loop = asyncio.get_running_loop()
        shared = _of_loops.get(loop)
        if shared is None:
            shared = _of_loops[loop] = cls()
        else:
            shared._users += 1
        return shared

    def close(self) -> None:
        """One user less; after the last one nothing is started here any more."""
        self._users -= 1
        if self._users:
            return
        self._closed = True
        if _of_loops.get(self._loop) is self:
            del _of_loops[self._loop]
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.task.cancel()


_of_loops: dict[asyncio.AbstractEventLoop, EagerTasks] = {}


class _Spare:
    """A task that waits for a coroutine to go on with."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_ready = False
        self._kept: tuple[Work, Context, Any] | None = None
        self._wake: asyncio.Future[None] = loop.create_future()
        self.task: asyncio.Task[None] = loop.create_task(self._stand_by())

    def keep(self, work: Work, context: Context, waits_for: Any) -> "asyncio.Task[None]":
        """Go on with ``work``, which waits for ``waits_for``, in this task."""
        self._kept = work, context, waits_for
        if asyncio.isfuture(waits_for):
            # A future's mark that it is being waited for: others may come to wait for it before this task does.
            waits_for._asyncio_future_blocking = False
        if not self._wake.done():
            self._wake.set_result(None)
        return self.task

    async def _stand_by(self) -> None:
        # Before its first step a task that is cancelled never runs, so nothing may be left to it until here.
        self.is_ready = True
        cancelled = None
        try:
            await self._wake
        except asyncio.CancelledError as error:
            if self._kept is None:
                raise
            cancelled = error
        if self._kept is not None:
            await _rest(*self._kept, cancelled)


@types.coroutine
def _rest(
    work: Work, context: Context, waits_for: Any, cancelled: asyncio.CancelledError | None
) -> Generator[Any, None, None]:
    """What is left of ``work``; ``cancelled`` when its task was cancelled before it came to wait itself."""
    error: BaseException | None = cancelled
    if asyncio.isfuture(waits_for):
        waits_for._asyncio_future_blocking = True
        if error is not None and waits_for.cancel():
            error = None  # it arrives through what is waited for, as it does in every task
    try:
        while True:
            if error is None:
                try:
                    yield waits_for
                except BaseException as raised:  # noqa: BLE001  # whatever it is, it is for the coroutine
                    error = raised
            if error is None:
                waits_for = context.run(work.send, None)
            else:
                thrown, error = error, None
                waits_for = context.run(work.throw, thrown)
    except StopIteration:
        return
