"""`AsterClient`: one server, from an address; connected again by itself when the connection is lost."""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aster.config import AsterConfig
from aster.config.unsupported import refuse_unsupported
from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger
from aster.rpc.client_connection import ClientConnection
from aster.rpc.dialing import Dialer
from aster.rpc.interception import Interceptor
from aster.rpc.limits import DEFAULT_LIMITS, RpcLimits
from aster.rpc.node import (
    LOG_SETTINGS,
    NodeIdentity,
    apply_log_settings,
    endpoint_settings,
    find_identity,
    own_presentation,
)
from aster.rpc.reconnection import DEFAULT_RECONNECT, Reconnect
from aster.rpc.redialing import Redialing
from aster.rpc.status import FailedPreconditionError
from aster.rpc.storage.blobs import Server
from aster.rpc.storage.node import NodeStorage
from aster.storage.limits import StorageLimits
from aster.transport.address import NodeAddress, parse_address
from aster.transport.endpoint import Endpoint
from aster.transport.errors import InvalidAddress
from aster.transport.shared import Lease, lease_endpoint

if TYPE_CHECKING:
    from aster.rpc.storage.blobs import Blobs
    from aster.rpc.storage.docs import Docs

logger = get_logger("aster.rpc")


class AsterClient(Redialing, Server):
    """Call services of the server at ``address`` (or the config's ``endpoint_addr``): ticket, hex id, or NodeAddr.

    ``peer`` names an enrollment of the identity file, whose credential is presented to the server; ``interceptors``
    stand around every call of its stubs, outermost first.

    A connection that is lost, or whose server drains, is dialled again by itself as ``reconnect`` says (None: not at
    all). Calls under way end with UNAVAILABLE; new ones wait for the connection, no longer than their deadlines.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        config: AsterConfig | None = None,
        peer: str | None = None,
        interceptors: Sequence[Interceptor] = (),
        limits: RpcLimits = DEFAULT_LIMITS,
        storage_limits: StorageLimits | None = None,
        reconnect: Reconnect | None = DEFAULT_RECONNECT,
    ) -> None:
        super().__init__(reconnect)
        self.interceptors = tuple(interceptors)
        given = config if config is not None else AsterConfig.from_env()
        self._config = given.with_inline(endpoint_addr=address)
        self._peer = peer
        self._limits = limits
        self._lease: Lease | None = None
        self._dialer: Dialer | None = None
        self._storage = NodeStorage(self._config, lambda: self._dialer, self, limits=storage_limits)

    async def close(self) -> None:
        """Close the connection and the endpoint; calls that wait end with UNAVAILABLE. Safe to call twice."""
        await super().close()
        await self._storage.close()
        if self._lease is not None:
            await self._lease.release()

    @property
    def endpoint_id(self) -> str:
        """This client's key, 64 hex characters: what a server's deny-list and credentials know it by."""
        if self._lease is None:
            raise FailedPreconditionError("the client has not connected yet")
        return self._lease.endpoint.endpoint_id

    @property
    def blobs(self) -> "Blobs":
        """This client's own blob store, in ``storage_path`` or in memory, and downloads from the server and others."""
        return self._storage.blobs

    @property
    def docs(self) -> "Docs":
        """This client's own documents, kept like its blobs, and their synchronization with the server and others."""
        return self._storage.docs

    @property
    def server_id(self) -> str:
        """The key of the server at ``address``."""
        return self._target().endpoint_id

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _greeted(self) -> ClientConnection:
        """Settings, identity and credential are read anew each time, for they may have been renewed."""
        if any(self._config.source(name) != "default" for name in LOG_SETTINGS):
            apply_log_settings(self._config)
        refuse_unsupported(self._config)
        target = self._target()
        identity = find_identity(self._config, "consumer", self._peer)
        if self._lease is None or not self._lease.endpoint.is_open:
            if self._config.enable_monitoring:
                logger.warning("enable_monitoring shows in a server's /metrics; a client has none: nothing is shown")
            shown = own_presentation(self._config, identity)
            self._lease = await lease_endpoint(endpoint_settings(self._config, identity), shown)
        dialer = self._dialer = self._dialer_with(identity, self._lease.endpoint)
        try:
            return await dialer.dial(target)
        except InvalidAddress as error:
            raise self._misaddressed(error) from None

    def _dialer_with(self, identity: NodeIdentity, endpoint: Endpoint) -> Dialer:
        return Dialer.of(self._config, identity, endpoint, self._limits)

    def _target(self) -> NodeAddress:
        text = self._config.endpoint_addr
        if text is None:
            raise ConfigError(
                "no address to connect to",
                hint="AsterClient(address=...), ASTER_ENDPOINT_ADDR, or [connect] endpoint_addr",
            )
        try:
            return parse_address(text)
        except InvalidAddress as error:
            raise self._misaddressed(error) from None

    def _misaddressed(self, error: InvalidAddress) -> ConfigError:
        return ConfigError(f"{self._config.source('endpoint_addr')}: {error.message}", hint=error.hint)
