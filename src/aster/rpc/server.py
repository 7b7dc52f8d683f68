"""`AsterServer`: services on one QUIC endpoint."""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aster.config import AsterConfig
from aster.config.pending import refuse_pending
from aster.foundation.logs import get_logger
from aster.rpc.admission import ADMISSION_ALPN, NOT_ADMITTED, judge_credential
from aster.rpc.definition import ServiceDefinition
from aster.rpc.gate import Trust, anchors_of, resolve_trust
from aster.rpc.hooks import ConnectionAttempt, ConnectionHook, passes
from aster.rpc.limits import DEFAULT_LIMITS, RpcLimits
from aster.rpc.node import ALPN, apply_log_settings, bind_endpoint, find_identity
from aster.rpc.server_connection import ServerConnection
from aster.rpc.services import ServiceTable
from aster.rpc.status import FailedPreconditionError
from aster.transport.address import parse_address
from aster.transport.endpoint import Connection, Endpoint, Incoming
from aster.transport.errors import CloseCode, TransportError
from aster.trust.nonces import StoredJournal

if TYPE_CHECKING:
    from aster.rpc.health import HealthServer

logger = get_logger("aster.rpc")

RECHECK_SECONDS = 60.0


class AsterServer:
    """Serve instances (or classes) of services.

    ``peer`` names an enrollment of the identity file; ``root_pubkey`` and ``allow_all_consumers`` override the config;
    ``hook`` is asked about every connection, with or without ``enable_hooks``;
    ``debug_errors`` shows handlers' exceptions to callers.

    Use it as ``async with AsterServer(services=[...]) as server: await server.serve()``.
    """

    def __init__(
        self,
        services: Sequence[object],
        *,
        config: AsterConfig | None = None,
        peer: str | None = None,
        root_pubkey: bytes | None = None,
        allow_all_consumers: bool | None = None,
        hook: ConnectionHook | None = None,
        limits: RpcLimits = DEFAULT_LIMITS,
        debug_errors: bool = False,
    ) -> None:
        self._table = ServiceTable(services)
        given = config if config is not None else AsterConfig.from_env()
        self._config = given.with_inline(root_pubkey=root_pubkey, allow_all_consumers=allow_all_consumers)
        self._peer = peer
        self._hook = hook
        self._limits = limits
        self._debug_errors = debug_errors
        self._trust: Trust | None = None
        self._endpoint: Endpoint | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._arriving: set[asyncio.Task[None]] = set()
        self._connections: set[ServerConnection] = set()
        self._denied: set[str] = set()
        self._journal: StoredJournal | None = None
        self._health: HealthServer | None = None
        self._stopped = asyncio.Event()
        self._draining = False

    async def start(self) -> None:
        """Bind and accept; does nothing when already started."""
        if self._endpoint is not None:
            return
        apply_log_settings(self._config)
        refuse_pending(self._config)
        identity = find_identity(self._config, "producer", self._peer)
        anchors = anchors_of(self._config, identity)
        if self._config.storage_path is not None:
            self._journal = StoredJournal.open(self._config.storage_path)
        trust = resolve_trust(self._config, anchors, self._journal)
        try:
            self._endpoint = await bind_endpoint(self._config, identity, (ALPN, ADMISSION_ALPN))
        except BaseException:
            await self._close_journal()
            raise
        self._trust, self._config = trust, trust.config
        self._accepting = asyncio.create_task(self._accept(self._endpoint, trust))
        if self._config.health_port:
            await self._start_health()

    async def _start_health(self) -> None:
        from aster.rpc.health import HealthServer  # brings an HTTP server, which most servers don't need

        try:
            health = HealthServer(
                self._config.health_host,
                self._config.health_port,
                accepts=lambda: not self._draining,
                connections=lambda: len(self._connections),
            )
            await health.start()
        except BaseException:
            await self.close()
            raise
        self._health = health

    async def serve(self) -> None:
        """Start if need be, and return once the server is closed."""
        await self.start()
        await self._stopped.wait()

    async def drain(self, grace_seconds: float = 10.0) -> None:
        """Take no new connections or calls, let running calls finish within ``grace_seconds``, then close."""
        self._draining = True
        for connection in self._connections:
            connection.drain("it is shutting down")
        try:
            async with asyncio.timeout(grace_seconds):
                for connection in list(self._connections):
                    await connection.idle()
                await self._emptied()
        except TimeoutError:
            logger.warning("calls were still running after the grace period", seconds=grace_seconds)
        await self.close()

    async def close(self) -> None:
        """Cancel every handler, tell every peer, close the endpoint. Safe to call twice."""
        self._draining = True
        for connection in list(self._connections):
            connection.close(CloseCode.GOING_AWAY, "the server was closed")
        if self._endpoint is not None:
            await self._endpoint.close()
        if self._accepting is not None:
            await self._accepting
        for task in list(self._arriving):
            task.cancel()
            await asyncio.wait([task])
        await self._close_journal()
        if self._health is not None:
            await self._health.close()
        self._stopped.set()

    def deny(self, endpoint_id: str) -> None:
        """Turn a peer away from now on, whatever it presents, and close its connections."""
        peer = parse_address(endpoint_id).endpoint_id
        self._denied.add(peer)
        if self._trust is not None:
            self._trust.gate.forget(peer)
        for connection in list(self._connections):
            if connection.peer == peer:
                connection.close(CloseCode.NOT_ADMITTED, NOT_ADMITTED)

    @property
    def config(self) -> AsterConfig:
        """The settings in effect, dev mode included."""
        return self._config

    @property
    def services(self) -> Sequence[ServiceDefinition]:
        """What is served."""
        return tuple(self._table.definitions)

    @property
    def address(self) -> str:
        """The ``aster1…`` ticket that clients dial."""
        return self._started().address().ticket()

    @property
    def endpoint_addr(self) -> str:
        """The same as base64 NodeAddr, for ``ASTER_ENDPOINT_ADDR``."""
        return self._started().address().node_addr()

    @property
    def endpoint_id(self) -> str:
        """This server's key, 64 hex characters."""
        return self._started().endpoint_id

    @property
    def root_pubkey(self) -> bytes | None:
        """The trust anchor in effect; an ephemeral one in dev mode."""
        return self._trust.root_public_key if self._trust is not None else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _started(self) -> Endpoint:
        if self._endpoint is None:
            raise FailedPreconditionError("the server is not started", hint="use 'async with' or await start()")
        return self._endpoint

    async def _accept(self, endpoint: Endpoint, trust: Trust) -> None:
        while True:
            try:
                incoming = await endpoint.accept()
            except TransportError as error:
                logger.error("accepting connections failed", error=error.message)
                return
            if incoming is None:
                return
            task = asyncio.create_task(self._arrive(incoming, trust))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _arrive(self, incoming: Incoming, trust: Trust) -> None:
        try:
            arriving, limits = len(self._arriving), self._limits
            full = arriving > limits.max_handshakes or arriving + len(self._connections) > limits.max_connections
            if self._draining or full:
                await incoming.refuse()
                return
            connection = await incoming.handshake(self._limits.handshake_seconds)
            attempt = ConnectionAttempt(connection.peer_id, connection.alpn)
            denied = connection.peer_id in self._denied
            if denied or not await passes(self._hook, attempt, self._config.hook_timeout_ms):
                connection.close(CloseCode.NOT_ADMITTED, NOT_ADMITTED)
            elif connection.alpn == ADMISSION_ALPN:
                await judge_credential(connection, trust.gate, limits.handshake_seconds)
            else:
                await self._admit(connection, trust)
        except (TransportError, TimeoutError) as error:
            logger.debug("a connection attempt ended early", error=str(error))

    async def _admit(self, connection: Connection, trust: Trust) -> None:
        admission = trust.gate.admit(connection.peer_id)
        if admission is None:
            logger.info("consumer refused", peer=connection.peer_id)
            connection.close(CloseCode.NOT_ADMITTED, NOT_ADMITTED)
            return
        async with asyncio.timeout(self._limits.handshake_seconds):
            pipe = await connection.accept_pipe()
        if self._draining:
            connection.close(CloseCode.GOING_AWAY, "the server was closed")
            return
        if connection.peer_id in self._denied:
            # Denied while it kept its stream back: `deny` could not see it among the connections.
            connection.close(CloseCode.NOT_ADMITTED, NOT_ADMITTED)
            return
        lane = ServerConnection(
            pipe,
            self._table,
            self._limits,
            connection.close,
            peer=connection.peer_id,
            attributes=admission.attributes,
            debug_errors=self._debug_errors,
            on_end=self._connections.discard,
        )
        self._connections.add(lane)
        lane.start()
        if admission.expires_at is not None:
            self._watch(lane, connection.peer_id, trust)

    def _watch(self, lane: ServerConnection, peer: str, trust: Trust) -> None:
        """A live connection ends with its admission."""
        admission = trust.gate.admit(peer)
        if lane.is_over:
            return
        if admission is None or admission.expires_at is None:
            lane.close(CloseCode.NOT_ADMITTED, NOT_ADMITTED)
            return
        left = max(0.0, admission.expires_at - time.time())
        asyncio.get_running_loop().call_later(min(left, RECHECK_SECONDS), self._watch, lane, peer, trust)

    async def _close_journal(self) -> None:
        if self._journal is not None:
            await self._journal.close()
            self._journal = None

    async def _emptied(self) -> None:
        """Wait for the clients to leave: the last answers are on their way until they do."""
        while self._connections:
            await next(iter(self._connections)).gone()
