"""The frames of protocol version 1 and what their bodies hold. Integers are little-endian.

=========  ======  ==============================================================================
kind       sender  body
=========  ======  ==============================================================================
HELLO      both    MessagePack array `Hello`; first frame of each side; call id 0
METHOD     client  MessagePack array `Declaration`; the frame's id names the method from here on
REQUEST    client  method u32, milliseconds left u32 (0: no deadline), metadata bytes u16,
                   encoding u8, metadata (MessagePack map), message
STREAM     client  like REQUEST without a message: the client's ITEMs follow, until its END
ITEM       both    one message of a stream; costs a credit
END        both    the client's input is complete; the server's stream, and the call, is over
CREDIT     both    items u32, bytes u32: what the peer may send more of, for this call
REPLY      server  message
ERROR      server  MessagePack array `Status`
CANCEL     client  nothing; the caller no longer waits
PING       both    up to 16 bytes, which PONG returns; call id 0
GOAWAY     server  MessagePack text: no new calls, and why; call id 0
FAR_*      both    REQUEST, REPLY and ITEM whose message is elsewhere: in its place stands the number
                   of a one-way stream u64 and the message's length u32
SESSION    both    nothing; the frame's id is a session: the client asks for it, the server opens it
LEAVE      both    the client ends a session: nothing; the server refuses one: MessagePack array `Status`
=========  ======  ==============================================================================

Call ids are the client's, strictly increasing from 1. A frame for a call that is over is late and is ignored. A stream
begins with the credits of the receiver's HELLO: ``window_items`` messages and ``window_bytes`` bytes. A message may be
sent while both are above zero, so the last one may overdraw the bytes.

Session numbers are the client's, counting up from 1; 0 is the connection's own session, always there. A METHOD names
the session that calls with its number belong to, so a call carries nothing for it; LEAVE takes such numbers back.
"""

import struct
from enum import IntEnum

import msgspec

PROTOCOL_VERSION = 1

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes from outside: a wrong form, texts that are no UTF-8, lists in lists without end."""


class Kind(IntEnum):
    """The first byte after a frame's length."""

    HELLO = 1
    METHOD = 2
    REQUEST = 3
    REPLY = 4
    ERROR = 5
    ITEM = 6
    END = 7
    CREDIT = 8
    CANCEL = 9
    PING = 10
    PONG = 11
    GOAWAY = 12
    STREAM = 13
    FAR_REQUEST = 14
    FAR_REPLY = 15
    FAR_ITEM = 16
    SESSION = 17
    LEAVE = 18


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """A side's version of the protocol and what it takes at most."""

    version: int
    max_message_bytes: int
    max_concurrent_calls: int
    window_items: int
    window_bytes: int
    body_streams: int = 0
    """How many messages on streams of their own this side reads at once; 0: none, all stay on the lane."""


class Declaration(msgspec.Struct, frozen=True, array_like=True, cache_hash=True):
    """A method by name, declared once a connection and session so that requests carry a small number."""

    service: str
    version: int
    method: str
    pattern: str = "unary"
    session: int = 0


class FarBody(msgspec.Struct, frozen=True, gc=False):
    """Where a message is that does not travel on the lane: the one-way stream of its sender, and its length."""

    stream: int
    length: int


class Status(msgspec.Struct, frozen=True, array_like=True):
    """How a call failed."""

    status: int
    message: str
    details: dict[str, str] = {}


REQUEST_HEAD = struct.Struct("<IIHB")
CREDIT_BODY = struct.Struct("<II")
FAR_BODY = struct.Struct("<QI")
MAX_CREDIT = 2**31 - 1
MAX_MILLISECONDS = 2**32 - 1
MAX_PING_BYTES = 16
MAX_STATUS_CHARACTERS = 4096
MAX_STATUS_DETAILS = 32
