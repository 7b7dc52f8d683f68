"""What one relay lets its clients use, each and together."""

from dataclasses import dataclass

FRAME_COST = 128
"""Bytes that a frame costs beside its own: a flood of tiny frames is a flood."""


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Numbers of connections, bytes and seconds; rates count payload and `FRAME_COST` a frame."""

    max_clients: int = 1024
    """That have proven their key."""
    max_unproven: int = 256
    """Connections that have not proven a key yet."""
    max_bytes_per_second: int = 8 << 20
    """Of one client; above it the relay reads more slowly from that client."""
    max_total_bytes_per_second: int = 64 << 20
    """Of all clients together."""
    max_connections_of_address: int = 256
    """At once, of one source address (IPv6: of one /64); a proxy in front of the relay is one address."""
    max_new_per_second_of_address: int = 20
    """Connections that one source address may begin; `burst_of_address_seconds` of them at once."""
    max_bytes_per_second_of_address: int = 32 << 20
    """Of all connections of one source address; above it the relay reads more slowly from them."""
    max_queue_bytes: int = 1 << 20
    """That wait to be sent to one client; above it datagrams are dropped, as a router drops them."""
    max_total_queue_bytes: int = 64 << 20
    """That wait to be sent to all clients together."""
    max_frame_bytes: int = 128 << 10
    """Of one frame; a client that sends a longer one is cut."""
    max_peers: int = 1024
    """That one client is remembered to have sent to, to tell them when it is gone."""
    burst_seconds: float = 1.0
    """So many seconds' bytes may come at once."""
    burst_of_address_seconds: float = 10.0
    """So many seconds' new connections of one source address may come at once."""
    proof_seconds: float = 10.0
    """To prove a key."""
    ping_seconds: float = 15.0
    """Between pings."""
    dead_after_seconds: float = 40.0
    """Silence after which a client is cut."""
    drain_seconds: float = 3.0
    """To hear the end of a connection, and of the relay."""


DEFAULT_RELAY_LIMITS = RelayLimits()
