"""Where the policy service's documentation says its health, metrics and documents are; ours are beside them.

Anybody may ask, so nothing is told but names and whether all is well.
"""

from typing import Any

import msgspec

from aster.foundation.health import Health
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route

UP, DOWN = "UP", "DOWN"
TO_VIEWER = Reply(307, headers=[(b"location", b"/docs")])


class NamedCheck(msgspec.Struct, frozen=True):
    name: str
    status: str


class HealthAnswer(msgspec.Struct, frozen=True):
    """``status`` is UP when every check is."""

    status: str
    checks: list[NamedCheck]


class OperationRoutes:
    """Handlers and their rows of the table. ``document`` is the policy service's OpenAPI document."""

    def __init__(self, health: Health, document: Route) -> None:
        self._health = health
        self._document = document

    @property
    def routes(self) -> list[Route]:
        return [
            Route("GET", "/q/health", self.ready, "Can it serve?", answer=HealthAnswer, errors=(503,)),
            Route("GET", "/q/health/ready", self.ready, "Can it serve?", answer=HealthAnswer, errors=(503,)),
            Route("GET", "/q/health/live", self.live, "Is the process alive?", answer=HealthAnswer),
            Route("GET", "/q/metrics", self._health.metrics, "/metrics, by another name"),
            Route("GET", "/q/swagger-ui", self.viewer, "The API reference, to be read", status=307),
            Route("GET", "/openapi", self._document.handler, f"{self._document.path}, by another name"),
        ]

    async def live(self, request: Request, body: Any) -> HealthAnswer:
        return HealthAnswer(UP, [])

    async def ready(self, request: Request, body: Any) -> Reply:
        readiness = await self._health.readiness()
        is_ready = readiness.status == "ready"
        checks = [NamedCheck(each.name, UP if each.status == "ok" else DOWN) for each in readiness.checks]
        return json_reply(HealthAnswer(UP if is_ready else DOWN, checks), 200 if is_ready else 503)

    async def viewer(self, request: Request, body: Any) -> Reply:
        return TO_VIEWER
