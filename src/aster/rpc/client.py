"""`AsterClient`: one connection to one server, from an address."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aster.config import AsterConfig
from aster.config.unsupported import refuse_unsupported
from aster.foundation.errors import ConfigError
from aster.rpc.client_connection import ClientConnection
from aster.rpc.dialing import Dialer
from aster.rpc.interception import Interceptor
from aster.rpc.limits import DEFAULT_LIMITS, RpcLimits
from aster.rpc.node import LOG_SETTINGS, apply_log_settings, bind_endpoint, find_identity
from aster.rpc.status import FailedPreconditionError
from aster.rpc.storage.blobs import Server
from aster.rpc.storage.node import NodeStorage
from aster.transport.address import NodeAddress, parse_address
from aster.transport.endpoint import Endpoint
from aster.transport.errors import CloseCode, InvalidAddress

if TYPE_CHECKING:
    from aster.rpc.storage.blobs import Blobs


class AsterClient(Server):
    """Call services of the server at ``address`` (or the config's ``endpoint_addr``): ticket, hex id, or NodeAddr.

    ``peer`` names an enrollment of the identity file, whose credential is presented to the server; ``interceptors``
    stand around every call of its stubs, outermost first.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        config: AsterConfig | None = None,
        peer: str | None = None,
        interceptors: Sequence[Interceptor] = (),
        limits: RpcLimits = DEFAULT_LIMITS,
    ) -> None:
        self.interceptors = tuple(interceptors)
        given = config if config is not None else AsterConfig.from_env()
        self._config = given.with_inline(endpoint_addr=address)
        self._peer = peer
        self._limits = limits
        self._endpoint: Endpoint | None = None
        self._dialer: Dialer | None = None
        self._storage = NodeStorage(self._config.storage_path, lambda: self._dialer, self)
        self._connecting = asyncio.Lock()
        self._closed = False

    async def connect(self) -> None:
        """Dial and wait for the server's greeting; does nothing when already connected.

        Raises `UnavailableError` when the server can't be reached, `PermissionDeniedError` when it does not admit this
        client, and `ConfigError` for an address that is none.
        """
        async with self._connecting:
            if self._closed:
                raise FailedPreconditionError("the client was closed")
            if self.current is None:
                self.current = await self._dial()

    async def close(self) -> None:
        """Close the connection and the endpoint; calls that wait end with UNAVAILABLE. Safe to call twice."""
        self._closed = True
        async with self._connecting:
            if self.current is not None:
                self.current.close(CloseCode.DONE, "the client was closed")
                self.current = None
            await self._storage.close()
            if self._endpoint is not None:
                await self._endpoint.close()

    async def connection(self) -> ClientConnection:
        await self.connect()
        if self.current is None:
            raise FailedPreconditionError("the client is not connected")
        return self.current

    @property
    def blobs(self) -> "Blobs":
        """This client's own blob store, in ``storage_path`` or in memory, and downloads from the server and others."""
        return self._storage.blobs

    @property
    def server_id(self) -> str:
        """The key of the server at ``address``."""
        return self._target().endpoint_id

    @property
    def endpoint_id(self) -> str:
        """This client's key, 64 hex characters: what a server's deny-list and credentials know it by."""
        if self._endpoint is None:
            raise FailedPreconditionError("the client has not connected yet")
        return self._endpoint.endpoint_id

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _dial(self) -> ClientConnection:
        if any(self._config.source(name) != "default" for name in LOG_SETTINGS):
            apply_log_settings(self._config)
        refuse_unsupported(self._config)
        target = self._target()
        identity = find_identity(self._config, "consumer", self._peer)
        if self._endpoint is None:
            self._endpoint = await bind_endpoint(self._config, identity)
        dialer = self._dialer = Dialer.of(self._config, identity, self._endpoint, self._limits)
        try:
            return await dialer.dial(target)
        except InvalidAddress as error:
            raise self._misaddressed(error) from None

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
