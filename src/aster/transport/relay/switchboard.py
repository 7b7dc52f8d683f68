"""Who is connected to a relay, and the passing on of datagrams between them."""

from typing import Protocol

from aster.foundation.logs import get_logger
from aster.transport.meter import Meter
from aster.transport.relay.addresses import Addresses
from aster.transport.relay.frames import Send, Status, gone_frame, receive_frame
from aster.transport.relay.limits import RelayLimits
from aster.transport.relay.statistics import RelayStatistics

logger = get_logger("aster.relay")


class Client(Protocol):
    """A connection whose key is proven."""

    key: bytes
    peers: dict[bytes, None]
    """Keys that it has sent to, oldest first."""

    def deliver(self, frame: bytes) -> bool:
        """Queue one frame; False when there is no room, and the frame is dropped."""

    def tell(self, status: Status) -> None:
        """Say how the connection is."""

    def flush(self) -> None:
        """Write what is queued."""


class Switchboard:
    """The routes of one relay. A key has one active connection, the newest; older ones stand by, and step in."""

    def __init__(self, limits: RelayLimits) -> None:
        self.limits = limits
        self.statistics = RelayStatistics()
        self.meter = Meter(limits.max_total_bytes_per_second, limits.burst_seconds)
        self.addresses = Addresses(limits)
        self._clients: dict[bytes, list[Client]] = {}
        self._written: set[Client] = set()

    @property
    def queue_is_full(self) -> bool:
        """All clients together have as much waiting as they may."""
        return self.statistics.queued_bytes >= self.limits.max_total_queue_bytes

    def join(self, client: Client) -> bool:
        """Make a client reachable; False when there are as many as there may be."""
        if self.statistics.clients >= self.limits.max_clients:
            return False
        connections = self._clients.setdefault(client.key, [])
        if connections:
            connections[-1].tell(Status.REPLACED)
        connections.append(client)
        self.statistics.clients += 1
        self.statistics.accepted += 1
        logger.info("client connected", peer=client.key.hex())
        return True

    def leave(self, client: Client) -> None:
        """Forget a client; who was sent datagrams by it learns that it is gone."""
        connections = self._clients[client.key]
        was_active = connections[-1] is client
        connections.remove(client)
        self._written.discard(client)
        self.statistics.clients -= 1
        logger.info("client disconnected", peer=client.key.hex())
        if connections:
            if was_active:
                connections[-1].tell(Status.HEALTHY)
            return
        del self._clients[client.key]
        for peer in client.peers:
            if active := self._active(peer):
                self._send(active, gone_frame(client.key))
        self.flush()

    def forward(self, source: Client, sent: Send) -> None:
        """Pass datagrams on, or drop them: when nobody has that key, or its client does not read."""
        target = self._active(sent.destination)
        if target is None:
            self.statistics.dropped["unknown"] += 1
            self._send(source, gone_frame(sent.destination))
            return
        self._remember(source, sent.destination)
        if self._send(target, receive_frame(source.key, sent)):
            self.statistics.frames += 1
            self.statistics.bytes += len(sent.payload)
        else:
            self.statistics.dropped["queue"] += 1

    def flush(self) -> None:
        """Write what the last frames queued, one write a client."""
        written, self._written = self._written, set()
        for client in written:
            client.flush()

    def _active(self, key: bytes) -> Client | None:
        connections = self._clients.get(key)
        return connections[-1] if connections else None

    def _send(self, client: Client, frame: bytes) -> bool:
        taken = client.deliver(frame)
        if taken:
            self._written.add(client)
        return taken

    def _remember(self, source: Client, destination: bytes) -> None:
        if destination in source.peers:
            return
        if len(source.peers) >= self.limits.max_peers:
            del source.peers[next(iter(source.peers))]
        source.peers[destination] = None
