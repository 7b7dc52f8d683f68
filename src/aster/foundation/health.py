"""Health and metrics: alive (the loop answers), ready (every check passes), and Prometheus text."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, generate_latest

from aster.foundation.http.errors import HttpError
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.foundation.logs import get_logger

CHECK_SECONDS = 2.0
METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Check = Callable[[], Awaitable[None]]
"""Returns when all is well, raises when it is not."""

Reading = Callable[[], Awaitable[None]]
"""Brings up to date what a collector tells, and can't ask for while it is collected."""

logger = get_logger("aster.health")


class TokenRequired(HttpError):
    """Metrics are told to whoever has the token that the operator set."""

    status = 401
    code = "TOKEN_REQUIRED"
    headers = ((b"www-authenticate", b"Bearer"),)


class CheckResult(msgspec.Struct, frozen=True):
    name: str
    status: str


class Readiness(msgspec.Struct, frozen=True):
    status: str
    checks: list[CheckResult] = []


class Health:
    """One process's checks and metrics. A check that fails, or takes more than 2 s, means: not ready."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.started = False
        self.metrics_token: str | None = None
        self.exposition: Callable[[], Awaitable[bytes]] = self.own_metrics
        self._checks: dict[str, Check] = {}
        self._readings: list[Reading] = []

    def add_check(self, name: str, check: Check) -> None:
        self._checks[name] = check

    def add_reading(self, read: Reading) -> None:
        """Await ``read`` each time before the metrics are told."""
        self._readings.append(read)

    async def readiness(self) -> Readiness:
        """Run every check at once."""
        names = list(self._checks)
        passed = await asyncio.gather(*(self._passes(name) for name in names))
        results = [CheckResult(name, "ok" if ok else "failed") for name, ok in zip(names, passed, strict=True)]
        ready = self.started and all(passed)
        return Readiness("ready" if ready else "not ready", results)

    @property
    def routes(self) -> list[Route]:
        return [
            Route("GET", "/livez", self.livez, summary="Is the process alive?", answer=Readiness),
            Route("GET", "/readyz", self.readyz, summary="Can it serve?", answer=Readiness, errors=(503,)),
            Route("GET", "/healthz", self.livez, summary="/livez, by another name", answer=Readiness),
            Route("GET", "/live", self.livez, summary="/livez, by another name", answer=Readiness),
            Route("GET", "/ready", self.readyz, summary="/readyz, by another name", answer=Readiness, errors=(503,)),
            Route("GET", "/metrics", self.metrics, summary="Counters in Prometheus text format", errors=(401,)),
        ]

    async def livez(self, request: Request, body: Any) -> Readiness:
        return Readiness("ok")

    async def readyz(self, request: Request, body: Any) -> Reply:
        readiness = await self.readiness()
        return json_reply(readiness, 200 if readiness.status == "ready" else 503)

    async def metrics(self, request: Request, body: Any) -> Reply:
        if self.metrics_token is not None:
            given = request.header(b"authorization") or b""
            if not hmac.compare_digest(given, b"Bearer " + self.metrics_token.encode()):
                raise TokenRequired("the metrics of this process need their token")
        return Reply(200, await self.exposition(), METRICS_TYPE)

    async def own_metrics(self) -> bytes:
        await asyncio.gather(*(read() for read in self._readings))
        return generate_latest(self.registry)

    async def _passes(self, name: str) -> bool:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._checks[name]()
        except Exception as error:  # noqa: BLE001 - whatever a check raises, the process is not ready
            logger.warning("health check failed", check=name, error_type=type(error).__name__)
            return False
        return True
