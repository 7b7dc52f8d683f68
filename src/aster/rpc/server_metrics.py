"""What a server shows of itself in Prometheus registries: the health server's own, and one that its host keeps."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aster.rpc.acceptor import Acceptor
from aster.rpc.call_metrics import CallMetrics
from aster.rpc.monitoring import NetworkStatistics
from aster.transport.endpoint import Endpoint
from aster.trust.refusals import Refusals


class Reading(Collector):
    """One number, read each time it is asked for."""

    def __init__(
        self, name: str, words: str, value: Callable[[], int], family: type[CounterMetricFamily | GaugeMetricFamily]
    ) -> None:
        self._name = name
        self._words = words
        self._value = value
        self._family = family

    def collect(self) -> Iterable[Metric]:
        yield self._family(self._name, self._words, value=self._value())


class ServerMetrics:
    """The collectors of one server, in every registry of ``registries`` until `withdraw`.

    Its calls and peers always; the endpoint's counters and the paths to each peer with ``network``.
    """

    def __init__(
        self,
        registries: Sequence[CollectorRegistry],
        endpoint: Endpoint,
        acceptor: Acceptor,
        refusals: Refusals,
        *,
        network: bool,
    ) -> None:
        self.calls = CallMetrics()
        gauge, counter = GaugeMetricFamily, CounterMetricFamily
        self._collectors: list[Collector] = [
            self.calls,
            Reading("aster_rpc_connections", "Peers that are connected.", lambda: len(acceptor.connections), gauge),
            Reading("aster_rpc_sessions", "Sessions that are open.", lambda: _sessions(acceptor), gauge),
            Reading("aster_rpc_accepted", "Peers that were let in.", lambda: acceptor.accepted, counter),
            Reading("aster_rpc_refused", "Peers that were turned away.", lambda: refusals.count, counter),
        ]
        if network:
            self._collectors.append(NetworkStatistics(endpoint.statistics, lambda: acceptor.transports))
        self._registries = registries
        for registry in registries:
            for collector in self._collectors:
                registry.register(collector)

    def withdraw(self) -> None:
        """Leave the registries: a host's outlives the server."""
        for registry in self._registries:
            for collector in self._collectors:
                registry.unregister(collector)


def _sessions(acceptor: Acceptor) -> int:
    return sum(each.sessions for each in acceptor.connections)
