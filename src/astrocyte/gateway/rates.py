"""The layer that limits how often one address may ask: before anybody is authenticated, so that guessing is limited."""

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aster.foundation.http.rates import Buckets, Limit
from aster.foundation.http.request import Request
from astrocyte.gateway.auth.dev import LOOPBACK

if TYPE_CHECKING:
    from astrocyte.gateway.settings import GatewaySettings

PUBLIC_LIMIT = 100
"""Requests a second of one address where strangers can ask and nothing else is configured."""


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def create_rate_layer(
    settings: "GatewaySettings", *, now_ms: Callable[[], int] = _wall_clock_ms
) -> Callable[[Request], Awaitable[None]] | None:
    """None where there is no limit. A refusal tells the limit and when to come back."""
    requests = settings.rate_limit_per_second
    if requests is None:
        requests = 0 if settings.host in LOOPBACK else PUBLIC_LIMIT
    if requests == 0:
        return None
    limit = Limit(requests, 1)
    buckets = Buckets()

    async def limit_rate(request: Request) -> None:
        if request.client is not None:
            buckets.take(request.client, limit, 1, now_ms())

    return limit_rate
