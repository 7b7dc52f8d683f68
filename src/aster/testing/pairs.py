"""Clients and servers in pairs, made for one test and closed after it."""

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aster.config import AsterConfig
from aster.rpc.client import AsterClient
from aster.rpc.interception import Interceptor
from aster.rpc.limits import DEFAULT_LIMITS, RpcLimits
from aster.rpc.local import LocalClient
from aster.rpc.reconnection import DEFAULT_RECONNECT, Reconnect
from aster.rpc.server import AsterServer
from aster.rpc.sessions import SessionFactory
from aster.testing.faults import Faults
from aster.testing.faulty_client import FaultyClient
from aster.transport.memory import MemoryPipe
from aster.trust.credential import issue
from aster.trust.identity_file import Peer, write_identity
from aster.trust.keys import SigningKey

Service = TypeVar("Service")

NODE_NAME = "node"


@dataclass(frozen=True, slots=True)
class Pair:
    """A server and a client that is connected to it."""

    server: AsterServer
    client: AsterClient


class _FaultyClient(LocalClient):
    def __init__(self, services: Sequence[object], faults: Faults, **options: Any) -> None:
        super().__init__(services, **options)
        self._faults = faults

    def _pipes(self) -> tuple[MemoryPipe, MemoryPipe]:
        return self._faults.pipes()


@contextlib.asynccontextmanager
async def local_pair(*services: object, faults: Faults | None = None, **options: Any) -> AsyncIterator[LocalClient]:
    """A client of ``services`` in this process. ``options`` are those of `LocalClient`."""
    made = LocalClient(services, **options) if faults is None else _FaultyClient(services, faults, **options)
    async with made as client:
        yield client


@contextlib.asynccontextmanager
async def session_pair(
    service: type[Service] | SessionFactory[Service], *, faults: Faults | None = None, **options: Any
) -> AsyncIterator[Service]:
    """A stub of a session-scoped service, in a session of its own. ``options`` are those of `LocalClient`."""
    cls = service.service if isinstance(service, SessionFactory) else service
    async with local_pair(service, faults=faults, **options) as client, await client.open_session() as session:
        yield await session.client(cls)


@contextlib.asynccontextmanager
async def remote_pair(
    *services: object,
    interceptors: Sequence[Interceptor] = (),
    client_interceptors: Sequence[Interceptor] = (),
    limits: RpcLimits = DEFAULT_LIMITS,
    reconnect: Reconnect | None = DEFAULT_RECONNECT,
    faults: Faults | None = None,
    **options: Any,
) -> AsyncIterator[Pair]:
    """Two QUIC endpoints on this machine; whoever dials is let in. ``options`` are those of `AsterServer`."""
    with tempfile.TemporaryDirectory(prefix="aster-testing-") as folder:
        server = AsterServer(
            services,
            config=_node(Path(folder), SigningKey.generate()),
            allow_all_consumers=True,
            interceptors=interceptors,
            limits=limits,
            **options,
        )
        async with (
            server,
            _client(
                faults,
                address=server.address,
                config=_node(Path(folder), SigningKey.generate()),
                interceptors=client_interceptors,
                limits=limits,
                reconnect=reconnect,
            ) as client,
        ):
            yield Pair(server, client)


class GatedPair:
    """A server that admits nobody but who is enrolled, and the root key that enrolls."""

    def __init__(self, server: AsterServer, root: SigningKey, folder: Path, closing: contextlib.AsyncExitStack) -> None:
        self.server = server
        self.root = root
        self._folder = folder
        self._closing = closing

    async def enroll(
        self,
        *roles: str,
        attributes: Mapping[str, str] | None = None,
        expires_in: float = 3600.0,
        interceptors: Sequence[Interceptor] = (),
        faults: Faults | None = None,
    ) -> AsterClient:
        """A connected client with a credential of its own: ``aster.role`` holds ``roles``; it is good for seconds."""
        key = SigningKey.generate()
        said = {"aster.name": NODE_NAME, **({"aster.role": ",".join(roles)} if roles else {}), **(attributes or {})}
        credential = issue(
            self.root,
            role="consumer",
            expires_at=int(time.time() + expires_in),
            attributes=said,
            endpoint_id=key.public.hex(),
        )
        config = _node(self._folder, key, Peer(NODE_NAME, credential))
        client = _client(faults, address=self.server.address, config=config, interceptors=interceptors)
        return await self._closing.enter_async_context(client)

    def stranger(self) -> AsterClient:
        """A client without a credential, not connected; close it, or use it as ``async with``."""
        return AsterClient(address=self.server.address, config=_node(self._folder, SigningKey.generate()))


@contextlib.asynccontextmanager
async def gated_pair(*services: object, **options: Any) -> AsyncIterator[GatedPair]:
    """A server with a closed gate on a QUIC endpoint of this machine. ``options`` are those of `AsterServer`."""
    root = SigningKey.generate()
    with tempfile.TemporaryDirectory(prefix="aster-testing-") as name:
        folder = Path(name)
        config = _node(folder, SigningKey.generate())
        async with (
            AsterServer(services, config=config, root_pubkey=root.public, **options) as server,
            contextlib.AsyncExitStack() as closing,
        ):
            yield GatedPair(server, root, folder, closing)


def _client(faults: Faults | None, **options: Any) -> AsterClient:
    return AsterClient(**options) if faults is None else FaultyClient(faults, **options)


def _node(folder: Path, key: SigningKey, *peers: Peer) -> AsterConfig:
    """Settings of one node: its own identity file, so that none of the working directory's is found; loopback only."""
    file = write_identity(folder / f"{key.public.hex()}.identity", key.seed, peers)
    return AsterConfig(identity_file=file, bind_addr="127.0.0.1:0", relay_mode="disabled")
