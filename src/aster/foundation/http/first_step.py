"""A coroutine's first step, taken at once: what is there already needs no timer and no turn of the event loop."""

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class FirstStep(Generic[T]):
    """Runs the coroutine up to where it first waits. Await this once for the rest, from the same task."""

    __slots__ = ("_coroutine", "_value", "_waits_for", "is_done")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._value: Any = None
        self._waits_for: Any = None
        self.is_done = False
        try:
            self._waits_for = coroutine.send(None)
        except StopIteration as done:
            self._value = done.value
            self.is_done = True

    @property
    def value(self) -> T:
        """What the coroutine returned, once ``is_done``."""
        value: T = self._value
        return value

    def __await__(self) -> Generator[Any, Any, T]:
        """Hands the loop what the coroutine waits for, and the coroutine what the loop answers, also a cancellation."""
        while not self.is_done:
            try:
                answer = yield self._waits_for
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                self._go_on(self._coroutine.throw, error)
            else:
                self._go_on(self._coroutine.send, answer)
        return self.value

    def _go_on(self, step: Any, argument: Any) -> None:
        try:
            self._waits_for = step(argument)
        except StopIteration as done:
            self._value = done.value
            self.is_done = True
