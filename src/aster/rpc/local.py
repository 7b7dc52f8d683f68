"""Calls inside one process: no network, the same protocol, the same codec, the same errors."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from aster.rpc.client_connection import ClientConnection
from aster.rpc.interception import Interceptor
from aster.rpc.limits import DEFAULT_LIMITS, RpcLimits
from aster.rpc.metadata import NO_METADATA
from aster.rpc.server_connection import ServerConnection
from aster.rpc.services import ServiceTable
from aster.rpc.status import FailedPreconditionError
from aster.rpc.stub import Caller
from aster.transport.errors import CloseCode
from aster.transport.memory import MemoryPipe
from aster.transport.memory_streams import MemoryStreams


class LocalClient(Caller):
    """``async with LocalClient([MyService()]) as client: stub = await client.client(MyService)``.

    Code of the same process is trusted: it may call what `requires` a role. ``peer`` and ``attributes`` (``{}`` for a
    stranger's) make this client look and be treated like a caller from outside. ``interceptors`` are those of the
    server's side, ``client_interceptors`` those of the caller's.
    """

    def __init__(
        self,
        services: Sequence[object],
        *,
        peer: str | None = None,
        attributes: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] = (),
        client_interceptors: Sequence[Interceptor] = (),
        limits: RpcLimits = DEFAULT_LIMITS,
        debug_errors: bool = False,
    ) -> None:
        self._table = ServiceTable(services, interceptors)
        self.interceptors = tuple(client_interceptors)
        self._peer = peer
        self._attributes = NO_METADATA if attributes is None and peer is not None else attributes
        self._limits = limits
        self._debug_errors = debug_errors
        self._server: ServerConnection | None = None

    async def connection(self) -> ClientConnection:
        if self.current is None:
            raise FailedPreconditionError("the client is not open", hint="use 'async with'")
        return self.current

    def _pipes(self) -> tuple[MemoryPipe, MemoryPipe]:
        return MemoryPipe.pair()

    async def __aenter__(self) -> Self:
        near, far = self._pipes()
        near_streams, far_streams = MemoryStreams.pair()
        self._server = ServerConnection(
            far,
            self._table,
            self._limits,
            _no_closer,
            peer=self._peer,
            attributes=self._attributes,
            debug_errors=self._debug_errors,
            streams=far_streams,
        )
        self.current = ClientConnection(near, self._limits, _no_closer, near_streams)
        self._server.start()
        self.current.start()
        await self.current.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.current is not None and self._server is not None:
            self.current.close(CloseCode.DONE, "the client was closed")
            await self._server.gone()
            await self._server.settled()


def _no_closer(code: CloseCode, reason: str) -> None:
    """There is no connection below an in-process pipe; closing the pipe is enough."""
