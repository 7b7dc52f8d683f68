"""A lane: one pipe, one side of the protocol, and the watch over the peer's life. The base of both connections."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from aster.rpc.flow import Inbox, SendWindow, StreamClosed
from aster.rpc.limits import RpcLimits
from aster.rpc.liveness import Liveness
from aster.rpc.protocol.core import ClientProtocol, ServerProtocol
from aster.rpc.protocol.events import CreditReceived, ItemReceived
from aster.rpc.protocol.wire import MAX_CREDIT
from aster.transport.errors import CloseCode, ConnectionLost, FramingError
from aster.transport.pipe import HIGH_WATER, Pipe

UNREAD_MESSAGES = 4
"""So many full pipes and longest messages may wait for a peer that asks but does not read; then it is cut off."""

Side = TypeVar("Side", ClientProtocol, ServerProtocol)

Closer = Callable[[CloseCode, str], None]
"""Ends the connection below the pipe, telling the peer a code and a reason."""


class Lane(ABC, Generic[Side]):
    """Feeds received bytes to the protocol and its events to their handlers; ends once, through `_ended`."""

    def __init__(self, pipe: Pipe, protocol: Side, limits: RpcLimits, closer: Closer) -> None:
        self._pipe = pipe
        self._protocol: Side = protocol
        self._limits = limits
        self._closer = closer
        self._liveness: Liveness | None = None
        self._over: ConnectionLost | None = None
        self._inboxes: dict[int, Inbox] = {}
        self._windows: dict[int, SendWindow] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            ItemReceived: self._item_received,
            CreditReceived: self._credit_received,
        }
        """What to do with each class of event; raising `ProtocolViolation` there ends the connection."""

    def start(self) -> None:
        """Greet the peer and begin to read."""
        self._pipe.write(self._protocol.hello())
        self._liveness = Liveness(self._limits, self._ping, self._peer_is_dead)
        self._pipe.start(self._received, self._end)

    @property
    def is_over(self) -> bool:
        return self._over is not None

    def close(self, code: CloseCode, reason: str) -> None:
        """End the connection from this side; the peer reads why."""
        self._shut(code, reason, ConnectionLost(f"closed by this side: {reason}", close_code=code, reason=reason))

    def _received(self, data: bytes) -> None:
        if self._over is not None or self._liveness is None:
            return
        self._liveness.heard()
        handlers = self._handlers
        try:
            for event in self._protocol.receive(data):
                handlers[type(event)](event)
        except FramingError as error:
            self.close(CloseCode.PROTOCOL_VIOLATION, error.message)
            return
        if answers := self._protocol.answers():
            self._pipe.write(answers)
        if self._pipe.waiting > UNREAD_MESSAGES * (HIGH_WATER + self._limits.max_message_bytes):
            self.close(CloseCode.TOO_BUSY, "answers are not being read")

    def new_inbox(self, call: int) -> Inbox:
        """Where the peer's items of a call arrive; reading it hands out credits."""

        def grant(items: int, size: int) -> None:
            if self._over is None:
                self._pipe.write(self._protocol.credit(call, items, size))

        limits = self._limits
        inbox = self._inboxes[call] = Inbox(limits.stream_window_items, limits.stream_window_bytes, grant)
        return inbox

    def new_window(self, call: int) -> SendWindow:
        """The credits that the peer's greeting gives to a stream."""
        hello = self._protocol.peer
        items, size = (hello.window_items, hello.window_bytes) if hello else (0, 0)
        window = self._windows[call] = SendWindow(min(items, MAX_CREDIT), min(size, MAX_CREDIT))
        return window

    async def send_item(self, call: int, window: SendWindow, body: bytes) -> None:
        """Send one message of a stream, as soon as the peer and the pipe take it."""
        if not window.try_take(len(body)):
            await window.take(len(body))
        while self._pipe.is_full:
            await self._pipe.writable()
        if self._over is None:
            self._pipe.write(self._protocol.item(call, body))

    def _forget_streams(self, call: int, error: BaseException | None) -> None:
        """A call is over: its reader gets what is here and then ``error``, its writer stops."""
        inbox, window = self._inboxes.pop(call, None), self._windows.pop(call, None)
        if inbox is not None:
            inbox.end(error)
        if window is not None:
            window.fail(error or StreamClosed("the peer has ended the call"))

    def _item_received(self, event: ItemReceived) -> None:
        inbox = self._inboxes.get(event.call)
        if inbox is not None:
            inbox.put(event.body)

    def _credit_received(self, event: CreditReceived) -> None:
        window = self._windows.get(event.call)
        if window is not None:
            window.add(event.items, event.bytes)

    def _ping(self) -> None:
        self._pipe.write(self._protocol.ping())

    def _peer_is_dead(self) -> None:
        reason = f"no sign of life for {self._limits.dead_after_seconds:g} s"
        self._shut(CloseCode.DEAD_PEER, reason, ConnectionLost(f"the peer gave {reason}"))

    def _shut(self, code: CloseCode, reason: str, lost: ConnectionLost) -> None:
        if self._over is None:
            self._pipe.close()
            self._closer(code, reason)
            self._end(lost)

    def _end(self, lost: ConnectionLost) -> None:
        if self._over is None:
            self._over = lost
            if self._liveness is not None:
                self._liveness.stop()
            self._ended(lost)

    @abstractmethod
    def _ended(self, lost: ConnectionLost) -> None:
        """The connection is over; called once."""
