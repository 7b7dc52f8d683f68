"""`AsterClient`: one server, from an address; connected again by itself when the connection is lost."""

import asyncio
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from aster.config import AsterConfig
from aster.config.unsupported import refuse_unsupported
from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger
from aster.rpc.client_connection import ClientConnection
from aster.rpc.dialing import Dialer
from aster.rpc.interception import Interceptor
from aster.rpc.limits import DEFAULT_LIMITS, RpcLimits
from aster.rpc.node import LOG_SETTINGS, apply_log_settings, endpoint_settings, find_identity
from aster.rpc.reconnection import DEFAULT_RECONNECT, Reconnect
from aster.rpc.status import FailedPreconditionError, ResourceExhaustedError, RpcError, UnavailableError
from aster.rpc.storage.blobs import Server
from aster.rpc.storage.node import NodeStorage
from aster.storage.limits import DEFAULT_STORAGE_LIMITS, StorageLimits
from aster.transport.address import NodeAddress, parse_address
from aster.transport.errors import CloseCode, InvalidAddress
from aster.transport.shared import Lease, lease_endpoint

if TYPE_CHECKING:
    from aster.rpc.storage.blobs import Blobs
    from aster.rpc.storage.docs import Docs

logger = get_logger("aster.rpc")


class AsterClient(Server):
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
        storage_limits: StorageLimits = DEFAULT_STORAGE_LIMITS,
        reconnect: Reconnect | None = DEFAULT_RECONNECT,
    ) -> None:
        self.interceptors = tuple(interceptors)
        given = config if config is not None else AsterConfig.from_env()
        self._config = given.with_inline(endpoint_addr=address)
        self._peer = peer
        self._limits = limits
        self._lease: Lease | None = None
        self._dialer: Dialer | None = None
        self._storage = NodeStorage(self._config.storage_path, lambda: self._dialer, self, limits=storage_limits)
        self._reconnect = reconnect
        self._dialling: asyncio.Task[None] | None = None
        self._lanes: set[ClientConnection] = set()
        self._closed = False

    async def connect(self) -> None:
        """Dial and wait for the server's greeting; does nothing when already connected.

        Raises `UnavailableError` when the server can't be reached, `PermissionDeniedError` when it does not admit this
        client, and `ConfigError` for an address that is none.
        """
        self._check_open()
        if self.current is not None:
            return
        dialling = self._dialling or self._begin(self._dial())
        await asyncio.wait({dialling})
        if dialling.cancelled():
            raise UnavailableError("the client was closed or told to connect anew")
        if error := dialling.exception():
            # Several callers may wait here; each gets an exception of its own.
            raise type(error)(error.message, hint=error.hint) if isinstance(error, RpcError) else error

    async def reconnect(self) -> None:
        """Leave the connection, if there is one, and dial anew at once. Calls under way end with UNAVAILABLE."""
        self._check_open()
        await self._stop_dialling()
        self.current = None
        self._leave("the client connects anew")
        await self.connect()

    async def close(self) -> None:
        """Close the connection and the endpoint; calls that wait end with UNAVAILABLE. Safe to call twice."""
        self._closed = True
        await self._stop_dialling()
        self.current = None
        self._leave("the client was closed")
        await self._storage.close()
        if self._lease is not None:
            await self._lease.release()

    async def connection(self) -> ClientConnection:
        await self.connect()
        if self.current is None:
            self._check_open()
            raise UnavailableError("the connection was lost as soon as it was made")
        return self.current

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

    def _check_open(self) -> None:
        if self._closed:
            raise FailedPreconditionError("the client was closed")

    def _begin(self, dialling: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """One attempt to connect at a time, in a task of its own: no caller's deadline cancels it for the others."""
        task = self._dialling = asyncio.create_task(dialling)
        task.add_done_callback(self._dialled)
        return task

    def _dialled(self, dialling: "asyncio.Task[None]") -> None:
        if self._dialling is dialling:
            self._dialling = None
        if not dialling.cancelled():
            dialling.exception()  # for those who wait; nobody may

    async def _dial(self) -> None:
        lane = await self._greeted()
        self._lanes.add(lane)
        self.current = lane
        lane.when_unusable(self._lost)
        lane.when_over(self._lanes.discard)

    def _lost(self, lane: ClientConnection) -> None:
        """The server is gone, or takes no more calls; a connection that drains goes on until its calls are done."""
        if self.current is lane and self._reconnect is not None:
            self.current = None
            self._begin(self._dial_again(self._reconnect))

    async def _dial_again(self, reconnect: Reconnect) -> None:
        logger.info("connection lost, dialling again")
        loop = asyncio.get_running_loop()
        give_up = loop.time() + reconnect.give_up_seconds
        for pause in reconnect.pauses():
            await asyncio.sleep(pause)
            try:
                await self._dial()
            except (UnavailableError, ResourceExhaustedError) as error:
                if loop.time() >= give_up:
                    logger.warning("giving up dialling", seconds=reconnect.give_up_seconds, reason=error.message)
                    raise
            else:
                logger.info("connected again")
                return

    async def _greeted(self) -> ClientConnection:
        """Settings, identity and credential are read anew each time, for they may have been renewed."""
        if any(self._config.source(name) != "default" for name in LOG_SETTINGS):
            apply_log_settings(self._config)
        refuse_unsupported(self._config)
        target = self._target()
        identity = find_identity(self._config, "consumer", self._peer)
        if self._lease is None:
            if self._config.enable_monitoring:
                logger.warning("enable_monitoring shows in a server's /metrics; a client has none: nothing is shown")
            self._lease = await lease_endpoint(endpoint_settings(self._config, identity))
        dialer = self._dialer = Dialer.of(self._config, identity, self._lease.endpoint, self._limits)
        try:
            return await dialer.dial(target)
        except InvalidAddress as error:
            raise self._misaddressed(error) from None

    async def _stop_dialling(self) -> None:
        if (dialling := self._dialling) is not None:
            dialling.cancel()
            await asyncio.wait({dialling})

    def _leave(self, reason: str) -> None:
        for lane in list(self._lanes):
            lane.close(CloseCode.DONE, reason)

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
