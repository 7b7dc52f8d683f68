"""From an endpoint to a peer that serves: admission, connection, greeting."""

from dataclasses import dataclass

from aster.config import AsterConfig
from aster.foundation.errors import ConfigError
from aster.rpc.admission import ADMISSION_ALPN, ProducerCheck, end_with_admission, enter
from aster.rpc.client_connection import ClientConnection, refusal_for
from aster.rpc.gate import anchors_of, instance_verifier
from aster.rpc.limits import RpcLimits
from aster.rpc.node import ALPN, NodeIdentity, own_presentation
from aster.rpc.reconnection import DEFAULT_RECONNECT, Reconnect
from aster.rpc.redialing import Redialing
from aster.rpc.status import UnavailableError
from aster.transport.address import NodeAddress, parse_address
from aster.transport.endpoint import Connection, Endpoint
from aster.transport.errors import CloseCode, ConnectFailed, ConnectionLost
from aster.transport.pipe import Pipe
from aster.trust.presentation import Presentation


@dataclass(frozen=True, slots=True)
class Dialer:
    """Who dials, what it shows of itself, and what it asks of those it calls."""

    endpoint: Endpoint
    limits: RpcLimits
    presented: Presentation | None = None
    producers: ProducerCheck | None = None

    @classmethod
    def of(cls, config: AsterConfig, identity: NodeIdentity, endpoint: Endpoint, limits: RpcLimits) -> "Dialer":
        """As the settings say; `ConfigError` for settings that contradict each other."""
        return cls(endpoint, limits, own_presentation(config, identity), producer_check(config, identity))

    async def dial(self, target: NodeAddress) -> ClientConnection:
        """A greeted connection; `UnavailableError`, `PermissionDeniedError`, or `InvalidAddress` for one that leads
        nowhere."""
        if self.endpoint.endpoint_id == target.endpoint_id:
            raise ConfigError(
                "this client has the key of the server that it calls",
                hint="give each node an identity file, or ASTER_SECRET_KEY, of its own",
            )
        seconds, producer = self.limits.handshake_seconds, None
        try:
            if self.presented is not None or self.producers is not None:
                door = await self.endpoint.connect(target, ADMISSION_ALPN, seconds)
                producer = await enter(door, self.presented, self.producers, seconds)
            lane = await self._greet(await self.endpoint.connect(target, ALPN, seconds))
        except ConnectFailed as error:
            raise UnavailableError(error.message, hint=error.hint) from error
        except ConnectionLost as error:
            raise refusal_for(error) from error
        if producer is not None:
            end_with_admission(lane, producer)
        return lane

    async def _greet(self, connection: Connection) -> ClientConnection:
        try:
            pipe = await self._pipe(connection)
            lane = ClientConnection(pipe, self.limits, connection.close, connection.side_streams())
            lane.start()
            await lane.ready()
        except BaseException:
            # The endpoint may live on for others; nothing else would end this connection.
            connection.close(CloseCode.DONE, "given up")
            raise
        return lane

    async def _pipe(self, connection: Connection) -> Pipe:
        """The lane's stream."""
        return await connection.open_pipe()


class DialedPeer(Redialing):
    """One more peer, called from an endpoint that is there; dialled when it is first called, and when it is lost."""

    def __init__(self, dialer: Dialer, address: str, reconnect: Reconnect | None = DEFAULT_RECONNECT) -> None:
        super().__init__(reconnect)
        self._dialer = dialer
        self._address = parse_address(address)

    @property
    def endpoint_id(self) -> str:
        """The peer's key."""
        return self._address.endpoint_id

    async def _greeted(self) -> ClientConnection:
        return await self._dialer.dial(self._address)


def producer_check(config: AsterConfig, identity: NodeIdentity) -> ProducerCheck | None:
    """With ``allow_all_producers=False`` only a server with a producer's credential may be called."""
    if config.allow_all_producers:
        return None
    roots = anchors_of(config, identity)
    if not roots:
        raise ConfigError(
            f"{config.source('allow_all_producers')}: allow_all_producers=False needs a root public key",
            hint="set root_pubkey or root_pubkey_file",
        )
    return ProducerCheck(roots, instance_verifier(config))
