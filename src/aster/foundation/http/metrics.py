"""Request counters with bounded labels: routes come from the table, never from the path a stranger typed."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from aster.foundation.http.routes import Route

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class RequestMetrics:
    """One process's HTTP counters, shared by its services."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("service", "method", "route")
        self._answers = Counter("aster_http_requests", "Requests answered.", (*labels, "status"), registry=registry)
        self._seconds = Histogram(
            "aster_http_request_seconds", "Time to answer.", labels, registry=registry, buckets=BUCKETS
        )
        self._rows: dict[tuple[str, str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, service: str, route: Route | None, status: int, seconds: float) -> None:
        method, path = (route.method, route.path) if route else ("-", "(unmatched)")
        key = (service, method, path, status)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._row(*key)
        answers, times = row
        answers.inc()
        times.observe(seconds)

    def _row(self, service: str, method: str, path: str, status: int) -> tuple[Counter, Histogram]:
        """Looked up once: finding a series by its labels costs more than counting does."""
        return self._answers.labels(service, method, path, str(status)), self._seconds.labels(service, method, path)
