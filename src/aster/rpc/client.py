"""`AsterClient`: one connection to one server, from an address."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from aster.config import AsterConfig
from aster.config.unsupported import refuse_unsupported
from aster.foundation.errors import ConfigError
from aster.rpc.admission import ADMISSION_ALPN, ProducerCheck, end_with_admission, enter
from aster.rpc.client_connection import ClientConnection, refusal_for
from aster.rpc.gate import anchors_of, instance_verifier
from aster.rpc.interception import Interceptor
from aster.rpc.limits import DEFAULT_LIMITS, RpcLimits
from aster.rpc.node import (
    ALPN,
    LOG_SETTINGS,
    NodeIdentity,
    apply_log_settings,
    bind_endpoint,
    find_identity,
    own_presentation,
)
from aster.rpc.status import FailedPreconditionError, UnavailableError
from aster.rpc.stub import Caller
from aster.transport.address import NodeAddress, parse_address
from aster.transport.endpoint import Connection, Endpoint
from aster.transport.errors import CloseCode, ConnectFailed, ConnectionLost, InvalidAddress


class AsterClient(Caller):
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
            if self._endpoint is not None:
                await self._endpoint.close()

    async def connection(self) -> ClientConnection:
        await self.connect()
        if self.current is None:
            raise FailedPreconditionError("the client is not connected")
        return self.current

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
        presented, producers = own_presentation(self._config, identity), self._producer_check(identity)
        if self._endpoint is None:
            self._endpoint = await bind_endpoint(self._config, identity)
        if self._endpoint.endpoint_id == target.endpoint_id:
            raise ConfigError(
                "this client has the key of the server that it calls",
                hint="give each node an identity file, or ASTER_SECRET_KEY, of its own",
            )
        producer = None
        try:
            if presented is not None or producers is not None:
                door = await self._endpoint.connect(target, ADMISSION_ALPN, self._limits.handshake_seconds)
                producer = await enter(door, presented, producers, self._limits.handshake_seconds)
            connection = await self._endpoint.connect(target, ALPN, self._limits.handshake_seconds)
            lane = await self._greet(connection)
        except InvalidAddress as error:
            raise self._misaddressed(error) from None
        except ConnectFailed as error:
            raise UnavailableError(error.message, hint=error.hint) from error
        except ConnectionLost as error:
            raise refusal_for(error) from error
        if producer is not None:
            end_with_admission(lane, producer)
        return lane

    async def _greet(self, connection: Connection) -> ClientConnection:
        lane = ClientConnection(await connection.open_pipe(), self._limits, connection.close, connection.side_streams())
        lane.start()
        await lane.ready()
        return lane

    def _producer_check(self, identity: NodeIdentity) -> ProducerCheck | None:
        """With ``allow_all_producers=False`` only a server with a producer's credential may be called."""
        if self._config.allow_all_producers:
            return None
        roots = anchors_of(self._config, identity)
        if not roots:
            raise ConfigError(
                f"{self._config.source('allow_all_producers')}: allow_all_producers=False needs a root public key",
                hint="set root_pubkey or root_pubkey_file",
            )
        return ProducerCheck(roots, instance_verifier(self._config))

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
