"""What is counted of calls: started, in flight; handled and their seconds by code.

Labels come from definitions, so they are few: what a caller makes up, a service or method that is not there, counts
under `UNKNOWN`. A call costs a few additions to plain numbers of its loop; Prometheus's form is made when it is read.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from aster.rpc.status import StatusCode

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNKNOWN = "(unknown)"

_BOUNDS = [*(str(bound) for bound in BUCKETS), "+Inf"]


class _Ended:
    """The calls of one method that ended with one code."""

    __slots__ = ("count", "in_buckets", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.in_buckets = [0] * len(_BOUNDS)


class MethodMetrics:
    """The numbers of one method."""

    __slots__ = ("handled", "in_flight", "started")

    def __init__(self) -> None:
        self.started = 0
        self.in_flight = 0
        self.handled: dict[StatusCode, _Ended] = {}

    def begin(self) -> "TimedCall":
        self.started += 1
        self.in_flight += 1
        return TimedCall(self)

    def end(self, status: StatusCode, seconds: float) -> None:
        self.in_flight -= 1
        ended = self.handled.get(status)
        if ended is None:
            ended = self.handled[status] = _Ended()
        ended.count += 1
        ended.seconds += seconds
        ended.in_buckets[bisect_left(BUCKETS, seconds)] += 1


class TimedCall:
    """A call that runs."""

    __slots__ = ("_began", "_method")

    def __init__(self, method: MethodMetrics) -> None:
        self._method = method
        self._began = time.perf_counter()

    def ended(self, status: StatusCode) -> None:
        self._method.end(status, time.perf_counter() - self._began)


class CallMetrics(Collector):
    """The metrics of one server or client, in a registry of its owner's."""

    def __init__(self, registry: CollectorRegistry | None = None, *, prefix: str = "aster_rpc") -> None:
        self._prefix = prefix
        self._methods: dict[tuple[str, str], MethodMetrics] = {}
        if registry is not None:
            registry.register(self)

    def started(self, service: str, method: str) -> TimedCall:
        """A call begins, of a method that is defined; never pass what a stranger typed."""
        known = self._methods.get((service, method))
        if known is None:
            known = self._methods[service, method] = MethodMetrics()
        return known.begin()

    def collect(self) -> Iterable[Metric]:
        """Every series; O(methods x codes x buckets)."""
        labels = ("service", "method")
        by_code = (*labels, "code")
        started = CounterMetricFamily(f"{self._prefix}_started", "Calls begun.", labels=labels)
        handled = CounterMetricFamily(f"{self._prefix}_handled", "Calls ended, by code.", labels=by_code)
        in_flight = GaugeMetricFamily(f"{self._prefix}_in_flight", "Calls running now.", labels=labels)
        seconds = HistogramMetricFamily(f"{self._prefix}_seconds", "Time from begin to end, by code.", labels=by_code)
        for names, method in self._methods.items():
            started.add_metric(names, method.started)
            in_flight.add_metric(names, method.in_flight)
            for status, ended in method.handled.items():
                handled.add_metric((*names, status.name), ended.count)
                buckets = list(zip(_BOUNDS, accumulate(ended.in_buckets), strict=True))
                seconds.add_metric((*names, status.name), buckets=buckets, sum_value=ended.seconds)
        return started, handled, in_flight, seconds
