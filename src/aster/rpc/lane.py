"""A lane: one pipe, one side of the protocol, and the watch over the peer's life. The base of both connections."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from aster.rpc.bodies import Announce, Bodies
from aster.rpc.flow import Budget, Inbox, Later, OverBudget, SendWindow, StreamClosed
from aster.rpc.limits import RpcLimits
from aster.rpc.liveness import Liveness
from aster.rpc.protocol.core import ClientProtocol, ProtocolViolation, ServerProtocol
from aster.rpc.protocol.events import CreditReceived, ItemReceived, Unwanted
from aster.rpc.protocol.wire import MAX_CREDIT, FarBody, Hello
from aster.rpc.status import ResourceExhaustedError, RpcError
from aster.transport.errors import CloseCode, ConnectionLost, FramingError
from aster.transport.pipe import HIGH_WATER, Pipe
from aster.transport.side_streams import SideStreams

ENOUGH_BYTES = 2800
"""So much of requests or replies, two packets, does not wait for more: the peer begins with it while this side goes on.

After each of the peer's writes it begins anew, and doubles each time.
"""

UNREAD_MESSAGES = 4
"""So many full pipes and longest messages may wait for a peer that asks but does not read; then it is cut off."""

Side = TypeVar("Side", ClientProtocol, ServerProtocol)

Closer = Callable[[CloseCode, str], None]
"""Ends the connection below the pipe, telling the peer a code and a reason."""


class Lane(ABC, Generic[Side]):
    """Feeds received bytes to the protocol and its events to their handlers; ends once, through `_ended`."""

    def __init__(
        self, pipe: Pipe, protocol: Side, limits: RpcLimits, closer: Closer, streams: SideStreams | None = None
    ) -> None:
        self._pipe = pipe
        self._protocol: Side = protocol
        self._limits = limits
        self._closer = closer
        self._liveness: Liveness | None = None
        self._over: ConnectionLost | None = None
        self._bodies = None if streams is None else Bodies(streams, limits)
        self._far_above = limits.max_message_bytes
        """Messages of more bytes leave the lane; none does until the peer said that it reads them."""
        self._enough = 0
        """So many bytes of requests or replies are written at once; 0 when the peer's last bytes brought one event at
        most, so that nothing joins what answers it."""
        self._held = Budget(limits.max_bytes_in_flight)
        self._inboxes: dict[int, Inbox] = {}
        self._windows: dict[int, SendWindow] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            ItemReceived: self._item_received,
            CreditReceived: self._credit_received,
            Unwanted: self._unwanted,
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
            events = self._protocol.receive(data)
            self._enough = ENOUGH_BYTES if len(events) > 1 else 0
            for event in events:
                handlers[type(event)](event)
        except FramingError as error:
            self.close(CloseCode.PROTOCOL_VIOLATION, error.message)
            return
        if answers := self._protocol.answers():
            self._pipe.write(answers)
        if self._pipe.waiting > UNREAD_MESSAGES * (HIGH_WATER + self._limits.max_message_bytes):
            self.close(CloseCode.TOO_BUSY, "answers are not being read")

    def _write_whole(self, wire: bytes, others: int) -> None:
        """Write a request or a reply; ``others`` are the calls besides it.

        Without others nothing will join it, so it does not wait for the end of this turn of the loop.
        """
        pipe = self._pipe
        enough = self._enough or (ENOUGH_BYTES if others else 0)
        at_once = pipe.waiting >= enough
        if at_once:
            self._enough = 2 * enough or ENOUGH_BYTES
        pipe.write(wire, at_once=at_once)

    def new_inbox(self, call: int) -> Inbox:
        """Where the peer's items of a call arrive; reading it hands out credits."""

        def grant(items: int, size: int) -> None:
            if self._over is None:
                self._pipe.write(self._protocol.credit(call, items, size), at_once=True)

        limits = self._limits
        inbox = self._inboxes[call] = Inbox(limits.stream_window_items, limits.stream_window_bytes, grant, self._held)
        return inbox

    def new_window(self, call: int) -> SendWindow:
        """The credits that the peer's greeting gives to a stream."""
        hello = self._protocol.peer
        items, size = (hello.window_items, hello.window_bytes) if hello else (0, 0)
        window = self._windows[call] = SendWindow(min(items, MAX_CREDIT), min(size, MAX_CREDIT))
        return window

    def offer_item(self, call: int, window: SendWindow, body: bytes) -> bool:
        """Send one message of a stream if the peer and the pipe take it now; else it is for `send_item`."""
        size = len(body)
        if self._pipe.is_full or size > self._far_above or self._over is not None or not window.try_take(size):
            return False
        self._pipe.write(self._protocol.item(call, body))
        return True

    async def send_item(self, call: int, window: SendWindow, body: bytes) -> None:
        """Send one message of a stream, as soon as the peer and the pipe take it."""
        if not window.try_take(len(body)):
            await window.take(len(body))
        while self._pipe.is_full:
            await self._pipe.writable()
        if len(body) > self._far_above:
            await self._send_far(body, functools.partial(self._announce_item, call))
        elif self._over is None:
            self._pipe.write(self._protocol.item(call, body))

    async def _send_far(self, body: bytes, announce: Announce) -> None:
        """Send one message beside the lane."""
        await self._bodies_in_use.send(body, announce)

    def _announce_item(self, call: int, place: FarBody) -> bool:
        return self._announced(self._protocol.far_item(call, place))

    def _announced(self, wire: bytes) -> bool:
        if self._over is None and wire:
            self._pipe.write(wire)
            return True
        return False

    @property
    def _bodies_in_use(self) -> Bodies:
        if self._bodies is None:
            raise ProtocolViolation("messages on streams of their own were never offered here")
        return self._bodies

    def _peer_greeted(self, hello: Hello) -> None:
        if self._bodies is not None and hello.body_streams > 0:
            self._bodies.peer_reads(hello.body_streams)
            self._far_above = self._limits.lane_message_bytes

    def _unwanted(self, event: Unwanted) -> None:
        self._bodies_in_use.refuse(event.body)

    def _forget_streams(self, call: int, error: BaseException | None, *, reader_goes_on: bool = False) -> None:
        """A call is over: a reader that goes on gets what is here and then ``error``, its writer stops."""
        inbox, window = self._inboxes.pop(call, None), self._windows.pop(call, None)
        if inbox is not None:
            inbox.end(error)
            if not reader_goes_on:
                inbox.abandon()
        if window is not None:
            window.fail(error or StreamClosed("the peer has ended the call"))

    def _item_received(self, event: ItemReceived) -> None:
        inbox, body = self._inboxes.get(event.call), event.body
        try:
            if isinstance(body, bytes):
                if inbox is not None:
                    inbox.put(body)
            elif inbox is None:
                self._bodies_in_use.refuse(body)
            else:
                inbox.expect(body.length)
                inbox.put_later(Later(body.length, self._bodies_in_use.receive(body)))
        except OverBudget:
            if not isinstance(body, bytes):
                self._bodies_in_use.refuse(body)
            self._fail_call(event.call, self._too_much())

    def _too_much(self) -> RpcError:
        return ResourceExhaustedError(f"more than {self._limits.max_bytes_in_flight} bytes unread on one connection")

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
            # In this order: a stream that is dropped before its connection is closed would look like the reason.
            self._closer(code, reason)
            self._pipe.close()
            self._end(lost)

    def _end(self, lost: ConnectionLost) -> None:
        if self._over is None:
            self._over = lost
            if self._liveness is not None:
                self._liveness.stop()
            if self._bodies is not None:
                self._bodies.close()
            # Whoever still holds this lane must not hold the bindings' objects: they keep the port bound.
            self._closer = _closed_already
            self._ended(lost)

    @abstractmethod
    def _fail_call(self, call: int, error: RpcError) -> None:
        """End one call badly, at both ends."""

    @abstractmethod
    def _ended(self, lost: ConnectionLost) -> None:
        """The connection is over; called once."""


def _closed_already(code: CloseCode, reason: str) -> None:
    """The connection below is gone."""
