"""When to dial again after a connection was lost: exponential back-off with full jitter.

Every pause is drawn evenly between nothing and a bound that doubles, so the clients of a server that restarts come back
spread out instead of all at once (the "full jitter" of the AWS Architecture Blog, 2015).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from aster.foundation.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Reconnect:
    """The pause before the first attempt is at most ``first_seconds``, before later ones twice as much each time.

    No pause is above ``most_seconds``. Calls wait meanwhile, up to their deadlines; after ``give_up_seconds`` they end
    with UNAVAILABLE, and the next call dials afresh.
    """

    first_seconds: float = 0.1
    """The longest pause before the first attempt."""
    most_seconds: float = 10.0
    """The longest pause at all."""
    give_up_seconds: float = 60.0
    """After so long, calls that wait fail."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ConfigError(f"Reconnect.{name} must be above 0, got {getattr(self, name)}")

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each attempt, without end."""
        bound = self.first_seconds
        while True:
            yield random.uniform(0, min(bound, self.most_seconds))  # noqa: S311  # spreads load, keeps no secret
            bound = min(2 * bound, self.most_seconds)


DEFAULT_RECONNECT = Reconnect()
