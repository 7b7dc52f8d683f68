"""What a relay counts: plain integers while it works, Prometheus families when it is asked."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

REFUSALS = ("full", "address", "rate", "token", "proof", "protocol", "slow")
DROPS = ("queue", "unknown")


@dataclass(slots=True)
class RelayStatistics:
    """Gauges are what is; counters only grow."""

    clients: int = 0
    connections: int = 0
    addresses: int = 0
    queued_bytes: int = 0
    accepted: int = 0
    frames: int = 0
    bytes: int = 0
    throttled: int = 0
    refused: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REFUSALS, 0))
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DROPS, 0))


class RelayCollector(Collector):
    """Tells a registry the statistics as they are when it asks."""

    def __init__(self, statistics: RelayStatistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        now = self._statistics
        yield GaugeMetricFamily("aster_relay_clients", "Clients that have proven their key.", value=now.clients)
        yield GaugeMetricFamily("aster_relay_connections", "Open connections.", value=now.connections)
        yield GaugeMetricFamily("aster_relay_addresses", "Source addresses with connections.", value=now.addresses)
        yield GaugeMetricFamily("aster_relay_queued_bytes", "Bytes that wait to be sent.", value=now.queued_bytes)
        yield CounterMetricFamily("aster_relay_accepted", "Clients that proved their key.", value=now.accepted)
        yield CounterMetricFamily("aster_relay_frames", "Datagram frames passed on.", value=now.frames)
        yield CounterMetricFamily("aster_relay_bytes", "Bytes of datagrams passed on.", value=now.bytes)
        yield CounterMetricFamily("aster_relay_throttled", "Times a client had to wait.", value=now.throttled)
        yield _by_reason("aster_relay_refused", "Connections refused or ended.", now.refused)
        yield _by_reason("aster_relay_dropped", "Datagram frames dropped.", now.dropped)


def _by_reason(name: str, words: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, words, labels=["reason"])
    for reason, count in counts.items():
        family.add_metric([reason], count)
    return family
