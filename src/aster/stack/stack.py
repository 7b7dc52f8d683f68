"""The systems in one process: opened in order, ready together, closed in reverse."""

import shlex
import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from aster import __version__
from aster.foundation.errors import StorageError
from aster.foundation.health import Health
from aster.foundation.http.metrics import RequestMetrics
from aster.foundation.http.plain import plain_service
from aster.foundation.http.routes import Route
from aster.foundation.http.server import HttpServer
from aster.foundation.http.service import HttpService
from aster.foundation.sql import Connection, Database
from aster.policy.rpc_service import PolicyService
from aster.policy.service.app import create_policy_service
from aster.policy.service.replicas import Replicas
from aster.policy.service.settings import PolicySettings
from aster.policy.service.settings_table import SECRET_KEY
from aster.rpc import AsterServer
from aster.stack.app import PrefixApp, document_route
from aster.stack.console.app import PREFIX, About, console_app
from aster.stack.data import POLICY_SECRET, DataDirectory
from aster.stack.documents import memory_document, policy_document
from aster.stack.operation_routes import OperationRoutes
from aster.stack.options import StackOptions
from aster.stack.viewer_routes import viewer_routes
from aster.stack.worker_metrics import WorkerMetrics
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.auth import create_authenticator
from astrocyte.gateway.metrics import MemoryMetrics
from astrocyte.memory import Astrocyte
from astrocyte.rpc_service import MemoryService
from astrocyte.sources.opening import running_sources

MEMORY_FILE = "memory.db"
POLICY_FILE = "policy.db"
GRACE_SECONDS = 5.0


class Addresses(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a running stack is reached; what it does not serve is None."""

    url: str
    health: str
    openapi: list[str]
    docs: str
    data: str
    memory: str | None = None
    policy: str | None = None
    p2p: str | None = None
    console: str | None = None

    def rows(self) -> Iterator[tuple[str, str]]:
        """What people want to know, the most important first."""
        for name, value in (
            ("memory", self.memory),
            ("policy", self.policy),
            ("P2P", self.p2p),
            ("console", self.console),
        ):
            if value is not None:
                yield name, value
        yield "health", self.health
        yield "OpenAPI", " ".join(self.openapi)
        yield "API docs", self.docs
        yield "data", self.data
        if self.policy is not None:
            signed = f"aster policy sign GET {self.policy}/lexicons --role VIEWER --data {shlex.quote(self.data)}"
            yield "try", f"{signed} | curl --config -"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the workers of one port share: its socket, the data directory that is locked, a folder to meet in."""

    listener: socket.socket
    data: DataDirectory
    folder: Path
    number: int


@dataclass(frozen=True, slots=True)
class _Part:
    """One system, open: where it hangs in the HTTP tree and what it has beside, and what it offers over P2P."""

    name: str
    prefixes: Sequence[str]
    app: HttpService
    document: Route
    service: object
    beside: Sequence[Route] = ()


class Stack:
    """``async with Stack(options)`` serves until it is left; leaving finishes what is under way."""

    def __init__(self, options: StackOptions, shared: Shared | None = None) -> None:
        self._options = options
        self._shared = shared
        self._data = shared.data if shared is not None else DataDirectory(options.data)
        self._opened: AsyncExitStack | None = None
        self._addresses: Addresses | None = None
        self.health = Health()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            await self._open(opening)
            self._opened = opening.pop_all()
        self.health.started = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.health.started = False
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()

    @property
    def addresses(self) -> Addresses:
        if self._addresses is None:
            raise RuntimeError("the stack is not open")
        return self._addresses

    @property
    def policy_secret(self) -> str | None:
        """The secret that signs for tenants without one of their own; None when there is none."""
        value: str | None = self._options.policy[SECRET_KEY]
        if value is None and self._options.is_loopback:
            return self._data.secret(POLICY_SECRET).decode("ascii")
        return value

    async def _open(self, opening: AsyncExitStack) -> None:
        options = self._options
        socket_bytes = PolicySettings.of(options.policy).body_bytes if "policy" in options.systems else None
        listener = self._shared.listener if self._shared is not None else None
        server = HttpServer(host=options.host, port=options.port, socket_bytes=socket_bytes, listener=listener)
        opening.callback(server.release)
        if self._shared is None:
            opening.enter_context(self._data)
        else:
            together = WorkerMetrics(self.health.own_metrics, self._shared.folder, self._shared.number)
            self.health.exposition = (await opening.enter_async_context(together)).text
        metrics = RequestMetrics(self.health.registry)
        parts = [await part(opening, metrics) for part in self._wanted()]
        node = await self._open_node(opening, [part.service for part in parts]) if "p2p" in options.systems else None
        documents = [part.document for part in parts]
        viewer = viewer_routes([document.path for document in documents])
        beside = [route for part in parts for route in part.beside]
        own = plain_service("stack", [*self.health.routes, *documents, *viewer, *beside])
        served = [(prefix, part.app) for part in parts for prefix in part.prefixes]
        if options.console:
            served.append((PREFIX, console_app(self._about(parts, node))))
        await server.start(PrefixApp(served, own))
        opening.push_async_callback(server.close)
        self._addresses = self._reached_at(server.url, parts, node)

    def _wanted(self) -> list[Any]:
        openers = {"memory": self._open_memory, "policy": self._open_policy}
        return [opener for name, opener in openers.items() if name in self._options.systems]

    async def _open_memory(self, opening: AsyncExitStack, metrics: RequestMetrics) -> _Part:
        settings = self._options.memory
        memory = await opening.enter_async_context(self._memory_engine())
        authenticate = create_authenticator(settings)
        sources = await opening.enter_async_context(running_sources(memory))
        gateway = create_gateway(memory, settings, authenticate=authenticate, metrics=metrics, sources=sources)
        told = MemoryMetrics(memory)
        self.health.registry.register(told)
        self.health.add_reading(told.read)
        self.health.add_check("memory", lambda: _must_be_healthy(memory))
        document = document_route("/openapi/memory.json", "The memory API", memory_document(gateway.routes))
        return _Part("memory", ["/v1"], gateway, document, MemoryService(memory, settings, authenticate=authenticate))

    def _memory_engine(self) -> Astrocyte:
        url = self._options.database or f"sqlite:///{self._data.file(MEMORY_FILE).absolute()}"
        config = self._options.memory.config_path
        if config is not None:
            return Astrocyte.from_config(config, storage_url=url)
        return Astrocyte.from_config_dict({"storage": {"url": url}})

    async def _open_policy(self, opening: AsyncExitStack, metrics: RequestMetrics) -> _Part:
        replicas = None
        if self._options.redis is not None:
            replicas = Replicas.open(self._options.redis)
            opening.push_async_callback(replicas.close)
            await replicas.check()
            self.health.add_check("redis", replicas.check)
        database = Database.open(self._options.database or self._data.file(POLICY_FILE))
        opening.push_async_callback(database.close)
        settings = msgspec.structs.replace(PolicySettings.of(self._options.policy), secret_key=self.policy_secret)
        policy = create_policy_service(
            database,
            settings,
            environ=self._options.environ,
            metrics=metrics,
            replicas=replicas,
            alone=self._options.database is None,
        )
        opening.push_async_callback(policy.close)
        self.health.metrics_token = settings.metrics_token
        self.health.registry.register(policy.measures)
        self.health.add_reading(policy.measures.read)
        self.health.add_check("policy", lambda: database.read(_answer))
        document = document_route("/openapi/policy.json", "The policy API", policy_document(policy.routes))
        service = PolicyService(policy, open_tenant=self._options.open_tenant)
        beside = OperationRoutes(self.health, document).routes
        return _Part("policy", ["/api", "/graphql", "/ws"], policy, document, service, beside)

    async def _open_node(self, opening: AsyncExitStack, services: Sequence[object]) -> AsterServer:
        config = self._options.rpc
        if config.storage_path is None:
            config = config.with_value("storage_path", str(self._data.path), "--data")
        node = AsterServer(services=services, config=config, metrics=self.health.registry)
        opening.push_async_callback(node.drain, GRACE_SECONDS)
        await node.start()
        return node

    def _about(self, parts: Sequence[_Part], node: AsterServer | None) -> About:
        """What the console tells everybody; where the node listens, only on the machine it listens on."""
        served = [part.name for part in parts]
        return About(
            version=__version__,
            systems=served if node is None else [*served, "p2p"],
            memory_auth=self._options.memory.auth_mode if "memory" in served else None,
            node=node.address if node is not None and self._options.is_loopback else None,
        )

    def _reached_at(self, url: str, parts: Sequence[_Part], node: AsterServer | None) -> Addresses:
        served = {part.name for part in parts}
        return Addresses(
            url=url,
            memory=f"{url}/v1" if "memory" in served else None,
            policy=f"{url}/api/v1" if "policy" in served else None,
            p2p=node.address if node is not None else None,
            console=f"{url}{PREFIX}" if self._options.console else None,
            health=f"{url}/readyz",
            openapi=[f"{url}{part.document.path}" for part in parts],
            docs=f"{url}/docs",
            data=str(self._options.data),
        )


async def _must_be_healthy(memory: Astrocyte) -> None:
    health = await memory.health()
    if not health.healthy:
        raise StorageError(f"memory: {health.message}")


def _answer(connection: Connection) -> None:
    connection.execute("SELECT 1").fetchone()
