"""Request counters with bounded labels: routes come from the table, never from the path a stranger typed."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from aster.foundation.http.routes import Route

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_EDGES = [*map(str, BUCKETS), "+Inf"]
_LABELS = ("service", "method", "route")


class _Times:
    """Of one route: how many answers took how long, and all of them together, in seconds."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * len(_EDGES)
        self.seconds = 0.0


class _Answers:
    """How often a route answered with one status."""

    __slots__ = ("count", "times")

    def __init__(self, times: _Times) -> None:
        self.count = 0
        self.times = times


class RequestMetrics(Collector):
    """One process's HTTP counters, shared by its services. Counts on one event loop, is read from any thread.

    The counts are plain numbers, made into series when somebody asks: counting is a tenth of what a locked one costs.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers: dict[tuple[str, str, str, int], _Answers] = {}
        self._times: dict[tuple[str, str, str], _Times] = {}
        registry.register(self)

    def observe(self, service: str, route: Route | None, status: int, seconds: float) -> None:
        method, path = (route.method, route.path) if route is not None else ("-", "(unmatched)")
        answers = self._answers.get((service, method, path, status)) or self._begin(service, method, path, status)
        answers.count += 1
        times = answers.times
        times.counts[bisect_left(BUCKETS, seconds)] += 1
        times.seconds += seconds

    def _begin(self, service: str, method: str, path: str, status: int) -> _Answers:
        times = self._times.setdefault((service, method, path), _Times())
        answers = self._answers[service, method, path, status] = _Answers(times)
        return answers

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily("aster_http_requests", "Requests answered.", labels=(*_LABELS, "status"))
        for (service, method, path, status), row in list(self._answers.items()):
            answers.add_metric((service, method, path, str(status)), row.count)
        yield answers
        seconds = HistogramMetricFamily("aster_http_request_seconds", "Time to answer.", labels=_LABELS)
        for labels, times in list(self._times.items()):
            buckets = list(zip(_EDGES, accumulate(times.counts), strict=True))
            seconds.add_metric(labels, buckets, times.seconds)
        yield seconds
