"""``aster.Health``: does a server, or one service of it, take calls? Asked once, or watched as a stream."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum

from msgspec import Struct

from aster.rpc.builtin.visibility import visible_methods
from aster.rpc.context import CallContext
from aster.rpc.decorators import rpc, server_stream, service
from aster.rpc.definition import ServiceDefinition
from aster.rpc.status import NotFoundError


class HealthStatus(StrEnum):
    """Whether calls are taken: yes; not now; no longer, for the server is going away."""

    SERVING = "serving"
    NOT_SERVING = "not_serving"
    DRAINING = "draining"


class AskHealth(Struct, frozen=True):
    """About one service by its name, or about the whole server."""

    service: str = ""


class HealthAnswer(Struct, frozen=True):
    """The status now."""

    status: HealthStatus


class ServiceHealth:
    """The statuses of one server, and who waits for them to change. The server drains as a whole."""

    def __init__(self, offered: Sequence[ServiceDefinition]) -> None:
        self.offered = offered
        self._not_serving: set[str] = set()
        self._is_draining = False
        self._changed = asyncio.Event()

    def set_serving(self, service: str, is_serving: bool) -> None:
        """Say that a service does, or for now does not, take calls; `NotFoundError` for one that is not offered."""
        if all(each.name != service for each in self.offered):
            raise NotFoundError(f"no service '{service}' here")
        (self._not_serving.discard if is_serving else self._not_serving.add)(service)
        self._tell()

    def drain(self) -> None:
        """No new calls from here on; who watches is told and its stream ends."""
        self._is_draining = True
        self._tell()

    def status(self, service: str = "") -> HealthStatus:
        """The status of a service, or of the server: it serves when every service does."""
        if self._is_draining:
            return HealthStatus.DRAINING
        stopped = service in self._not_serving if service else bool(self._not_serving)
        return HealthStatus.NOT_SERVING if stopped else HealthStatus.SERVING

    async def changed(self) -> None:
        """Wait until some status is another."""
        await self._changed.wait()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


@service("aster.Health", public=True)
class Health:
    """Tells whether calls are taken."""

    def __init__(self, health: ServiceHealth) -> None:
        self._health = health

    @rpc(idempotent=True)
    async def check(self, request: AskHealth, context: CallContext) -> HealthAnswer:
        """The status now; NOT_FOUND for a service that this caller may not call."""
        self._check_visible(request, context)
        return HealthAnswer(self._health.status(request.service))

    @server_stream
    async def watch(self, request: AskHealth, context: CallContext) -> AsyncIterator[HealthAnswer]:
        """The status now and at each change, until the server drains."""
        self._check_visible(request, context)
        told: HealthStatus | None = None
        while told is not HealthStatus.DRAINING:
            status = self._health.status(request.service)
            if status is told:
                await self._health.changed()
                continue
            told = status
            yield HealthAnswer(status)

    def _check_visible(self, request: AskHealth, context: CallContext) -> None:
        if not request.service:
            return
        for each in self._health.offered:
            if each.name == request.service and visible_methods(each, context):
                return
        raise NotFoundError(f"no service '{request.service:.128}' here")
