"""Rate limits: a token bucket for each tenant and for each address, in memory, bounded."""

import math
from collections import OrderedDict
from dataclasses import dataclass

from aster.policy.service.errors import RateLimited

MOST_BUCKETS = 50_000
"""Buckets kept; the least recently used is forgotten, which can only let a caller through earlier."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``requests`` in ``seconds``, refilled steadily; the bucket holds one window's worth."""

    requests: int
    seconds: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated_ms: int


class Buckets:
    """Token buckets by key. Call from one thread."""

    def __init__(self, most: int = MOST_BUCKETS) -> None:
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._most = most

    def take(self, key: str, limit: Limit, cost: int, now_ms: int) -> list[tuple[bytes, bytes]]:
        """Pay ``cost`` tokens; returns the answer's ``X-RateLimit-*`` headers, raises `RateLimited` with them.

        A cost above the whole bucket takes all of it: a big batch must wait for a full bucket, but is not impossible.
        """
        rate = limit.requests / (limit.seconds * 1000)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(limit.requests, now_ms)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        elapsed = max(0, now_ms - bucket.updated_ms)
        bucket.tokens = min(limit.requests, bucket.tokens + elapsed * rate)
        bucket.updated_ms = now_ms
        wanted = min(cost, limit.requests)
        allowed = bucket.tokens >= wanted
        if allowed:
            bucket.tokens -= wanted
        headers = _headers(limit, bucket.tokens, now_ms + (limit.requests - bucket.tokens) / rate)
        if not allowed:
            seconds = max(1, math.ceil((wanted - bucket.tokens) / rate / 1000))
            raise RateLimited(
                f"more than {limit.requests} requests in {limit.seconds} s",
                hint=f"try again after {seconds} seconds",
                retry_after=seconds,
                headers=headers,
            )
        return headers


def _headers(limit: Limit, left: float, full_ms: float) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-ratelimit-limit", b"%d" % limit.requests),
        (b"x-ratelimit-remaining", b"%d" % int(left)),
        (b"x-ratelimit-reset", b"%d" % math.ceil(full_ms / 1000)),
    ]
