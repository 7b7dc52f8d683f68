"""One QUIC endpoint of this process: bind, dial by key, accept. Errors of the bindings never leave this module."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Self

from aster.transport import sockets
from aster.transport.address import NodeAddress
from aster.transport.binding import called, load_binding, lost, settled
from aster.transport.discovery.local import Neighbours, Responder
from aster.transport.errors import BindFailed, CloseCode, ConnectFailed, ConnectionLost, InvalidAddress, TransportError
from aster.transport.ip_seal import LOOPBACK, Seal, check_can_seal
from aster.transport.pipe import Pipe
from aster.transport.pipes import make_pipe
from aster.transport.proxy import ProxyChoice
from aster.transport.quic_streams import QuicStreams
from aster.transport.relays import DISABLED, Relays

MAX_REASON = 200
MAX_DIRECT = 32
DISCOVERY_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Protocols, 32-byte key (None: a fresh one), local address, and how peers are reached.

    ``relay`` is ``disabled``, ``default`` or a URL, with ``TOKEN@`` before its host where it asks for one; ``proxy``
    chooses the HTTP proxy that relays are reached through; ``relay_only``: no datagram to or from a peer's address;
    ``local_discovery``: find peers on the same network by key, and, with ``alpns``, be found.
    """

    alpns: tuple[bytes, ...] = ()
    secret_key: bytes | None = field(default=None, repr=False)
    bind_addr: str | None = None
    relay: str = field(default=DISABLED, repr=False)
    relay_only: bool = False
    proxy: ProxyChoice | None = field(default=None, repr=False)
    local_discovery: bool = False


@dataclass(frozen=True, slots=True)
class PathStatistics:
    """One network path of a connection: ``kind`` is ``ip``, ``relay`` or ``other``; counts since it was opened."""

    path: str
    kind: str
    is_selected: bool
    rtt_seconds: float
    sent_bytes: int
    received_bytes: int
    lost_packets: int
    congestions: int
    congestion_window: int
    mtu: int


class Connection:
    """An established QUIC connection to one peer."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.peer_id: str = str(called(raw.remote_id, lost))
        self.alpn: bytes = bytes(called(raw.alpn, lost))

    async def open_pipe(self) -> Pipe:
        """Open a stream; the peer learns of it with the first bytes written."""
        return await make_pipe(await settled(self._raw.open_bi(), lost))

    async def accept_pipe(self) -> Pipe:
        """The next stream that the peer opened."""
        return await make_pipe(await settled(self._raw.accept_bi(), lost))

    def paths(self) -> list[PathStatistics]:
        """The open paths to the peer, as they are now."""
        return [_path(each) for each in called(self._raw.paths, lost)]

    def side_streams(self) -> QuicStreams:
        """The one-way streams of this connection."""
        return QuicStreams(self._raw)

    def close(self, code: CloseCode = CloseCode.DONE, reason: str = "") -> None:
        """End the connection at once; the peer reads the code and the reason."""
        called(lambda: self._raw.close(int(code), reason.encode()[:MAX_REASON]), lost)

    async def closed(self) -> ConnectionLost:
        """Wait for the end of the connection and say why it ended."""
        return lost(await settled(self._raw.closed(), lost))


class Incoming:
    """A connection attempt before its handshake."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    async def handshake(self, within: float) -> Connection:
        """Complete the handshake within ``within`` seconds, or raise `ConnectFailed`."""
        try:
            async with asyncio.timeout(within):
                accepting = await settled(self._raw.accept(), ConnectFailed)
                return Connection(await settled(accepting.connect(), ConnectFailed))
        except TimeoutError:
            raise ConnectFailed(f"the handshake took more than {within:g} s") from None

    async def remote_address(self) -> str:
        """Where it comes from: an IP address without its port, or the relay it came through."""
        known = await settled(self._raw.remote_addr(), ConnectFailed)
        if known.is_ip():
            host, _, _ = str(known.addr).rpartition(":")
            return host
        return str(getattr(known, "url", known)).partition("?")[0]

    async def is_address_proven(self) -> bool:
        """Has the peer shown that packets to its address reach it?"""
        return bool(await settled(self._raw.remote_addr_validated(), ConnectFailed))

    async def retry(self) -> None:
        """Ask the peer to come again with a proof of its address (QUIC's Retry, RFC 9000 section 8.1.2)."""
        await settled(self._raw.retry(), ConnectFailed)

    async def refuse(self) -> None:
        """Turn the attempt away before it costs anything."""
        await settled(self._raw.refuse(), ConnectFailed)


NOWHERE = (
    "dial the aster1 ticket instead of the bare EndpointId; or set local_discovery on both sides, "
    "or relay_mode to a relay that both use"
)


class Endpoint:
    """A bound endpoint. Close it: peers then notice in milliseconds instead of half a minute."""

    def __init__(self, raw: Any, settings: EndpointSettings, relays: Relays, seal: Seal | None) -> None:
        self._bound: Any = raw
        self._settings = settings
        self._relays = relays
        self._seal = seal
        self._neighbours = Neighbours()
        self._responder: Responder | None = None
        self.endpoint_id: str = str(raw.id())

    @classmethod
    async def bind(cls, settings: EndpointSettings) -> Self:
        """Bind the local sockets; raises `BindFailed` naming the address."""
        if settings.relay_only:
            _check_relay_only(settings)
        relays = Relays(settings.relay, settings.proxy)
        try:
            raw = await sockets.bind(
                addresses=LOOPBACK if settings.relay_only else sockets.local_addresses(settings.bind_addr),
                alpns=settings.alpns,
                secret_key=settings.secret_key,
                relays=relays,
            )
            seal = None
            if settings.relay_only:
                try:
                    seal = Seal(raw.bound_sockets())
                except BaseException:
                    await settled(raw.close(), TransportError)
                    raise
        except BaseException:
            await relays.close()
            raise
        endpoint = cls(raw, settings, relays, seal)
        if settings.local_discovery and settings.alpns:
            try:
                endpoint._answer_neighbours()
            except BaseException:
                await endpoint.close()
                raise
        return endpoint

    @property
    def is_open(self) -> bool:
        """May it still be used?"""
        return self._bound is not None

    def address(self) -> NodeAddress:
        """Key, relay and direct addresses as known now."""
        known = called(self._raw.addr, TransportError)
        direct = (
            [] if self._settings.relay_only else sockets.announced(known.direct_addresses(), self._settings.bind_addr)
        )
        return NodeAddress(self.endpoint_id, self._relays.public_url(known.relay_url()), tuple(direct[:MAX_DIRECT]))

    async def connect(self, address: NodeAddress, alpn: bytes, within: float) -> Connection:
        """Dial a peer by key within ``within`` seconds, or raise `ConnectFailed`.

        Raises `InvalidAddress` at once when nothing says where the peer is.
        """
        iroh = load_binding()
        direct, relay_url = await self._where(address, within)
        dialled = await self._relays.dialled_url(relay_url)
        target = called(
            lambda: iroh.EndpointAddr(iroh.EndpointId.from_string(address.endpoint_id), dialled, list(direct)),
            InvalidAddress,
        )
        peer, bound = address.endpoint_id[:10], self._bound
        if bound is None:
            raise ConnectFailed("this endpoint was closed")
        try:
            async with asyncio.timeout(within):
                return Connection(
                    await settled(
                        bound.connect(target, alpn), lambda words: ConnectFailed(f"can't reach {peer}…: {words}")
                    )
                )
        except ConnectFailed:
            self._neighbours.forget(address.endpoint_id)
            raise
        except TimeoutError:
            self._neighbours.forget(address.endpoint_id)
            raise ConnectFailed(
                f"no answer from {peer}… within {within:g} s", hint="is it running, and is this its current address?"
            ) from None

    async def _where(self, address: NodeAddress, within: float) -> tuple[tuple[str, ...], str | None]:
        """The direct addresses and the relay to dial a peer at."""
        settings = self._settings
        direct = () if settings.relay_only else address.direct
        if direct or address.relay_url:
            return direct, address.relay_url
        if settings.local_discovery:
            direct = await self._neighbours.look_for(address.endpoint_id, min(within, DISCOVERY_SECONDS))
        # In a network with one relay of its own, the peer is most likely at the same relay.
        relay_url = self._relays.own_url
        if not direct and relay_url is None and not self._relays.look_up_keys:
            if settings.local_discovery:
                raise ConnectFailed(
                    f"nobody on this network answers to {address.endpoint_id[:10]}…",
                    hint="is it running, with local_discovery set?",
                )
            raise InvalidAddress("the address does not say where the peer is", hint=NOWHERE)
        return direct, relay_url

    def _answer_neighbours(self) -> None:
        secret = self._raw.secret_key()
        responder = Responder(
            bytes.fromhex(self.endpoint_id),
            sign=lambda message: bytes(secret.sign(message).to_bytes()),
            addresses=lambda: self.address().direct,
        )
        responder.start()
        self._responder = responder

    async def accept(self) -> Incoming | None:
        """The next connection attempt, or None once the endpoint is closed."""
        if self._bound is None:
            return None
        raw = await settled(self._bound.accept_next(), TransportError)
        return None if raw is None else Incoming(raw)

    def statistics(self) -> dict[str, int]:
        """The bindings' counters, ``group:metric`` to value."""
        return {name: int(counter.value) for name, counter in called(self._raw.stats, TransportError).items()}

    async def close(self) -> None:
        """Close every connection and the sockets. Safe to call twice."""
        if self._responder is not None:
            self._responder.close()
        # The bindings free the port with the last reference to their object, so none is kept here.
        bound, self._bound = self._bound, None
        if bound is not None:
            await settled(bound.close(), TransportError)
            await self._relays.close()
            if self._seal is not None:
                self._seal.close()

    @property
    def _raw(self) -> Any:
        if self._bound is None:
            raise TransportError("the endpoint is closed")
        return self._bound


def _check_relay_only(settings: EndpointSettings) -> None:
    check_can_seal()
    if settings.relay == DISABLED:
        raise BindFailed("neither direct connections nor relays are left", hint="set relay_mode to a relay's URL")
    if settings.local_discovery:
        raise BindFailed("local discovery tells direct addresses, which are disabled", hint="unset local_discovery")
    if settings.bind_addr is not None:
        raise BindFailed("nothing is bound where direct connections are disabled", hint="unset bind_addr")


def _path(known: Any) -> PathStatistics:
    stats = known.stats
    return PathStatistics(
        path=str(known.id),
        kind="ip" if known.is_ip else "relay" if known.is_relay else "other",
        is_selected=bool(known.is_selected),
        rtt_seconds=known.rtt_ms / 1000,
        sent_bytes=stats.udp_tx_bytes,
        received_bytes=stats.udp_rx_bytes,
        lost_packets=stats.lost_packets,
        congestions=stats.congestion_events,
        congestion_window=stats.cwnd,
        mtu=stats.current_mtu,
    )
