"""The three systems in one process: opened in order, ready together, closed in reverse."""

import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import msgspec

from aster.foundation.errors import StorageError
from aster.foundation.health import Health
from aster.foundation.http.metrics import RequestMetrics
from aster.foundation.sql import Database
from aster.policy.rpc_service import PolicyService
from aster.policy.service.app import create_policy_service
from aster.policy.service.settings import SECRET_KEY, PolicySettings
from aster.rpc import AsterServer
from aster.stack.app import PrefixApp, document_route, own_service
from aster.stack.data import POLICY_SECRET, DataDirectory
from aster.stack.documents import memory_document, policy_document
from aster.stack.http_server import HttpServer
from aster.stack.options import StackOptions
from astrocyte.gateway.app import create_gateway
from astrocyte.memory import Astrocyte
from astrocyte.rpc_service import MemoryService

MEMORY_FILE = "memory.db"
POLICY_FILE = "policy.db"
GRACE_SECONDS = 5.0


class Addresses(msgspec.Struct, frozen=True):
    """Where a running stack is reached."""

    memory: str
    policy: str
    p2p: str
    health: str
    openapi: list[str]
    data: str

    def rows(self) -> Iterator[tuple[str, str]]:
        yield "memory", self.memory
        yield "policy", self.policy
        yield "P2P", self.p2p
        yield "health", self.health
        yield "OpenAPI", " ".join(self.openapi)
        yield "data", self.data


class Stack:
    """``async with Stack(options)`` serves until it is left; leaving finishes what is under way."""

    def __init__(self, options: StackOptions) -> None:
        self._options = options
        self._data = DataDirectory(options.data)
        self._opened: AsyncExitStack | None = None
        self._http: HttpServer | None = None
        self._node: AsterServer | None = None
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
        if self._http is None or self._node is None:
            raise RuntimeError("the stack is not open")
        url = self._http.url
        return Addresses(
            memory=f"{url}/v1",
            policy=f"{url}/api/v1",
            p2p=self._node.address,
            health=f"{url}/readyz",
            openapi=[f"{url}/openapi/memory.json", f"{url}/openapi/policy.json"],
            data=str(self._options.data),
        )

    @property
    def policy_secret(self) -> str | None:
        """The secret that signs for tenants without one of their own; None when there is none."""
        value: str | None = self._options.policy[SECRET_KEY]
        if value is None and self._options.is_loopback:
            return self._data.secret(POLICY_SECRET).decode("ascii")
        return value

    async def _open(self, opening: AsyncExitStack) -> None:
        options = self._options
        server = HttpServer(host=options.host, port=options.port)
        opening.callback(server.release)
        opening.enter_context(self._data)
        metrics = RequestMetrics(self.health.registry)

        memory = await opening.enter_async_context(self._memory())
        gateway = create_gateway(memory, options.memory, metrics=metrics)
        self.health.add_check("memory", lambda: _must_be_healthy(memory))

        database = Database.open(self._data.file(POLICY_FILE))
        opening.push_async_callback(database.close)
        settings = msgspec.structs.replace(PolicySettings.of(options.policy), secret_key=self.policy_secret)
        policy = create_policy_service(database, settings, environ=options.environ, metrics=metrics)
        self.health.add_check("policy", lambda: database.read(_answer))

        services = [MemoryService(memory, options.memory), PolicyService(policy, open_tenant=options.open_tenant)]
        node = AsterServer(services=services, config=options.rpc)
        opening.push_async_callback(node.drain, GRACE_SECONDS)
        await node.start()

        documents = [
            document_route("/openapi/memory.json", "The memory API", memory_document(gateway.routes)),
            document_route("/openapi/policy.json", "The policy API", policy_document(policy.routes)),
        ]
        own = own_service([*self.health.routes, *documents])
        await server.start(PrefixApp([("/v1", gateway), ("/api", policy)], own))
        opening.push_async_callback(server.close)
        self._http, self._node = server, node

    def _memory(self) -> Astrocyte:
        url = f"sqlite:///{self._data.file(MEMORY_FILE).absolute()}"
        return Astrocyte.from_config_dict({"storage": {"url": url}})


async def _must_be_healthy(memory: Astrocyte) -> None:
    health = await memory.health()
    if not health.healthy:
        raise StorageError(f"memory: {health.message}")


def _answer(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1").fetchone()
