"""The two sides of a lane: `ClientProtocol` and `ServerProtocol`.

Neither does I/O. `receive` turns bytes into events; every other method returns the bytes to write. What `receive`
itself wants answered (PONG, refusals of oversized requests) waits in `answers`.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from aster.rpc.limits import RpcLimits
from aster.rpc.protocol.events import (
    CallCancelled,
    CreditReceived,
    Event,
    Failed,
    GoingAway,
    Greeted,
    ItemReceived,
    MethodDeclared,
    PeerEnded,
    Replied,
    Requested,
    SessionAsked,
    SessionLeft,
    SessionOpened,
    SessionRefused,
    Unwanted,
)
from aster.rpc.protocol.states import CallStates, Role, SessionState, SessionStates
from aster.rpc.protocol.wire import (
    CREDIT_BODY,
    FAR_BODY,
    MAX_PING_BYTES,
    MAX_STATUS_CHARACTERS,
    MAX_STATUS_DETAILS,
    PROTOCOL_VERSION,
    REQUEST_HEAD,
    UNREADABLE,
    Declaration,
    FarBody,
    Hello,
    Kind,
    Status,
)
from aster.rpc.status import StatusCode
from aster.transport.errors import FramingError
from aster.transport.framing import HEADER, MIN_LENGTH, FrameSplitter, frame

T = TypeVar("T")
Taker = Callable[[Any, int, bytes, list[Event]], None]
"""Of a side, a frame's call and body: what became of it is added to the events."""

_encode = msgspec.msgpack.Encoder().encode
_hello = msgspec.msgpack.Decoder(Hello)
_declaration = msgspec.msgpack.Decoder(Declaration)
_status = msgspec.msgpack.Decoder(Status)
_text = msgspec.msgpack.Decoder(str)

# In Python 3.11 naming an enum's member costs 0.2 µs, a call of Python's own: what every call needs is named here.
_REQUEST, _REPLY, _ITEM = Kind.REQUEST, Kind.REPLY, Kind.ITEM
_CLIENT, _SERVER = Role.CLIENT, Role.SERVER

REQUEST_OVERHEAD = REQUEST_HEAD.size + 2**16
HEAD_BYTES = REQUEST_HEAD.size
_REQUEST_FRAME_BYTES = MIN_LENGTH + HEAD_BYTES
_REQUEST_FRAME = struct.Struct(HEADER.format + REQUEST_HEAD.format.removeprefix("<"))


class ProtocolViolation(FramingError):
    """The peer sent what the protocol does not allow; its connection is closed."""

    code = "PROTOCOL_VIOLATION"


class _Protocol:
    me: ClassVar[Role]
    other: ClassVar[Role]

    def __init__(self, limits: RpcLimits, body_streams: int = 0) -> None:
        self._limits = limits
        self._body_streams = body_streams
        self._splitter = FrameSplitter(limits.max_message_bytes + REQUEST_OVERHEAD)
        self._answers: list[bytes] = []
        self._calls = CallStates()
        self._sessions = SessionStates()
        self.peer: Hello | None = None

    def hello(self) -> bytes:
        """This side's first frame."""
        limits = self._limits
        mine = Hello(
            PROTOCOL_VERSION,
            limits.max_message_bytes,
            limits.max_concurrent_calls,
            limits.stream_window_items,
            limits.stream_window_bytes,
            self._body_streams,
        )
        return frame(Kind.HELLO, 0, _encode(mine))

    def ping(self) -> bytes:
        """Ask the peer for a sign of life."""
        return frame(Kind.PING, 0)

    def item(self, call: int, body: bytes) -> bytes:
        """One message of a stream; nothing to write when the call is over."""
        if not self._calls.say(call, self.me, _ITEM):
            return b""
        return HEADER.pack(MIN_LENGTH + len(body), _ITEM, call) + body

    def far_item(self, call: int, place: FarBody) -> bytes:
        """One message of a stream that travels elsewhere; nothing to write when the call is over."""
        if not self._calls.say(call, self.me, _ITEM):
            return b""
        return frame(Kind.FAR_ITEM, call, _far(place))

    def end(self, call: int) -> bytes:
        """The end of this side's stream; nothing to write when the call is over."""
        if not self._calls.say(call, self.me, Kind.END):
            return b""
        return frame(Kind.END, call)

    def credit(self, call: int, items: int, size: int) -> bytes:
        """Let the peer send more; nothing to write when the call is over."""
        if not self._calls.say(call, self.me, Kind.CREDIT):
            return b""
        return frame(Kind.CREDIT, call, CREDIT_BODY.pack(items, size))

    def is_open(self, call: int) -> bool:
        """May this side still say something in a call?"""
        return self._calls.is_open(call)

    def receive(self, data: bytes) -> list[Event]:
        """The events in ``data``; `ProtocolViolation` or `FramingError` end the connection."""
        events: list[Event] = []
        taker_of = self.takers.get
        for kind, call, body in self._splitter.feed(data):
            if self.peer is None and kind != Kind.HELLO:
                raise ProtocolViolation("the first frame was no HELLO")
            taker = taker_of(kind)
            if taker is None:
                raise ProtocolViolation(f"frames of kind {kind} don't belong here")
            if body is None:
                self._take_oversized(kind, call, events)
            else:
                taker(self, call, body, events)
        return events

    def answers(self) -> bytes:
        """What received frames ask to be written, once."""
        if not self._answers:
            return b""
        data = b"".join(self._answers)
        self._answers.clear()
        return data

    def _take_hello(self, call: int, body: bytes, events: list[Event]) -> None:
        if self.peer is not None:
            raise ProtocolViolation("a second HELLO")
        hello = _decoded(_hello, body, "HELLO")
        if hello.version != PROTOCOL_VERSION:
            raise ProtocolViolation(f"the peer speaks version {hello.version}, this side {PROTOCOL_VERSION}")
        self.peer = hello
        events.append(Greeted(hello))

    def _take_ping(self, call: int, body: bytes, events: list[Event]) -> None:
        if len(body) > MAX_PING_BYTES:
            raise ProtocolViolation("a PING that is too long")
        self._answers.append(frame(Kind.PONG, 0, body))

    def _take_pong(self, call: int, body: bytes, events: list[Event]) -> None:
        """Any byte received is a sign of life; the frame itself says nothing more."""

    def _take_item(self, call: int, body: bytes, events: list[Event]) -> None:
        if len(body) > self._limits.max_message_bytes:
            raise ProtocolViolation("an ITEM above the limit")
        if self._receive_move(call, _ITEM):
            events.append(ItemReceived(call, body))

    def _take_far_item(self, call: int, body: bytes, events: list[Event]) -> None:
        place = _place(body)
        if place.length > self._limits.max_message_bytes:
            raise ProtocolViolation("an ITEM above the limit")
        events.append(ItemReceived(call, place) if self._receive_move(call, _ITEM) else Unwanted(place))

    def _take_end(self, call: int, body: bytes, events: list[Event]) -> None:
        if self._receive_move(call, Kind.END):
            events.append(PeerEnded(call))

    def _take_credit(self, call: int, body: bytes, events: list[Event]) -> None:
        if len(body) != CREDIT_BODY.size:
            raise ProtocolViolation("a CREDIT of the wrong length")
        if self._receive_move(call, Kind.CREDIT):
            events.append(CreditReceived(call, *CREDIT_BODY.unpack(body)))

    def _take_oversized(self, kind: int, call: int, events: list[Event]) -> None:
        raise ProtocolViolation(f"a frame of kind {kind} above the limit")

    def _session_move(self, session: int, kind: Kind) -> bool:
        try:
            return self._sessions.move(session, self.other, kind)
        except KeyError:
            raise ProtocolViolation(f"{kind.name} is not allowed for session {session}") from None

    def _receive_move(self, call: int, kind: Kind) -> bool:
        try:
            return self._calls.move(call, self.other, kind)
        except KeyError:
            raise ProtocolViolation(f"{kind.name} is not allowed for call {call}") from None

    takers: ClassVar[Mapping[int, Taker]] = {
        Kind.HELLO: _take_hello,
        Kind.PING: _take_ping,
        Kind.PONG: _take_pong,
        Kind.ITEM: _take_item,
        Kind.END: _take_end,
        Kind.CREDIT: _take_credit,
        Kind.FAR_ITEM: _take_far_item,
    }
    """What to do with each kind of frame that this side may receive."""


class ClientProtocol(_Protocol):
    """The side that calls."""

    me, other = Role.CLIENT, Role.SERVER

    def __init__(self, limits: RpcLimits, body_streams: int = 0) -> None:
        super().__init__(limits, body_streams)
        self._methods = 0

    def declare(self, declaration: Declaration) -> tuple[int, bytes]:
        """A number for a method, and the frame that tells the server."""
        self._methods += 1
        return self._methods, frame(Kind.METHOD, self._methods, _encode(declaration))

    def request(self, method: int, milliseconds: int, encoding: int, metadata: bytes, body: bytes) -> tuple[int, bytes]:
        """Begin a call: its id, and its frame."""
        call = self._calls.last_call + 1
        self._calls.begin(call, _REQUEST)
        size = _REQUEST_FRAME_BYTES + len(metadata) + len(body)
        head = _REQUEST_FRAME.pack(size, _REQUEST, call, method, milliseconds, len(metadata), encoding)
        return call, head + metadata + body

    def far_request(
        self, method: int, milliseconds: int, encoding: int, metadata: bytes, place: FarBody
    ) -> tuple[int, bytes]:
        """Begin a call whose message travels elsewhere: its id, and its frame."""
        call = self._calls.last_call + 1
        self._calls.move(call, _CLIENT, _REQUEST)
        head = REQUEST_HEAD.pack(method, milliseconds, len(metadata), encoding)
        return call, frame(Kind.FAR_REQUEST, call, head + metadata + _far(place))

    def stream(self, method: int, milliseconds: int, encoding: int, metadata: bytes) -> tuple[int, bytes]:
        """Begin a call whose input follows as items: its id, and its frame."""
        call = self._calls.last_call + 1
        self._calls.move(call, _CLIENT, Kind.STREAM)
        return call, frame(
            Kind.STREAM, call, REQUEST_HEAD.pack(method, milliseconds, len(metadata), encoding) + metadata
        )

    def cancel(self, call: int) -> bytes:
        """Give a call up; nothing to write when it is over already."""
        return frame(Kind.CANCEL, call) if self._calls.move(call, _CLIENT, Kind.CANCEL) else b""

    def ask_session(self) -> tuple[int, bytes]:
        """Ask for a session: its number, and the frame."""
        session = self._sessions.last_session + 1
        self._sessions.move(session, _CLIENT, Kind.SESSION)
        return session, frame(Kind.SESSION, session)

    def leave(self, session: int) -> bytes:
        """End a session; nothing to write when it is over already."""
        return frame(Kind.LEAVE, session) if self._sessions.move(session, _CLIENT, Kind.LEAVE) else b""

    def _take_session(self, session: int, body: bytes, events: list[Event]) -> None:
        if self._session_move(session, Kind.SESSION):
            events.append(SessionOpened(session))

    def _take_refusal(self, session: int, body: bytes, events: list[Event]) -> None:
        status = _decoded(_status, body, "LEAVE")
        if self._session_move(session, Kind.LEAVE):
            events.append(SessionRefused(session, status))

    def _take_reply(self, call: int, body: bytes, events: list[Event]) -> None:
        try:
            if self._calls.finish(call):
                events.append(Replied(call, body))
        except KeyError:
            raise ProtocolViolation(f"REPLY is not allowed for call {call}") from None

    def _take_far_reply(self, call: int, body: bytes, events: list[Event]) -> None:
        place = _place(body)
        if not self._receive_move(call, _REPLY):
            events.append(Unwanted(place))
        elif place.length > self._limits.max_message_bytes:
            events += (Unwanted(place), Failed(call, _too_long("the answer", self._limits)))
        else:
            events.append(Replied(call, place))

    def _take_error(self, call: int, body: bytes, events: list[Event]) -> None:
        status = _decoded(_status, body, "ERROR")
        if self._receive_move(call, Kind.ERROR):
            events.append(Failed(call, status))

    def _take_goaway(self, call: int, body: bytes, events: list[Event]) -> None:
        events.append(GoingAway(_decoded(_text, body, "GOAWAY")))

    def _take_oversized(self, kind: int, call: int, events: list[Event]) -> None:
        if kind not in (_REPLY, Kind.ERROR):
            super()._take_oversized(kind, call, events)
        if self._receive_move(call, Kind(kind)):
            events.append(Failed(call, _too_long("the answer", self._limits)))

    takers: ClassVar[Mapping[int, Taker]] = {
        **_Protocol.takers,
        Kind.REPLY: _take_reply,
        Kind.FAR_REPLY: _take_far_reply,
        Kind.ERROR: _take_error,
        Kind.GOAWAY: _take_goaway,
        Kind.SESSION: _take_session,
        Kind.LEAVE: _take_refusal,
    }


class ServerProtocol(_Protocol):
    """The side that answers."""

    me, other = Role.SERVER, Role.CLIENT

    def __init__(self, limits: RpcLimits, body_streams: int = 0) -> None:
        super().__init__(limits, body_streams)
        self._methods = 0
        self._released = 0
        self._methods_of: dict[int, list[int]] = {}

    def reply(self, call: int, body: bytes) -> bytes:
        """End a call well; nothing to write when its caller has gone."""
        if not self._calls.finish(call):
            return b""
        return HEADER.pack(MIN_LENGTH + len(body), _REPLY, call) + body

    def far_reply(self, call: int, place: FarBody) -> bytes:
        """End a call well with a message that travels elsewhere; nothing to write when its caller has gone."""
        if not self._calls.say(call, _SERVER, _REPLY):
            return b""
        return frame(Kind.FAR_REPLY, call, _far(place))

    def fail(self, call: int, status: int, message: str, details: Mapping[str, str] | None = None) -> bytes:
        """End a call badly; nothing to write when its caller has gone. Long texts are cut."""
        if not self._calls.say(call, _SERVER, Kind.ERROR):
            return b""
        few = dict(list((details or {}).items())[:MAX_STATUS_DETAILS])
        short = {str(key)[:256]: str(value)[:MAX_STATUS_CHARACTERS] for key, value in few.items()}
        return frame(Kind.ERROR, call, _encode(Status(int(status), message[:MAX_STATUS_CHARACTERS], short)))

    def open_session(self, session: int) -> bytes:
        """Grant a session that was asked for."""
        self._sessions.move(session, _SERVER, Kind.SESSION)
        return frame(Kind.SESSION, session)

    def refuse_session(self, session: int, status: int, message: str) -> bytes:
        """Refuse a session that was asked for."""
        self._sessions.move(session, _SERVER, Kind.LEAVE)
        return frame(Kind.LEAVE, session, _encode(Status(int(status), message[:MAX_STATUS_CHARACTERS])))

    def go_away(self, reason: str) -> bytes:
        """Tell the client to begin no more calls here."""
        return frame(Kind.GOAWAY, 0, _encode(reason))

    def _take_method(self, method: int, body: bytes, events: list[Event]) -> None:
        if method != self._methods + 1:
            raise ProtocolViolation("METHOD numbers must count up from 1")
        if method - self._released > self._limits.max_methods:
            raise ProtocolViolation(f"more than {self._limits.max_methods} methods declared")
        self._methods = method
        declaration = _decoded(_declaration, body, "METHOD")
        if self._sessions.state(declaration.session) is SessionState.OPEN:
            self._methods_of.setdefault(declaration.session, []).append(method)
        events.append(MethodDeclared(method, declaration))

    def _take_session(self, session: int, body: bytes, events: list[Event]) -> None:
        self._session_move(session, Kind.SESSION)
        events.append(SessionAsked(session))

    def _take_leave(self, session: int, body: bytes, events: list[Event]) -> None:
        if self._session_move(session, Kind.LEAVE):
            methods = tuple(self._methods_of.pop(session, ()))
            self._released += len(methods)
            events.append(SessionLeft(session, methods))

    def _take_request(self, call: int, body: bytes, events: list[Event]) -> None:
        try:
            self._calls.begin(call, _REQUEST)
        except KeyError:
            raise ProtocolViolation(f"REQUEST is not allowed for call {call}") from None
        self._take_call(call, body, events, streams=False)

    def _take_far_request(self, call: int, body: bytes, events: list[Event]) -> None:
        self._receive_move(call, _REQUEST)
        self._take_call(call, body, events, streams=False, far=True)

    def _take_stream(self, call: int, body: bytes, events: list[Event]) -> None:
        self._receive_move(call, Kind.STREAM)
        self._take_call(call, body, events, streams=True)

    def _take_call(self, call: int, body: bytes, events: list[Event], *, streams: bool, far: bool = False) -> None:
        if len(body) < HEAD_BYTES:
            raise ProtocolViolation("a REQUEST that is too short")
        method, milliseconds, metadata_bytes, encoding = REQUEST_HEAD.unpack_from(body)
        start = HEAD_BYTES + metadata_bytes
        if start > len(body) or not 0 < method <= self._methods or encoding > 1:
            raise ProtocolViolation("a REQUEST whose head contradicts itself")
        message: bytes | FarBody = _place(body[start:]) if far else body[start:]
        length = message.length if isinstance(message, FarBody) else len(message)
        if length > self._limits.max_message_bytes:
            self._refuse_long(call)
            if isinstance(message, FarBody):
                events.append(Unwanted(message))
            return
        metadata = body[HEAD_BYTES:start] if metadata_bytes else b""
        events.append(Requested(call, method, milliseconds, encoding, metadata, message, streams))

    def _take_cancel(self, call: int, body: bytes, events: list[Event]) -> None:
        if self._receive_move(call, Kind.CANCEL):
            events.append(CallCancelled(call))

    def _take_oversized(self, kind: int, call: int, events: list[Event]) -> None:
        if kind != Kind.REQUEST:
            super()._take_oversized(kind, call, events)
        self._receive_move(call, _REQUEST)
        self._refuse_long(call)

    def _refuse_long(self, call: int) -> None:
        status = _too_long("the request", self._limits)
        self._answers.append(self.fail(call, status.status, status.message))

    takers: ClassVar[Mapping[int, Taker]] = {
        **_Protocol.takers,
        Kind.METHOD: _take_method,
        Kind.SESSION: _take_session,
        Kind.LEAVE: _take_leave,
        Kind.REQUEST: _take_request,
        Kind.FAR_REQUEST: _take_far_request,
        Kind.STREAM: _take_stream,
        Kind.CANCEL: _take_cancel,
    }


def _too_long(what: str, limits: RpcLimits) -> Status:
    return Status(StatusCode.RESOURCE_EXHAUSTED, f"{what} is above the limit of {limits.max_message_bytes} bytes")


def _far(place: FarBody) -> bytes:
    return FAR_BODY.pack(place.stream, place.length)


def _place(body: bytes) -> FarBody:
    if len(body) != FAR_BODY.size:
        raise ProtocolViolation("a message elsewhere, in a frame of the wrong length")
    return FarBody(*FAR_BODY.unpack(body))


def _decoded(decoder: "msgspec.msgpack.Decoder[T]", body: bytes, what: str) -> T:
    try:
        return decoder.decode(body)
    except UNREADABLE:
        raise ProtocolViolation(f"a {what} that can't be read") from None
