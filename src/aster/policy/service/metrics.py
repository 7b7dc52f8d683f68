"""What one process tells of the policy service, for Prometheus: read from plain counters when somebody asks.

Labels are bounded: codes of refusals, outcomes. Names that tenants choose are labels only where the operator allows so
many of them (`PolicyCounts`).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from aster.foundation.errors import StorageError
from aster.foundation.sql import Connection, Database
from aster.foundation.timings import Timings
from aster.policy.engine import PolicyEngine
from aster.policy.service.journal import Journal

READ_SECONDS = 5.0
"""What has to be asked of the database is asked at most this often, however often the counters are read."""

OTHERS = ("", "(others)")


class PolicyCounts:
    """Evaluations by tenant and module, of the first ``most`` pairs; the rest are counted together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.counts: dict[tuple[str, str], list[int]] = {}

    def add(self, tenant: str, module: str, *, is_ok: bool) -> None:
        counts = self.counts.get((tenant, module))
        if counts is None:
            key = (tenant, module) if len(self.counts) < self._most else OTHERS
            counts = self.counts.setdefault(key, [0, 0])
        counts[is_ok] += 1


class PolicyMetrics(Collector):
    """Everything of one service. ``sockets`` tells how many are open, ``policies`` is None where none are counted."""

    def __init__(
        self,
        database: Database,
        engine: PolicyEngine,
        journal: Journal,
        *,
        sockets: Callable[[], int],
        policies: PolicyCounts | None,
    ) -> None:
        self._database = database
        self._engine = engine
        self._journal = journal
        self._sockets = sockets
        self._policies = policies
        self._nonces: int | None = None
        self._read_at = -READ_SECONDS
        self.refusals: Counter[str] = Counter()

    async def read(self) -> None:
        """Ask the database what only it knows; before `collect`, which waits for nothing."""
        if time.monotonic() - self._read_at < READ_SECONDS:
            return
        self._read_at = time.monotonic()
        try:
            self._nonces = await self._database.read(_stored_nonces)
        except StorageError:
            self._nonces = None  # untold is better than old

    def collect(self) -> Iterator[Metric]:
        for name, about, timings in _HISTOGRAMS:
            yield _histogram(name, about, {(): timings(self._engine, self._journal)})
        outcomes: dict[tuple[str, ...], Timings] = {("ok",): self._engine.decided, ("failed",): self._engine.failed}
        yield _histogram(
            "aster_policy_evaluation_seconds", "Time that a rule took, by its outcome.", outcomes, ("outcome",)
        )
        for family, name, about, number in _NUMBERS:
            yield family(name, about, number(self._engine, self._journal))
        yield GaugeMetricFamily("aster_policy_sockets_open", "WebSockets that are open.", self._sockets())
        if self._nonces is not None:
            yield GaugeMetricFamily("aster_policy_nonces_stored", "Used nonces in the database.", self._nonces)
        refusals = CounterMetricFamily("aster_policy_refusals", "Requests refused, by error code.", labels=("reason",))
        for reason, count in sorted(self.refusals.items()):
            refusals.add_metric((reason,), count)
        yield refusals
        if self._policies is not None:
            yield _by_policy(self._policies)


_Of = Callable[[PolicyEngine, Journal], Any]
_HISTOGRAMS: tuple[tuple[str, str, _Of], ...] = (
    ("aster_policy_parse_seconds", "Time to parse a source that parses.", lambda engine, _: engine.parsed),
    ("aster_policy_compile_seconds", "Time to compile, parsing included.", lambda engine, _: engine.compiled),
    ("aster_policy_audit_commit_seconds", "Until a group was durable.", lambda _, journal: journal.committed),
)
_NUMBERS: tuple[tuple[type[CounterMetricFamily | GaugeMetricFamily], str, str, _Of], ...] = (
    (CounterMetricFamily, "aster_policy_cache_hits", "Programs found in the cache.", lambda engine, _: engine.hits),
    (CounterMetricFamily, "aster_policy_cache_misses", "Programs to be compiled.", lambda engine, _: engine.misses),
    (CounterMetricFamily, "aster_policy_cache_evictions", "Programs dropped.", lambda engine, _: engine.evictions),
    (GaugeMetricFamily, "aster_policy_cache_bytes", "Memory, estimated.", lambda engine, _: engine.cached_bytes),
    (GaugeMetricFamily, "aster_policy_cache_programs", "Programs kept.", lambda engine, _: engine.cached_programs),
    (
        GaugeMetricFamily,
        "aster_policy_engine_waiting",
        "In or before a thread.",
        lambda engine, _: engine.waiting,
    ),
    (CounterMetricFamily, "aster_policy_audit_entries", "Requests made durable.", lambda _, journal: journal.entries),
    (GaugeMetricFamily, "aster_policy_audit_waiting", "Wait for the next group.", lambda _, journal: journal.waiting),
    (GaugeMetricFamily, "aster_policy_audit_lag_seconds", "Age of the open group.", lambda _, journal: journal.lag),
)


def _histogram(
    name: str, about: str, rows: Mapping[tuple[str, ...], Timings], labels: Sequence[str] = ()
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, about, labels=labels)
    for values, timings in rows.items():
        family.add_metric(values, timings.cumulative(), timings.micros / 1e6)
    return family


def _by_policy(policies: PolicyCounts) -> CounterMetricFamily:
    labels = ("tenant", "module", "outcome")
    counted = CounterMetricFamily("aster_policy_evaluations", "Evaluations of stored policies.", labels=labels)
    for (tenant, module), (failed, ok) in list(policies.counts.items()):
        counted.add_metric((tenant, module, "ok"), ok)
        counted.add_metric((tenant, module, "failed"), failed)
    return counted


def _stored_nonces(connection: Connection) -> int:
    count: int = connection.execute("SELECT count(*) FROM policy_nonces").fetchone()[0]
    return count
