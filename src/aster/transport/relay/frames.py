"""The relay protocol's frames, without I/O: one websocket message each way is one frame.

===== ==================== ========= =====================================================================
kind  name                 from      what follows the kind byte
===== ==================== ========= =====================================================================
0     CHALLENGE            relay     16 random bytes
1     AUTHENTICATION       client    32-byte key, 64-byte signature (`challenge`)
2     CONFIRMED            relay     nothing
3     DENIED               relay     length-prefixed UTF-8 reason
4, 5  SEND, SEND_BATCH     client    32-byte destination, ECN byte, (batch: u16 segment size,) datagrams
6, 7  RECEIVE, …_BATCH     relay     32-byte source, and the rest as it was sent
8     GONE                 relay     32-byte key of a peer that is not connected
9, 10 PING, PONG           both      8 bytes, echoed
11    HEALTH               relay     UTF-8 problem; version 1 only
12    RESTARTING           relay     u32 milliseconds to wait, u32 milliseconds to keep trying, big-endian
13    STATUS               relay     0 healthy, 1 another connection has the same key; version 2 only
===== ==================== ========= =====================================================================

The protocol is the one of iroh-relay, versions 1 and 2, which the two ends agree on as a websocket subprotocol.
Datagrams are opaque: they are QUIC packets encrypted for the peer.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from aster.transport.errors import FramingError

VERSION_2 = "iroh-relay-v2"
VERSION_1 = "iroh-relay-v1"
VERSIONS = (VERSION_2, VERSION_1)
"""Best first."""

KEY_BYTES = 32
SIGNATURE_BYTES = 64
CHALLENGE_BYTES = 16
PING_BYTES = 8
MAX_VARINT_BYTE = 63
"""A kind is a QUIC variable-length integer; all that exist take one byte."""

ECN_BYTES = 1
SEGMENT_BYTES = 2
_ROUTED = 1 + KEY_BYTES


class FrameKind(IntEnum):
    """What the first byte of a frame says it is."""

    CHALLENGE = 0
    AUTHENTICATION = 1
    CONFIRMED = 2
    DENIED = 3
    SEND = 4
    SEND_BATCH = 5
    RECEIVE = 6
    RECEIVE_BATCH = 7
    GONE = 8
    PING = 9
    PONG = 10
    HEALTH = 11
    RESTARTING = 12
    STATUS = 13


class Status(IntEnum):
    """What a relay tells a client about its connection."""

    HEALTHY = 0
    REPLACED = 1


@dataclass(frozen=True, slots=True)
class Authentication:
    """A client's claim to a key, and its signature."""

    key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Datagrams for a peer: ``payload`` is everything behind the destination."""

    destination: bytes
    kind: FrameKind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a `Pong` with the same 8 bytes."""

    token: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a `Ping`."""

    token: bytes


@dataclass(frozen=True, slots=True)
class Ignored:
    """A kind that this version does not know: later versions may send it."""


ClientFrame = Authentication | Send | Ping | Pong | Ignored

_LEAST_PAYLOAD = {FrameKind.SEND: ECN_BYTES, FrameKind.SEND_BATCH: ECN_BYTES + SEGMENT_BYTES}


def parse_client_frame(message: bytes) -> ClientFrame:
    """What a client sent; raises `FramingError` for what can't be a frame or is not a client's to send."""
    if not message:
        raise FramingError("an empty message is no relay frame")
    kind = message[0]
    if kind in _LEAST_PAYLOAD:
        payload = message[_ROUTED:]
        if len(payload) < _LEAST_PAYLOAD[FrameKind(kind)]:
            raise FramingError(f"a datagram frame ends after {len(message)} bytes")
        return Send(message[1:_ROUTED], FrameKind(kind), payload)
    if kind in (FrameKind.PING, FrameKind.PONG):
        if len(message) != 1 + PING_BYTES:
            raise FramingError(f"a ping carries {PING_BYTES} bytes, got {len(message) - 1}")
        return Ping(message[1:]) if kind == FrameKind.PING else Pong(message[1:])
    if kind == FrameKind.AUTHENTICATION:
        return _authentication(message)
    if kind > FrameKind.STATUS:
        return Ignored()
    raise FramingError(f"a client does not send frames of kind {kind}")


def challenge_frame(challenge: bytes) -> bytes:
    return bytes([FrameKind.CHALLENGE]) + challenge


def confirmed_frame() -> bytes:
    return bytes([FrameKind.CONFIRMED])


def denied_frame(reason: str) -> bytes:
    """``reason`` takes at most 63 bytes."""
    text = reason.encode()[:MAX_VARINT_BYTE]
    return bytes([FrameKind.DENIED, len(text)]) + text


def receive_frame(source: bytes, sent: Send) -> bytes:
    """What the destination of ``sent`` gets: the same datagrams, with the source in the destination's place."""
    return b"".join((_RECEIVED[sent.kind], source, sent.payload))


def gone_frame(key: bytes) -> bytes:
    return bytes([FrameKind.GONE]) + key


def ping_frame(token: bytes) -> bytes:
    return bytes([FrameKind.PING]) + token


def pong_frame(token: bytes) -> bytes:
    return bytes([FrameKind.PONG]) + token


def status_frame(version: str, status: Status) -> bytes:
    """How a connection is: version 1 knows problems in words only, and silence for health."""
    if version == VERSION_2:
        return bytes([FrameKind.STATUS, status])
    words = b"another connection has the same key" if status is Status.REPLACED else b""
    return bytes([FrameKind.HEALTH]) + words


def restarting_frame(reconnect_in: float, try_for: float) -> bytes:
    """Both in seconds."""
    return struct.pack(">BII", FrameKind.RESTARTING, int(reconnect_in * 1000), int(try_for * 1000))


def _authentication(message: bytes) -> Authentication:
    expected = 1 + KEY_BYTES + 1 + SIGNATURE_BYTES
    if len(message) != expected or message[_ROUTED] != SIGNATURE_BYTES:
        raise FramingError(f"an authentication frame has {expected} bytes, got {len(message)}")
    return Authentication(message[1:_ROUTED], message[_ROUTED + 1 :])


_RECEIVED = {
    FrameKind.SEND: bytes([FrameKind.RECEIVE]),
    FrameKind.SEND_BATCH: bytes([FrameKind.RECEIVE_BATCH]),
}
