"""What one relay lets its clients use, each and together."""

import time
from collections.abc import Callable
from dataclasses import dataclass

FRAME_COST = 128
"""Bytes that a frame costs beside its own: a flood of tiny frames is a flood."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Numbers of connections, bytes and seconds; rates count payload and `FRAME_COST` a frame."""

    max_clients: int = 1024
    max_unproven: int = 256
    """Connections that have not proven a key yet."""
    max_bytes_per_second: int = 8 << 20
    """Of one client; above it the relay reads more slowly from that client."""
    max_total_bytes_per_second: int = 64 << 20
    max_queue_bytes: int = 1 << 20
    """That wait to be sent to one client; above it datagrams are dropped, as a router drops them."""
    max_total_queue_bytes: int = 64 << 20
    max_frame_bytes: int = 128 << 10
    max_peers: int = 1024
    """That one client is remembered to have sent to, to tell them when it is gone."""
    burst_seconds: float = 1.0
    proof_seconds: float = 10.0
    ping_seconds: float = 15.0
    dead_after_seconds: float = 40.0
    drain_seconds: float = 3.0


DEFAULT_RELAY_LIMITS = RelayLimits()


class Meter:
    """A token bucket that may go into debt; the debt is the time to wait."""

    def __init__(self, per_second: float, burst_seconds: float, clock: Clock = time.monotonic) -> None:
        self._per_second = per_second
        self._most = per_second * burst_seconds
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def spend(self, amount: int) -> float:
        """Spend ``amount``; returns the seconds after which the debt is paid, 0 when there is none."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second) - amount
        self._at = now
        return max(0.0, -self._left / self._per_second)
