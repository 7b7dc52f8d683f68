"""One connection to a relay, from its first byte to its end.

``request → challenge → proof → datagrams``. A connection that takes too long for any step before the last is cut.
What waits to be written is bounded (`deliver`), what was read and not yet worked on is one read of the loop at most,
and a client above its rate is not read from until its debt is paid: TCP then slows it.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import cast

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Event, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from aster.foundation.logs import get_logger
from aster.transport.errors import FramingError
from aster.transport.meter import Meter
from aster.transport.relay.addresses import Address
from aster.transport.relay.challenge import new_challenge, proves
from aster.transport.relay.frames import (
    PING_BYTES,
    VERSIONS,
    Authentication,
    Ping,
    Send,
    Status,
    challenge_frame,
    confirmed_frame,
    denied_frame,
    parse_client_frame,
    ping_frame,
    pong_frame,
    restarting_frame,
    status_frame,
)
from aster.transport.relay.http_face import RELAY_PATH, answer, bears_token, joined, path_of, plain_answer
from aster.transport.relay.limits import FRAME_COST
from aster.transport.relay.switchboard import Switchboard

logger = get_logger("aster.relay")

SLICE_BYTES = 16 * 1024
"""Worked on at once: so many of the smallest frames fit in that the loop does not stall."""
LEAST_WAIT_SECONDS = 0.005
GOING_AWAY = 1001
POLICY_VIOLATION = 1008
PROTOCOL_ERROR = 1002


class RelaySession(asyncio.Protocol):
    """Implements `switchboard.Client`."""

    _transport: asyncio.Transport
    _address: Address

    def __init__(self, board: Switchboard, tokens: Sequence[bytes], sessions: set["RelaySession"]) -> None:
        self.key = b""
        self.peers: dict[bytes, None] = {}
        self._board = board
        self._tokens = tokens
        self._sessions = sessions
        self._limits = board.limits
        self._loop = asyncio.get_running_loop()
        self._websocket = ServerProtocol(
            subprotocols=[Subprotocol(version) for version in VERSIONS], max_size=board.limits.max_frame_bytes
        )
        self._meter = Meter(board.limits.max_bytes_per_second, board.limits.burst_seconds)
        self._challenge = b""
        self._on_message: Callable[[bytes], None] = self._prove
        self._fragments: list[bytes] = []
        self._unread = bytearray()
        self._unflushed = 0
        self._queued = 0
        self._is_paused = False
        self._is_over = False
        self._joined = False
        self._heard = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._sessions.add(self)
        statistics, addresses = self._board.statistics, self._board.addresses
        statistics.connections += 1
        self._address, too_much = addresses.arrive((transport.get_extra_info("peername") or ("",))[0])
        statistics.addresses = addresses.connected
        # Told about every byte that waits, and about the moment when none does: `_account` needs both.
        self._transport.set_write_buffer_limits(high=0)
        if too_much is None and statistics.connections - statistics.clients > self._limits.max_unproven:
            too_much = "full"
        if too_much is not None:
            self._refuse(too_much)
            self._transport.abort()
            return
        self._timer = self._loop.call_later(self._limits.proof_seconds, self._too_slow)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if self._is_over:
            return
        self._unread += data
        self._work()

    def eof_received(self) -> None:
        if not self._is_over:
            self._websocket.receive_eof()
            self.flush()

    def resume_writing(self) -> None:
        self._account()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_over = True
        self._unread.clear()
        self._sessions.discard(self)
        statistics = self._board.statistics
        statistics.connections -= 1
        self._board.addresses.leave(self._address)
        statistics.addresses = self._board.addresses.connected
        statistics.queued_bytes -= self._queued
        self._queued = 0
        if self._timer is not None:
            self._timer.cancel()
        if self._joined:
            self._joined = False
            self._board.leave(self)

    # The switchboard's side.

    def deliver(self, frame: bytes) -> bool:
        waiting = self._transport.get_write_buffer_size() + self._unflushed
        if waiting and (waiting + len(frame) > self._limits.max_queue_bytes or self._board.queue_is_full):
            return False
        return self._put(frame)

    def tell(self, status: Status) -> None:
        if self.deliver(status_frame(self._version, status)):
            self.flush()

    def flush(self) -> None:
        """Write what is queued; a client that lets even the answers to its own pings pile up is cut."""
        self._unflushed = 0
        if self._transport.is_closing():
            self._websocket.data_to_send()
            return
        for data in joined(self._websocket.data_to_send()):
            if data:
                self._transport.write(data)
            else:
                self._end()
        self._account()
        if self._queued > 2 * self._limits.max_queue_bytes:
            self._refuse("slow")
            self._transport.abort()

    def go_away(self, reconnect_in: float, try_for: float) -> None:
        """Tell the client that the relay restarts, and close."""
        if self._joined:
            self._put(restarting_frame(reconnect_in, try_for))
        self._close(GOING_AWAY, "the relay is going away")

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    # Working on what arrives.

    def _work(self) -> None:
        while self._unread and not self._is_paused and not self._is_over:
            piece = bytes(self._unread[:SLICE_BYTES])
            del self._unread[:SLICE_BYTES]
            self._websocket.receive_data(piece)
            for event in self._websocket.events_received():
                self._take(event)
            self.flush()
        self._board.flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, Request):
            self._open(event)
        elif not isinstance(event, Frame):
            return  # a client sends no responses
        elif event.opcode in (Opcode.BINARY, Opcode.CONT):
            self._gather(event)
        elif event.opcode is Opcode.TEXT:
            self._refuse("protocol")
            self._close(PROTOCOL_ERROR, "frames are binary")
        else:
            self._spend(0)

    def _gather(self, frame: Frame) -> None:
        self._fragments.append(bytes(frame.data))
        self._spend(len(frame.data))
        if not frame.fin:
            return
        message = self._fragments[0] if len(self._fragments) == 1 else b"".join(self._fragments)
        self._fragments.clear()
        try:
            if not self._is_over:
                self._on_message(message)
        except FramingError as error:
            self._refuse("protocol", error=error.message)
            self._close(PROTOCOL_ERROR, "that is no frame of this protocol")

    def _open(self, request: Request) -> None:
        if path_of(request) != RELAY_PATH:
            self._respond(plain_answer(request, None))
            return
        if not bears_token(request, self._tokens):
            self._refuse("token")
            self._respond(answer(401, b"an access token is needed\n", {"WWW-Authenticate": "Bearer"}))
            return
        response = self._websocket.accept(request)
        self._respond(response)
        if response.status_code != 101:
            self._refuse("protocol", status=response.status_code)
            return
        self._challenge = new_challenge()
        self._put(challenge_frame(self._challenge))

    def _prove(self, message: bytes) -> None:
        claim = parse_client_frame(message)
        if not isinstance(claim, Authentication):
            raise FramingError("the first frame is not an authentication")
        if not proves(claim.key, claim.signature, self._challenge):
            self._deny("proof", "the signature does not prove the key")
            return
        self.key = claim.key
        if not self._board.join(self):
            self._deny("full", "the relay is full")
            return
        self._joined = True
        self._put(confirmed_frame())
        self._on_message = self._relay
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._limits.ping_seconds, self._look)

    def _relay(self, message: bytes) -> None:
        frame = parse_client_frame(message)
        if isinstance(frame, Send):
            self._board.forward(self, frame)
        elif isinstance(frame, Ping):
            self.deliver(pong_frame(frame.token))
        elif isinstance(frame, Authentication):
            raise FramingError("the key is proven already")

    # Time.

    def _spend(self, size: int) -> None:
        """Pay for a frame; a client in debt is not read from until it is paid."""
        cost = size + FRAME_COST
        wait = max(self._meter.spend(cost), self._address.bytes.spend(cost), self._board.meter.spend(cost))
        if wait > LEAST_WAIT_SECONDS and not self._is_paused:
            self._is_paused = True
            self._board.statistics.throttled += 1
            self._transport.pause_reading()
            self._loop.call_later(wait, self._read_again)

    def _read_again(self) -> None:
        self._is_paused = False
        self._heard = self._loop.time()
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._work()

    def _look(self) -> None:
        """Ask a silent client whether it is there; cut it when it has been silent for too long."""
        if not self._is_paused and self._loop.time() - self._heard >= self._limits.dead_after_seconds:
            logger.info("client does not answer", peer=self.key.hex())
            self._transport.abort()
            return
        self.deliver(ping_frame(secrets.token_bytes(PING_BYTES)))
        self.flush()
        self._timer = self._loop.call_later(self._limits.ping_seconds, self._look)

    def _too_slow(self) -> None:
        self._refuse("slow")
        self._transport.abort()

    # Small things.

    @property
    def _version(self) -> str:
        return str(self._websocket.subprotocol)

    def _put(self, frame: bytes) -> bool:
        try:
            self._websocket.send_binary(frame)
        except InvalidState:
            return False  # it is closing: nothing more is for it
        self._unflushed += len(frame)
        return True

    def _account(self) -> None:
        waiting = self._transport.get_write_buffer_size()
        self._board.statistics.queued_bytes += waiting - self._queued
        self._queued = waiting

    def _respond(self, response: Response) -> None:
        self._websocket.send_response(response)

    def _deny(self, reason: str, words: str) -> None:
        self._refuse(reason)
        self._put(denied_frame(words))
        self._close(POLICY_VIOLATION, words)

    def _refuse(self, reason: str, **fields: object) -> None:
        self._board.statistics.refused[reason] += 1
        logger.info("connection refused", reason=reason, address=self._transport.get_extra_info("peername"), **fields)

    def _close(self, code: int, words: str) -> None:
        if self._websocket.state is State.OPEN:
            self._websocket.send_close(code, words)
        self.flush()
        self._end()

    def _end(self) -> None:
        """Close once everything is written, within the time that a proof may take."""
        if not self._is_over:
            self._is_over = True
            self._transport.close()
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(self._limits.drain_seconds, self._transport.abort)
