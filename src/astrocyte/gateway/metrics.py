"""What one process tells of its memory engine, for Prometheus: read from plain counters when somebody asks.

Labels are bounded: outcomes are ``ok`` and codes of errors; banks, callers and tags are never labels.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from aster.foundation.errors import StorageError
from astrocyte.engine.measures import OPERATIONS
from astrocyte.stores.store import QueueState

if TYPE_CHECKING:
    from astrocyte.memory import Astrocyte

READ_SECONDS = 5.0
"""The store is asked at most this often, however often the counters are read."""


class MemoryMetrics(Collector):
    """The metrics of an engine that the caller opens and closes."""

    def __init__(self, engine: "Astrocyte") -> None:
        self._engine = engine
        self._queue: QueueState | None = None
        self._read_at = -READ_SECONDS

    async def read(self) -> None:
        """Ask the store what only it knows; before `collect`, which waits for nothing."""
        if time.monotonic() - self._read_at < READ_SECONDS:
            return
        self._read_at = time.monotonic()
        try:
            self._queue = await asyncio.to_thread(self._engine.queue_state)
        except StorageError:
            self._queue = None  # untold is better than old

    def collect(self) -> Iterator[Metric]:
        measures = self._engine.measures
        outcomes = measures.outcomes.copy()
        for operation in OPERATIONS:
            count = CounterMetricFamily(f"astrocyte_{operation}", f"Calls of {operation}.", labels=("status",))
            for (name, outcome), number in outcomes.items():
                if name == operation:
                    count.add_metric((outcome,), number)
            yield count
            taken = measures.taken[operation]
            family = HistogramMetricFamily(f"astrocyte_{operation}_duration_seconds", f"Time that {operation} took.")
            family.add_metric((), taken.cumulative(), taken.micros / 1e6)
            yield family
        found = CounterMetricFamily("astrocyte_pii_detected", "Memories with personal data.", labels=("action",))
        for action, number in measures.personal_data.copy().items():
            found.add_metric((action,), number)
        yield found
        yield CounterMetricFamily("astrocyte_memories_retained", "Memories that were stored.", measures.retained)
        yield CounterMetricFamily("astrocyte_memories_deduplicated", "Memories known.", measures.deduplicated)
        yield CounterMetricFamily("astrocyte_memories_forgotten", "Memories that were removed.", measures.forgotten)
        banks, held = self._engine.indexes_held
        yield GaugeMetricFamily("astrocyte_indexes", "Banks whose search index is in memory.", banks)
        yield GaugeMetricFamily("astrocyte_index_bytes", "Memory that they take.", held)
        if self._queue is not None:
            yield from _queue(self._queue)


def _queue(queue: QueueState) -> Iterator[Metric]:
    lag = 0.0 if queue.oldest_due is None else (datetime.now(UTC) - queue.oldest_due).total_seconds()
    yield GaugeMetricFamily("astrocyte_derive_waiting", "Tasks of derived knowledge.", queue.waiting)
    yield GaugeMetricFamily("astrocyte_derive_failing", "Tasks that failed and wait.", queue.failing)
    yield GaugeMetricFamily("astrocyte_derive_lag_seconds", "How long the oldest is due.", max(0.0, lag))
