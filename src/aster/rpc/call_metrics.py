"""What is counted of calls: started, handled by code, seconds, in flight.

Labels come from definitions, so they are few: what a caller makes up, a service or method that is not there, counts
under `UNKNOWN`.
"""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from aster.rpc.status import StatusCode

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNKNOWN = "(unknown)"


class MethodMetrics:
    """The series of one method, looked up once."""

    def __init__(self, metrics: "CallMetrics", service: str, method: str) -> None:
        self._metrics = metrics
        self._labels = (service, method)
        self._started = metrics.started_total.labels(service, method)
        self._in_flight = metrics.in_flight.labels(service, method)
        self._seconds = metrics.seconds.labels(service, method)
        self._handled: dict[StatusCode, Counter] = {}

    def begin(self) -> "TimedCall":
        self._started.inc()
        self._in_flight.inc()
        return TimedCall(self)

    def end(self, status: StatusCode, seconds: float) -> None:
        self._in_flight.dec()
        self._seconds.observe(seconds)
        self.count(status)

    def count(self, status: StatusCode) -> None:
        """One more call that ended with this code."""
        handled = self._handled.get(status)
        if handled is None:
            handled = self._handled[status] = self._metrics.handled_total.labels(*self._labels, status.name)
        handled.inc()


class TimedCall:
    """A call that runs."""

    __slots__ = ("_began", "_method")

    def __init__(self, method: MethodMetrics) -> None:
        self._method = method
        self._began = time.perf_counter()

    def ended(self, status: StatusCode) -> None:
        self._method.end(status, time.perf_counter() - self._began)


class CallMetrics:
    """The metrics of one server or client, in a registry of its owner's."""

    def __init__(self, registry: CollectorRegistry, *, prefix: str = "aster_rpc") -> None:
        labels = ("service", "method")
        self.started_total = Counter(f"{prefix}_started", "Calls begun.", labels, registry=registry)
        self.handled_total = Counter(
            f"{prefix}_handled", "Calls ended, by status code.", (*labels, "code"), registry=registry
        )
        self.in_flight = Gauge(f"{prefix}_in_flight", "Calls running now.", labels, registry=registry)
        self.seconds = Histogram(
            f"{prefix}_seconds", "Time from a call's begin to its end.", labels, registry=registry, buckets=BUCKETS
        )
        self._methods: dict[tuple[str, str], MethodMetrics] = {}

    def method(self, service: str, method: str) -> MethodMetrics:
        """The series of a method that is defined; never ask with what a stranger typed."""
        known = self._methods.get((service, method))
        if known is None:
            known = self._methods[service, method] = MethodMetrics(self, service, method)
        return known

    def started(self, service: str, method: str) -> TimedCall:
        """A call begins."""
        return self.method(service, method).begin()
