"""The health HTTP server that ``health_port`` asks for: `/livez` (and `/healthz`), `/readyz`, `/metrics`."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from aster.foundation.health import Health
from aster.foundation.http.plain import plain_service
from aster.foundation.http.server import HttpServer
from aster.rpc.status import UnavailableError


class HealthServer:
    """Says whether one server takes calls. It has a port of its own, so that it can be asked without a credential."""

    def __init__(self, host: str, port: int, *, accepts: Callable[[], bool]) -> None:
        """Binds the port at once; raises `AddressUnavailable` when it can't be had."""
        self._http = HttpServer(host=host, port=port)
        self._health = Health()
        self._accepts = accepts
        self._health.add_check("rpc", self._check)

    @property
    def registry(self) -> CollectorRegistry:
        """What `/metrics` shows."""
        return self._health.registry

    @property
    def url(self) -> str:
        return self._http.url

    async def start(self) -> None:
        await self._http.start(plain_service("health", self._health.routes))
        self._health.started = True

    async def close(self) -> None:
        await self._http.close()

    async def _check(self) -> None:
        if not self._accepts():
            raise UnavailableError("the server takes no more calls")
