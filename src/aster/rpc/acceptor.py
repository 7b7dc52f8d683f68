"""Taking connections: each attempt passes, in this order, the limits, the deny-list, the hook, and the gate.

Whoever does not pass is closed with the same code and words, whatever the reason; the reason is recorded.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aster.foundation.logs import get_logger
from aster.rpc.admission import ADMISSION_ALPN, NOT_ADMITTED, RECHECK_SECONDS, receive
from aster.rpc.gate import Gate
from aster.rpc.hooks import ConnectionAttempt, ConnectionHook, passes
from aster.rpc.limits import RpcLimits
from aster.rpc.server_connection import ServerConnection
from aster.transport.endpoint import Connection, Endpoint, Incoming
from aster.transport.errors import CloseCode, TransportError
from aster.transport.pipe import Pipe
from aster.trust.admission import Admission
from aster.trust.denials import DenyList
from aster.trust.presentation import Presentation
from aster.trust.refusals import Refusals

logger = get_logger("aster.rpc")

DENIED_SECONDS = 1.0
"""How often the deny-list is looked at for the sake of live connections."""

SHARE = 8
"""One address may hold this part of the room for handshakes, once room is scarce."""

MakeLane = Callable[[Pipe, Connection, Admission, Callable[[ServerConnection], None]], ServerConnection]


@dataclass(frozen=True, slots=True)
class Guest:
    """What is known about a connection that was let in."""

    connection: Connection
    admission: Admission


@dataclass(frozen=True, slots=True)
class Door:
    """What decides on a connection attempt."""

    gate: Gate
    denied: DenyList
    refusals: Refusals
    hook: ConnectionHook | None
    hook_timeout_ms: int
    own: Callable[[], Presentation | None]
    """What this server shows to clients that demand a producer's credential."""


class Acceptor:
    """The accept loop of one endpoint, and the connections that it let in."""

    def __init__(self, endpoint: Endpoint, door: Door, limits: RpcLimits, make_lane: MakeLane) -> None:
        self._endpoint = endpoint
        self._door = door
        self._limits = limits
        self._make_lane = make_lane
        self._accepting: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._arriving: set[asyncio.Task[None]] = set()
        self._arriving_from: Counter[str] = Counter()
        self._guests: dict[ServerConnection, Guest] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self.is_draining = False
        self.accepted = 0
        """How many peers were let in."""

    def start(self) -> None:
        """Begin to accept."""
        self._accepting = asyncio.create_task(self._accept())
        self._watching = asyncio.create_task(self._watch_denials())

    @property
    def connections(self) -> list[ServerConnection]:
        """Those that may call."""
        return list(self._guests)

    @property
    def transports(self) -> list[Connection]:
        """The QUIC connections below them."""
        return [guest.connection for guest in self._guests.values()]

    def drain(self, reason: str) -> None:
        """Take no new connections and no new calls."""
        self.is_draining = True
        self._door.gate.close()
        for connection in self.connections:
            connection.drain(reason)

    async def emptied(self) -> None:
        """Wait for every call to end, then for the clients to leave: until then the last answers are on their way."""
        for connection in self.connections:
            await connection.idle()
        while self._guests:
            await next(iter(self._guests)).gone()

    async def close(self) -> None:
        """End every connection, its handlers and sessions, and the endpoint."""
        self.is_draining = True
        self._door.gate.close()
        for connection in self.connections:
            connection.close(CloseCode.GOING_AWAY, "the server was closed")
        await self._endpoint.close()
        if self._accepting is not None:
            await self._accepting
        ending = [task for task in (self._watching, *self._arriving) if task is not None]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
        if self._settling:
            await asyncio.wait(self._settling)
        await self._door.gate.settled()

    def turn_away_denied(self) -> None:
        """Close the connections of endpoints and credentials that are on the deny-list now."""
        names = {lane: {lane.peer, guest.admission.credential_id} - {None} for lane, guest in self._guests.items()}
        denied = self._door.denied.denied_among({name for each in names.values() for name in each if name})
        for lane, each in names.items():
            if denied & each:
                self._turn_away(lane)

    async def _accept(self) -> None:
        while True:
            try:
                incoming = await self._endpoint.accept()
            except TransportError as error:
                logger.error("accepting connections failed", error=error.message)
                return
            if incoming is None:
                return
            task = asyncio.create_task(self._arrive(incoming))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _watch_denials(self) -> None:
        """Another process may write the list: `aster trust deny`."""
        while True:
            await asyncio.sleep(DENIED_SECONDS)
            try:
                if self._guests and self._door.denied.has_changed():
                    self.turn_away_denied()
            except Exception as error:
                logger.error("the connections of denied peers could not be closed", exc_info=error)

    async def _arrive(self, incoming: Incoming) -> None:
        address = "?"
        try:
            address = await incoming.remote_address()
            self._arriving_from[address] += 1
            if not await self._has_room(incoming, address):
                return
            connection = await incoming.handshake(self._limits.handshake_seconds)
            try:
                await self._decide(connection)
            except BaseException:
                # Nobody answers for this peer any more: no connection stays open behind it.
                connection.close(CloseCode.NOT_ADMITTED, NOT_ADMITTED)
                raise
        except TransportError as error:
            if not self.is_draining:
                await self._door.refusals.record(None, f"no handshake: {error.message}")
        except TimeoutError:
            logger.debug("a connection attempt took too long")
        finally:
            self._arriving_from[address] -= 1
            if self._arriving_from[address] <= 0:
                del self._arriving_from[address]

    async def _has_room(self, incoming: Incoming, address: str) -> bool:
        """Refuse what is too much before it costs a handshake.

        Once half of the room for handshakes is taken, an address must be proven (QUIC's Retry) and may hold no more
        than its share, so that one address can't keep the others out.
        """
        arriving, limits = len(self._arriving), self._limits
        full = arriving > limits.max_handshakes or arriving + len(self._guests) > limits.max_connections
        if not (self.is_draining or full) and 2 * arriving > limits.max_handshakes:
            if not await incoming.is_address_proven():
                await incoming.retry()
                return False
            full = self._arriving_from[address] > max(1, limits.max_handshakes // SHARE)
        if self.is_draining or full:
            await incoming.refuse()
            return False
        return True

    async def _decide(self, connection: Connection) -> None:
        door, peer = self._door, connection.peer_id
        attempt = ConnectionAttempt(peer, connection.alpn)
        if door.denied.denies(peer):
            await self._refuse(connection, "it is on the deny-list")
        elif not await passes(door.hook, attempt, door.hook_timeout_ms):
            await self._refuse(connection, "the connection hook did not let it pass")
        elif connection.alpn == ADMISSION_ALPN:
            await receive(connection, door.gate, door.own(), door.refusals, self._limits.handshake_seconds)
        elif (admission := door.gate.admit(peer)) is None:
            await self._refuse(connection, "it is not admitted: no valid credential was presented before")
        else:
            await self._let_in(connection, admission)

    async def _let_in(self, connection: Connection, admission: Admission) -> None:
        async with asyncio.timeout(self._limits.handshake_seconds):
            pipe = await connection.accept_pipe()
        if self.is_draining:
            connection.close(CloseCode.GOING_AWAY, "the server was closed")
            return
        if self._door.denied.denies(connection.peer_id, admission.credential_id):
            # Denied while it kept its stream back: nobody could see it among the connections.
            await self._refuse(connection, "it is on the deny-list")
            return
        lane = self._make_lane(pipe, connection, admission, self._over)
        self._guests[lane] = Guest(connection, admission)
        self.accepted += 1
        lane.start()
        if admission.expires_at is not None:
            self._watch(lane, connection.peer_id)

    def _over(self, lane: ServerConnection) -> None:
        self._guests.pop(lane, None)
        task = asyncio.get_running_loop().create_task(lane.settled())
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    def _watch(self, lane: ServerConnection, peer: str) -> None:
        """A live connection ends with its admission."""
        if lane.is_over:
            return
        admission = self._door.gate.admit(peer)
        if admission is None or admission.expires_at is None:
            self._turn_away(lane)
            return
        left = max(0.0, admission.expires_at - time.time())
        asyncio.get_running_loop().call_later(min(left, RECHECK_SECONDS), self._watch, lane, peer)

    def _turn_away(self, lane: ServerConnection) -> None:
        logger.info("a connection was ended: its admission is over", peer=lane.peer)
        lane.close(CloseCode.NOT_ADMITTED, NOT_ADMITTED)

    async def _refuse(self, connection: Connection, reason: str) -> None:
        connection.close(CloseCode.NOT_ADMITTED, NOT_ADMITTED)
        await self._door.refusals.record(connection.peer_id, reason)
