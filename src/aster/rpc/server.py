"""`AsterServer`: services on one QUIC endpoint."""

import asyncio
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aster.config import AsterConfig
from aster.config.unsupported import refuse_unsupported
from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger
from aster.rpc.acceptor import Acceptor, Door
from aster.rpc.admission import ADMISSION_ALPN
from aster.rpc.builtin.health import ServiceHealth
from aster.rpc.contract.drift import check_drift
from aster.rpc.definition import ServiceDefinition
from aster.rpc.dialing import Dialer, producer_check
from aster.rpc.exposure import warn_of_exposed
from aster.rpc.gate import Trust, anchors_of, check_own_enrollment, resolve_trust
from aster.rpc.hooks import ConnectionHook
from aster.rpc.interception import Interceptor
from aster.rpc.limits import DEFAULT_LIMITS, RpcLimits
from aster.rpc.node import (
    ALPN,
    apply_log_settings,
    current_presentation,
    endpoint_settings,
    find_identity,
    own_presentation,
)
from aster.rpc.server_connection import ServerConnection
from aster.rpc.services import ServiceTable
from aster.rpc.status import FailedPreconditionError
from aster.rpc.storage.node import NodeStorage
from aster.storage.limits import StorageLimits
from aster.transport.address import parse_address
from aster.transport.endpoint import Connection, Endpoint
from aster.transport.pipe import Pipe
from aster.transport.shared import offer_endpoint, withdraw_endpoint
from aster.trust.admission import Admission
from aster.trust.denials import Denial, DenyList
from aster.trust.nonces import MemoryJournal, StoredJournal
from aster.trust.refusals import Refusals

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from aster.rpc.health import HealthServer
    from aster.rpc.server_metrics import ServerMetrics
    from aster.rpc.storage.blobs import Blobs
    from aster.rpc.storage.docs import Docs

logger = get_logger("aster.rpc")


class AsterServer:
    """Serve instances (or classes) of services.

    ``peer`` names an enrollment of the identity file; ``root_pubkey``, ``allow_all_consumers`` and
    ``allow_all_producers`` override the config; ``hook`` is asked about every connection (Gate 0);
    ``interceptors`` stand around every call, outermost first; ``debug_errors`` shows handlers' exceptions to callers;
    ``storage_limits`` bound its blobs and docs, instead of the settings ``storage_*``; ``manifest`` (or
    ``./.aster/manifest.json``, when it is there) is what the services must not have drifted from; ``metrics`` is a
    Prometheus registry of yours that is to have what ``health_port`` shows, for a process with a page of its own.

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
        allow_all_producers: bool | None = None,
        hook: ConnectionHook | None = None,
        interceptors: Sequence[Interceptor] = (),
        limits: RpcLimits = DEFAULT_LIMITS,
        storage_limits: StorageLimits | None = None,
        debug_errors: bool = False,
        manifest: Path | None = None,
        metrics: "CollectorRegistry | None" = None,
    ) -> None:
        self._interceptors = tuple(interceptors)
        given = config if config is not None else AsterConfig.from_env()
        self._config = given.with_inline(
            root_pubkey=root_pubkey, allow_all_consumers=allow_all_consumers, allow_all_producers=allow_all_producers
        )
        self._dialer: Dialer | None = None
        self._storage = NodeStorage(
            self._config, lambda: self._dialer, address=self._address_if_started, limits=storage_limits
        )
        self._table = ServiceTable(services, interceptors, self._storage.services)
        self._peer = peer
        self._hook = hook
        self._limits = limits
        self._debug_errors = debug_errors
        self._manifest = manifest
        self._trust: Trust | None = None
        self._endpoint: Endpoint | None = None
        self._acceptor: Acceptor | None = None
        self._journal: StoredJournal | None = None
        self._denied = DenyList()
        self._refusals = Refusals(MemoryJournal())
        self._health: HealthServer | None = None
        self._registry = metrics
        self._metrics: ServerMetrics | None = None
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Bind and accept; does nothing when already started."""
        if self._endpoint is not None:
            return
        apply_log_settings(self._config)
        refuse_unsupported(self._config)
        check_drift(self._table.definitions, self._manifest)
        identity = find_identity(self._config, "producer", self._peer)
        anchors = anchors_of(self._config, identity)
        own = own_presentation(self._config, identity)
        show = partial(current_presentation, self._config, identity)
        try:
            await self._open_storage()
            trust = resolve_trust(self._config, anchors, self._journal or MemoryJournal(), self._refusals, self._denied)
            settings = endpoint_settings(self._config, identity, (ALPN, ADMISSION_ALPN))
            self._endpoint = await Endpoint.bind(settings)
            offer_endpoint(self._endpoint, settings)
            self._dialer = Dialer(self._endpoint, self._limits, own, producer_check(self._config, identity))
            await check_own_enrollment(self._config, anchors, own, self._endpoint.endpoint_id)
            self._trust, self._config = trust, with_hooks(trust.config, self._hook)
            warn_of_exposed(self._table.definitions, self._interceptors, self._config)
            door = Door(trust.gate, self._denied, self._refusals, self._hook, self._config.hook_timeout_ms, show)
            self._acceptor = Acceptor(self._endpoint, door, self._limits, self._make_lane)
            if self._config.health_port or self._registry is not None:
                await self._show_metrics(self._endpoint, self._acceptor)
            elif self._config.enable_monitoring:
                logger.warning("enable_monitoring shows in /metrics, and health_port is 0: nothing is shown")
        except BaseException:
            await self.close()
            self._endpoint = self._acceptor = None
            self._stopped.clear()
            raise
        self._acceptor.start()

    async def _open_storage(self) -> None:
        if self._config.storage_path is None:
            return
        journal = self._journal = StoredJournal.open(self._config.storage_path)
        entries = self._denied.entries()
        self._denied = DenyList(journal.database, journal.audit)
        for denial in entries:
            await self._denied.deny(denial.id, denial.note)
        self._refusals = Refusals(journal)

    async def _show_metrics(self, endpoint: Endpoint, acceptor: Acceptor) -> None:
        # An HTTP server and its metrics, which most servers don't need.
        from aster.rpc.health import HealthServer
        from aster.rpc.server_metrics import ServerMetrics

        config = self._config
        registries = [] if self._registry is None else [self._registry]
        if config.health_port:
            self._health = HealthServer(
                config.health_host, config.health_port, accepts=lambda: not acceptor.is_draining
            )
            registries.append(self._health.registry)
        self._metrics = ServerMetrics(registries, endpoint, acceptor, self._refusals, network=config.enable_monitoring)
        if self._health is not None:
            await self._health.start()

    async def serve(self) -> None:
        """Start if need be, and return once the server is closed."""
        await self.start()
        await self._stopped.wait()

    async def drain(self, grace_seconds: float = 10.0) -> None:
        """Take no new connections or calls, let running calls finish within ``grace_seconds``, then close."""
        if self._acceptor is not None:
            self._table.health.drain()
            self._acceptor.drain("it is shutting down")
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._acceptor.emptied()
            except TimeoutError:
                logger.warning("calls were still running after the grace period", seconds=grace_seconds)
        await self.close()

    async def close(self) -> None:
        """Cancel every handler, tell every peer, close the endpoint. Safe to call twice."""
        if self._endpoint is not None:
            withdraw_endpoint(self._endpoint)
        if self._acceptor is not None:
            await self._acceptor.close()
        elif self._endpoint is not None:
            await self._endpoint.close()
        await self._storage.close()
        if self._journal is not None:
            await self._refusals.flush()
            await self._journal.close()
            self._journal = None
        if self._health is not None:
            await self._health.close()
        if self._metrics is not None:
            self._metrics.withdraw()
            self._metrics = None
        self._stopped.set()

    async def deny(self, subject: str, note: str = "") -> None:
        """Turn an endpoint (any form of address) or a credential (its id) away from now on, and close its connections.

        With ``storage_path`` it stays denied after a restart; `StorageError` when that can't be written, and it is
        denied until then all the same.
        """
        try:
            await self._denied.deny(_deniable(subject), note)
        finally:
            if self._acceptor is not None:
                self._acceptor.turn_away_denied()

    async def allow(self, subject: str) -> bool:
        """Take an endpoint or credential off the deny-list; False when it was not on it."""
        return await self._denied.allow(_deniable(subject))

    @property
    def denied(self) -> Sequence[Denial]:
        """The deny-list."""
        return self._denied.entries()

    @property
    def config(self) -> AsterConfig:
        """The settings in effect, dev mode included."""
        return self._config

    @property
    def services(self) -> Sequence[ServiceDefinition]:
        """What is served."""
        return tuple(self._table.definitions)

    @property
    def health(self) -> ServiceHealth:
        """What ``aster.Health`` tells: ``server.health.set_serving("Orders", False)`` while a service can't answer."""
        return self._table.health

    @property
    def blobs(self) -> "Blobs":
        """This node's blob store, in ``storage_path`` or in memory; peers read of it what was shared with them."""
        return self._storage.blobs

    @property
    def docs(self) -> "Docs":
        """This node's documents, kept like its blobs; peers read and write those that were shared with them."""
        return self._storage.docs

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
        """The trust anchor in effect, the first of several; an ephemeral one in dev mode."""
        return next(iter(self.root_pubkeys), None)

    @property
    def root_pubkeys(self) -> Sequence[bytes]:
        """Every root key whose credentials are good here; more than one while keys are rotated."""
        return self._trust.roots if self._trust is not None else ()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _address_if_started(self) -> str | None:
        return None if self._endpoint is None else self.address

    def _started(self) -> Endpoint:
        if self._endpoint is None:
            raise FailedPreconditionError("the server is not started", hint="use 'async with' or await start()")
        return self._endpoint

    def _make_lane(
        self, pipe: Pipe, connection: Connection, admission: Admission, on_end: Callable[[ServerConnection], None]
    ) -> ServerConnection:
        make: Callable[..., ServerConnection] = ServerConnection
        if self._metrics is not None:
            from aster.rpc.metered_connection import MeteredConnection

            make = partial(MeteredConnection, metrics=self._metrics.calls)
        return make(
            pipe,
            self._table,
            self._limits,
            connection.close,
            peer=connection.peer_id,
            attributes=admission.attributes,
            debug_errors=self._debug_errors,
            on_end=on_end,
            streams=connection.side_streams(),
        )


def with_hooks(config: AsterConfig, hook: ConnectionHook | None) -> AsterConfig:
    """Gate 0 is set when admission is active or there is a hook to ask; switched off by hand it contradicts a hook."""
    if not config.allow_all_consumers:
        return config if config.enable_hooks else config.with_value("enable_hooks", True, "admission")
    if hook is not None and not config.enable_hooks:
        source = config.source("enable_hooks")
        if source != "default":
            raise ConfigError(f"{source}: enable_hooks=False, but AsterServer has a hook", hint="drop one of the two")
        return config.with_value("enable_hooks", True, "hook")
    return config


def _deniable(text: str) -> str:
    """The 64 hex characters that an entry of the deny-list has; an address gives its EndpointId."""
    return text if re.fullmatch(r"\s*[0-9a-fA-F]{64}\s*", text) else parse_address(text).endpoint_id
