"""So many calls a second: a token bucket for all, or for each service, method or peer. A server's.

A call that finds no token is RESOURCE_EXHAUSTED; ``details['retry_after_ms']`` says when one will be there, and `Retry`
waits for it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from aster.foundation.errors import ConfigError
from aster.rpc.interception import Proceed
from aster.rpc.status import ResourceExhaustedError

RETRY_AFTER = "retry_after_ms"

KEYS: Mapping[str, Callable[[Any], Hashable]] = {
    "global": lambda call: None,
    "service": lambda call: call.service,
    "method": lambda call: (call.service, call.method),
    "peer": lambda call: getattr(call, "peer", None),
}


class RateLimit:
    """``rate`` calls a second with bursts of ``burst`` (default: one second's), counted ``per`` a key of `KEYS`.

    At most ``max_buckets`` are kept, so that peers can't fill the memory; the one unused for longest goes first.
    ``clock`` gives seconds.
    """

    def __init__(
        self,
        rate: float,
        *,
        burst: float | None = None,
        per: str = "global",
        max_buckets: int = 10_000,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._burst = max(1.0, rate) if burst is None else burst
        if not rate > 0 or not self._burst >= 1 or max_buckets < 1:
            raise ConfigError("RateLimit: rate must be above 0, burst and max_buckets at least 1")
        if per not in KEYS:
            raise ConfigError(f"RateLimit: per={per!r} is not known", hint=", ".join(KEYS))
        self._rate = rate
        self._per = per
        self._key = KEYS[per]
        self._max_buckets = max_buckets
        self._clock = clock or (lambda: time.monotonic())
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    async def __call__(self, call: Any, request: Any, proceed: Proceed) -> Any:
        wait = self._take(self._key(call))
        if wait > 0:
            raise ResourceExhaustedError(
                f"more than {self._rate:g} calls a second ({self._per})",
                details={RETRY_AFTER: str(max(1, round(wait * 1000)))},
            )
        return await proceed(request)

    def _take(self, key: Hashable) -> float:
        """Take a token: 0, or the seconds until there is one."""
        now = self._clock()
        tokens, since = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        taken = tokens >= 1
        self._buckets[key] = (tokens - 1 if taken else tokens, now)
        if len(self._buckets) > self._max_buckets:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / self._rate
