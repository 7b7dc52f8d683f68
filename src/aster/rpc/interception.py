"""Interceptors: what happens around calls, as an onion of ``async (call, request, proceed)``, on both sides.

An interceptor returns what ``await proceed(request)`` returns, or something else, or raises; the first in a list is the
outermost. ``request`` is one message, or the async iterator of a client's stream; a server's stream is returned as an
async iterator, before its first item. So one function serves all four patterns, and items are reached by wrapping the
iterators; `until_end` does that for those who only want to know how a call ended.

``call`` is the handler's `CallContext` on the server, a `ClientCall` on the client. Without interceptors nothing of
this module runs.
"""

import asyncio
import contextlib
import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec

from aster.rpc.context import CallContext
from aster.rpc.patterns import Pattern
from aster.rpc.status import RpcError, StatusCode

Proceed = Callable[[Any], Awaitable[Any]]
"""Go on with a request: to the next interceptor, at last to the handler or over the wire."""


class ClientCall(msgspec.Struct, kw_only=True):
    """A call about to be made. Interceptors may change ``metadata`` and ``deadline`` (a `time.monotonic` moment)."""

    service: str
    method: str
    pattern: Pattern
    idempotent: bool
    metadata: dict[str, str]
    deadline: float | None = None
    attempt: int = 1

    @property
    def remaining_seconds(self) -> float | None:
        """Seconds until the deadline, never below 0; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def expired(self) -> bool:
        """There is no time left."""
        return self.deadline is not None and time.monotonic() >= self.deadline


Call = CallContext | ClientCall
Interceptor = Callable[[Any, Any, Proceed], Awaitable[Any]]
"""``async (call, request, proceed) -> reply``; ``call`` is a `CallContext`, a `ClientCall`, or either."""

Ended = Callable[[BaseException | None], Awaitable[None] | None]
"""Told once how a call ended: None for well."""


async def run(interceptors: Sequence[Interceptor], call: Call, request: Any, innermost: Proceed) -> Any:
    """Pass a request through the interceptors, outermost first."""

    async def step(index: int, request: Any) -> Any:
        if index == len(interceptors):
            return await innermost(request)
        return await interceptors[index](call, request, functools.partial(step, index + 1))

    return await step(0, request)


def intercepted_handler(
    interceptors: Sequence[Interceptor], pattern: Pattern, handler: Callable[[Any, CallContext], Any]
) -> Callable[[Any, CallContext], Any]:
    """A handler with interceptors around it; the handler itself when there are none."""
    if not interceptors:
        return handler

    async def answer(request: Any, context: CallContext) -> Any:
        return await run(interceptors, context, request, lambda request: handler(request, context))

    async def stream(request: Any, context: CallContext) -> AsyncIterator[Any]:
        async def begin(request: Any) -> Any:
            return handler(request, context)

        async with closing(await run(interceptors, context, request, begin)) as answers:
            async for each in answers:
                yield each

    return stream if pattern.streams_output else answer


@contextlib.asynccontextmanager
async def closing(items: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """Close an iterator at the end, if it can be closed: generators can, other iterators need not."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


async def until_end(call: Call, request: Any, proceed: Proceed, ended: Ended) -> Any:
    """Proceed, and call ``ended`` once when the call is over: with the reply, or after the last item of a stream."""
    try:
        reply = await proceed(request)
    except BaseException as error:
        await _tell(ended, error)
        raise
    if call.pattern.streams_output:
        return Watched(reply, ended)
    await _tell(ended, None)
    return reply


class Watched:
    """An async iterator that tells once how it ended; leaving it early counts as cancelled."""

    __slots__ = ("_ended", "_items", "_over")

    def __init__(self, items: AsyncIterator[Any], ended: Ended) -> None:
        self._items = items
        self._ended = ended
        self._over = False

    def __aiter__(self) -> "Watched":
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._items)
        except StopAsyncIteration:
            await self._end(None)
            raise
        except BaseException as error:
            await self._end(error)
            raise

    async def aclose(self) -> None:
        async with closing(self._items):
            await self._end(asyncio.CancelledError())

    async def _end(self, error: BaseException | None) -> None:
        if not self._over:
            self._over = True
            await _tell(self._ended, error)


def status_of(error: BaseException | None, call: Call) -> StatusCode:
    """The status that an outcome has for the caller."""
    if error is None:
        return StatusCode.OK
    if isinstance(error, RpcError):
        return error.status
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return StatusCode.DEADLINE_EXCEEDED if call.expired else StatusCode.CANCELLED
    return StatusCode.INTERNAL


async def _tell(ended: Ended, error: BaseException | None) -> None:
    told = ended(error)
    if inspect.isawaitable(told):
        await told
