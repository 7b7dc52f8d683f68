"""Rate limits: a token bucket for each caller (an address, a tenant), in memory, bounded."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from aster.foundation.http.errors import HttpError

MOST_BUCKETS = 50_000
"""Buckets kept; the least recently used is forgotten, which can only let a caller through earlier."""


class RateLimited(HttpError):
    """Too many requests in too little time."""

    status = 429
    code = "RATE_LIMITED"

    def __init__(self, message: str, *, hint: str, retry_after: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        super().__init__(message, hint=hint)
        self.rate = list(headers)
        self.retry_after = retry_after
        self.headers = [(b"retry-after", b"%d" % retry_after), *headers]


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

    def take(self, key: str, limit: Limit, cost: int, now_ms: int) -> float:
        """Pay ``cost`` tokens; returns how many are left, raises `RateLimited` with the answer's headers.

        A cost above the whole bucket takes all of it: a big batch must wait for a full bucket, but is not impossible.
        """
        bucket = self._refilled(key, limit, now_ms)
        wanted = min(cost, limit.requests)
        is_paid = bucket.tokens >= wanted
        if is_paid:
            bucket.tokens -= wanted
        return settled(limit, bucket.tokens, wanted, now_ms, is_paid=is_paid)

    def _refilled(self, key: str, limit: Limit, now_ms: int) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(limit.requests, now_ms)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            return bucket
        self._buckets.move_to_end(key)
        earned = max(0, now_ms - bucket.updated_ms) * limit.requests / (limit.seconds * 1000)
        bucket.tokens = min(limit.requests, bucket.tokens + earned)
        bucket.updated_ms = now_ms
        return bucket


def settled(limit: Limit, tokens: float, wanted: int, now_ms: int, *, is_paid: bool) -> float:
    """How many tokens are left after paying; raises `RateLimited` when it could not be paid."""
    if is_paid:
        return tokens
    seconds = max(1, math.ceil((wanted - tokens) * limit.seconds / limit.requests))
    raise RateLimited(
        f"more than {limit.requests} requests in {limit.seconds} s",
        hint=f"try again after {seconds} seconds",
        retry_after=seconds,
        headers=rate_headers(limit, tokens, now_ms),
    )


def rate_headers(limit: Limit, tokens: float, now_ms: int) -> list[tuple[bytes, bytes]]:
    """``X-RateLimit-*``: the limit, what is left of it, and when (Unix seconds) the bucket will be full."""
    full_ms = now_ms + (limit.requests - tokens) * limit.seconds * 1000 / limit.requests
    return [
        (b"x-ratelimit-limit", b"%d" % limit.requests),
        (b"x-ratelimit-remaining", b"%d" % tokens),
        (b"x-ratelimit-reset", b"%d" % math.ceil(full_ms / 1000)),
    ]
