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
    """

    max_message_bytes: int = 16 * 1024 * 1024
    """Of one request, answer or stream item."""
    lane_message_bytes: int = 64 * 1024
    """Messages above it travel on QUIC streams of their own."""
    body_streams: int = 16
    """Such messages that are read at once on one connection."""
    max_bytes_in_flight: int = 256 * 1024 * 1024
    """What unread stream items and large requests of one connection hold here; and, apart from them, large answers
    that the peer has not taken."""
    max_concurrent_calls: int = 1024
    """Running calls of one connection."""
    max_connections: int = 1024
    """Of one server, those that are arriving included."""
    max_handshakes: int = 256
    """Connections that are arriving; from half of it on, one address may hold an eighth."""
    max_methods: int = 16_384
    """Methods that one connection has named, counted anew in each of its sessions."""
    max_sessions: int = 1024
    """Of one connection, besides its own."""
    stream_window_items: int = 512
    """Items that one stream may have under way before its reader reads."""
    stream_window_bytes: int = 8 * 1024 * 1024
    """Their bytes; a single item may be larger."""
    max_metadata_entries: int = 64
    """Keys of one call's metadata."""
    max_metadata_bytes: int = 8192
    """All keys and values of one call's metadata."""
    handshake_seconds: float = 10.0
    """For a connection, its admission and its greeting, each."""
    ping_seconds: float = 3.0
    """Silence after which the peer is asked for a sign of life."""
    dead_after_seconds: float = 9.0
    """Silence after which it counts as gone."""

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
