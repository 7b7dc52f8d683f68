"""The limits of one connection, each enforced with a status of its own."""

from dataclasses import dataclass

from aster.foundation.errors import ConfigError

MAX_METADATA_BYTES = 65_535
MAX_WINDOW = 2**30
MAX_MESSAGE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """Bytes, counts and seconds.

    A message or metadata above its limit, or one call too many, answers RESOURCE_EXHAUSTED; a peer that breaks the
    protocol itself (too many methods, no greeting in time, more items than it has credits for) loses its connection.
    ``max_sessions`` are those of one connection besides its own; ``max_methods`` are counted anew in each of them.
    ``stream_window_items`` and ``stream_window_bytes`` are what one stream may have under way before its reader reads.
    Messages above ``lane_message_bytes`` travel on streams of their own, ``body_streams`` at once; a connection whose
    unread stream items and large requests hold more than ``max_bytes_in_flight``, or whose large answers that the peer
    has not taken do, gets RESOURCE_EXHAUSTED for more.
    """

    max_message_bytes: int = 16 * 1024 * 1024
    lane_message_bytes: int = 64 * 1024
    body_streams: int = 16
    max_bytes_in_flight: int = 256 * 1024 * 1024
    max_concurrent_calls: int = 1024
    max_connections: int = 1024
    max_handshakes: int = 256
    max_methods: int = 16_384
    max_sessions: int = 1024
    stream_window_items: int = 512
    stream_window_bytes: int = 2 * 1024 * 1024
    max_metadata_entries: int = 64
    max_metadata_bytes: int = 8192
    handshake_seconds: float = 10.0
    ping_seconds: float = 3.0
    dead_after_seconds: float = 9.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ConfigError(f"RpcLimits.{name} must be above 0, got {getattr(self, name)}")
        if self.stream_window_items > MAX_WINDOW or self.stream_window_bytes > MAX_WINDOW:
            raise ConfigError(f"RpcLimits: a stream's window can't be above {MAX_WINDOW}")
        if self.max_message_bytes > MAX_MESSAGE:
            raise ConfigError(f"RpcLimits.max_message_bytes can't be above {MAX_MESSAGE}")
        if self.max_metadata_bytes > MAX_METADATA_BYTES:
            raise ConfigError(f"RpcLimits.max_metadata_bytes can't be above {MAX_METADATA_BYTES}")


DEFAULT_LIMITS = RpcLimits()
