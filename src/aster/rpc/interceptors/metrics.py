"""Counters and latencies by service, method and code, for Prometheus. On either side.

A server with ``health_port`` counts its own calls, those too that never reach a handler; this is for clients, and for
servers whose process has a registry of its own.
"""

from typing import Any

from prometheus_client import CollectorRegistry

from aster.rpc.call_metrics import CallMetrics
from aster.rpc.interception import Call, Proceed, status_of, until_end


class Metrics:
    """Count calls in ``registry``; ``prefix`` begins the names: ``aster_rpc_client_handled_total``, …"""

    def __init__(self, registry: CollectorRegistry, *, prefix: str = "aster_rpc_client") -> None:
        self._metrics = CallMetrics(registry, prefix=prefix)

    async def __call__(self, call: Call, request: Any, proceed: Proceed) -> Any:
        timed = self._metrics.started(call.service, call.method)

        def ended(error: BaseException | None) -> None:
            timed.ended(status_of(error, call))

        return await until_end(call, request, proceed, ended)
