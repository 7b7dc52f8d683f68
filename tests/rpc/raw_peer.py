"""A client that speaks the protocol by hand, to send what a real one never would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aster.config import AsterConfig
from aster.rpc import AsterServer, RpcLimits
from aster.rpc.node import ALPN
from aster.rpc.protocol.core import ClientProtocol
from aster.rpc.protocol.events import Greeted
from aster.rpc.protocol.wire import Declaration
from aster.rpc.server_connection import ServerConnection
from aster.rpc.services import ServiceTable
from aster.transport.address import parse_address
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.errors import CloseCode, ConnectionLost
from aster.transport.memory import MemoryPipe
from aster.transport.memory_streams import MemoryStreams
from aster.transport.pipe import Pipe
from aster.transport.side_streams import SideStreams

Happening = TypeVar("Happening")


class RawPeer:
    """``protocol`` makes frames, `write` sends them, `event` waits for the next one of a class."""

    def __init__(self, pipe: Pipe, streams: SideStreams, limits: RpcLimits) -> None:
        self.protocol = ClientProtocol(limits, limits.body_streams)
        self.streams = streams
        self.pipe = pipe
        self.lost: asyncio.Future[ConnectionLost] = asyncio.get_running_loop().create_future()
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        pipe.start(self._received, self.lost.set_result)
        pipe.write(self.protocol.hello())

    def write(self, wire: bytes) -> None:
        self.pipe.write(wire)

    def declare(self, service: str, version: int, method: str, pattern: str = "unary") -> int:
        number, wire = self.protocol.declare(Declaration(service, version, method, pattern))
        self.write(wire)
        return number

    async def event(self, kind: type[Happening]) -> Happening:
        while True:
            event = await self._events.get()
            if isinstance(event, kind):
                return event

    def _received(self, data: bytes) -> None:
        for event in self.protocol.receive(data):
            self._events.put_nowait(event)


@asynccontextmanager
async def raw_in_process(service: object, limits: RpcLimits) -> AsyncIterator[RawPeer]:
    near, far = MemoryPipe.pair()
    near_streams, far_streams = MemoryStreams.pair()
    ends: list[tuple[CloseCode, str]] = []
    server = ServerConnection(
        far, ServiceTable([service]), limits, lambda code, reason: ends.append((code, reason)), streams=far_streams
    )
    server.start()
    peer = RawPeer(near, near_streams, limits)
    await peer.event(Greeted)
    yield peer
    peer.pipe.close()
    await server.gone()


@asynccontextmanager
async def raw_over_quic(service: object, limits: RpcLimits) -> AsyncIterator[RawPeer]:
    config = AsterConfig(allow_all_consumers=True, bind_addr="127.0.0.1:0")
    async with AsterServer([service], config=config, limits=limits) as server:
        endpoint = await Endpoint.bind(EndpointSettings(bind_addr="127.0.0.1:0"))
        connection = await endpoint.connect(parse_address(server.address), ALPN, 10)
        peer = RawPeer(await connection.open_pipe(), connection.side_streams(), limits)
        await peer.event(Greeted)
        yield peer
        peer.pipe.close()
        await endpoint.close()
