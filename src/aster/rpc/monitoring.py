"""What ``enable_monitoring`` adds to `/metrics`: the counters of the endpoint, and the paths to each connected peer.

Read from the bindings when the page is asked for; nothing is kept in between. Peers and paths of closed connections
are not on it any more.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

from aster.transport.endpoint import Connection, PathStatistics
from aster.transport.errors import TransportError

LABELS = ("peer", "path", "kind")

PATH_GAUGES: Mapping[str, tuple[str, Callable[[PathStatistics], float]]] = {
    "aster_path_selected": ("1 for the path in use.", lambda path: float(path.is_selected)),
    "aster_path_rtt_seconds": ("Round-trip time.", lambda path: path.rtt_seconds),
    "aster_path_congestion_window_bytes": ("Bytes that may be under way.", lambda path: path.congestion_window),
    "aster_path_mtu_bytes": ("Largest datagram that the path takes.", lambda path: path.mtu),
}
PATH_COUNTERS: Mapping[str, tuple[str, Callable[[PathStatistics], float]]] = {
    "aster_path_sent_bytes": ("Bytes sent.", lambda path: path.sent_bytes),
    "aster_path_received_bytes": ("Bytes received.", lambda path: path.received_bytes),
    "aster_path_lost_packets": ("Packets lost.", lambda path: path.lost_packets),
    "aster_path_congestion_events": ("Times that the network was found congested.", lambda path: path.congestions),
}

_OTHER = re.compile(r"[^a-zA-Z0-9_]")


class NetworkStatistics(Collector):
    """A collector for one endpoint and its live connections; O(connections) a page."""

    def __init__(
        self, endpoint: Callable[[], Mapping[str, int]], connections: Callable[[], Iterable[Connection]]
    ) -> None:
        self._endpoint = endpoint
        self._connections = connections

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        for name, value in sorted(self._endpoint().items()):
            group, _, metric = name.partition(":")
            words = f"The QUIC bindings' {group} statistic '{metric}'."
            yield UnknownMetricFamily(_OTHER.sub("_", f"aster_endpoint_{group}_{metric}"), words, value=value)
        rows = [(labels, path) for connection in self._connections() for labels, path in _paths(connection)]
        for families, kind in ((PATH_GAUGES, GaugeMetricFamily), (PATH_COUNTERS, CounterMetricFamily)):
            for name, (words, read) in families.items():
                family = kind(name, words, labels=LABELS)
                for labels, path in rows:
                    family.add_metric(labels, read(path))
                yield family


def _paths(connection: Connection) -> list[tuple[tuple[str, str, str], PathStatistics]]:
    try:
        return [((connection.peer_id, path.path, path.kind), path) for path in connection.paths()]
    except TransportError:
        return []  # it has ended between the two looks
