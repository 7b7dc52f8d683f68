"""What the evaluation sockets of one process may take: places by tenant and address, messages by second."""

import contextlib
import time
from collections.abc import Iterator

from aster.foundation.http.rates import Buckets, Limit, RateLimited

Place = tuple[str, str | None]
"""A tenant, and the address that a connection comes from."""


class Connections:
    """How many sockets are open at each place, with a bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[Place, int] = {}

    @property
    def count(self) -> int:
        """At all places."""
        return sum(self._open.values())

    @contextlib.contextmanager
    def one_more(self, place: Place) -> Iterator[None]:
        """Hold one; raises `RateLimited` when all are taken."""
        count = self._open.get(place, 0)
        if count >= self._most:
            raise RateLimited(
                f"{self._most} sockets of this tenant are open from this address",
                hint="close one, or share one",
                retry_after=1,
                headers=(),
            )
        self._open[place] = count + 1
        try:
            yield
        finally:
            self._open[place] -= 1
            if not self._open[place]:
                del self._open[place]


class MessagePace:
    """One connection's messages: so many a second, and as many at once."""

    def __init__(self, messages: int) -> None:
        self._limit = Limit(messages, 1)
        self._bucket = Buckets(1)

    def take(self) -> None:
        """Count one; raises `RateLimited`."""
        self._bucket.take("", self._limit, 1, time.monotonic_ns() // 1_000_000)
