"""A table of calls as methods: the same parameters, one kind that answers and one to await."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from aster.policy.client.calls import Call

P = ParamSpec("P")
T = TypeVar("T")


class _Sends(Protocol):
    def send(self, call: Call[T]) -> T: ...


class _SendsLater(Protocol):
    def send(self, call: Call[T]) -> Awaitable[T]: ...


class Method(Generic[P, T]):
    """``evaluate = Method(calls.evaluate)``: makes the call and sends it."""

    def __init__(self, make: Callable[P, Call[T]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(self, client: _Sends, owner: type[Any]) -> Callable[P, T]:
        @functools.wraps(self._make)
        def method(*arguments: P.args, **named: P.kwargs) -> T:
            return client.send(self._make(*arguments, **named))

        return method


class AsyncMethod(Generic[P, T]):
    """`Method`, to await."""

    def __init__(self, make: Callable[P, Call[T]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(self, client: _SendsLater, owner: type[Any]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(self._make)
        def method(*arguments: P.args, **named: P.kwargs) -> Awaitable[T]:
            return client.send(self._make(*arguments, **named))

        return method
