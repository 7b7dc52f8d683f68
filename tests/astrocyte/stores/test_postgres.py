"""Vectors of large banks in PostgreSQL: an index of their own finds what a scan finds, whatever the filter."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.astrocyte.letters import Letters

from aster.foundation.errors import StorageError
from aster.foundation.sql import Database
from astrocyte import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.recall.filters import RecallFilter
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.legs import best_places
from astrocyte.recall.remote_vectors import RemoteVectors
from astrocyte.stores.opening import open_store
from astrocyte.stores.postgres import PostgresStore
from astrocyte.stores.sqlite import SqliteStore
from astrocyte.stores.store import Admitted

DIMENSION = 32
GROUPS = 50
BANKS = 8
MEMORIES = 500


class Grouped:
    """Texts of one topic lie close together, as sentences do: a centre by the first word and a share of its own."""

    model_id = "grouped"
    dimension = DIMENSION

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._one(text) for text in texts])

    def _one(self, text: str) -> NDArray[np.float32]:
        topic = np.random.default_rng(sum(text.split()[0].encode())).normal(size=DIMENSION)
        own = np.random.default_rng(list(text.encode())).normal(size=DIMENSION)
        vector = topic / np.linalg.norm(topic) + 0.7 * own / np.linalg.norm(own)
        unit: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
        return unit


def memory(number: int) -> NewMemory:
    return NewMemory(content=f"topic{number % GROUPS:03} saying {number}", tags=[f"t{number % 10}"])


@pytest.fixture(autouse=True)
def never_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are built when a test says so."""
    monkeypatch.setattr("astrocyte.stores.postgres.EXACT_ROWS", 10**9)


@pytest.fixture
async def engine(postgres_schema: str) -> AsyncIterator[Astrocyte]:
    settings = Astrocyte.from_config_dict(
        {"storage": {"url": postgres_schema}, "retain": {"duplicates": "keep"}, "limits": {"max_batch": 10_000}}
    ).settings
    async with Astrocyte(settings, provider=Grouped()) as opened:
        yield opened


def store_of(engine: Astrocyte) -> PostgresStore:
    store = engine._opened.store
    assert isinstance(store, PostgresStore)
    return store


def indexed_rows(store: PostgresStore) -> set[int]:
    return set(
        store._database.read_now(
            lambda c: [row[0] for row in c.execute("SELECT passage FROM memory_neighbours").fetchall()]
        )
    )


def passages(store: PostgresStore) -> set[int]:
    return set(
        store._database.read_now(lambda c: [row[0] for row in c.execute("SELECT id FROM memory_passages").fetchall()])
    )


async def test_a_filtered_search_among_many_banks_finds_nine_of_the_true_ten(
    engine: Astrocyte, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One index for all banks, on pgvector's default settings, finds two."""
    for name in ("SCANNED", "ALL_TOLD"):
        monkeypatch.setattr(f"astrocyte.recall.remote_vectors.{name}", 0)
    store = store_of(engine)
    for bank in range(BANKS):
        await engine.retain_batch(f"b{bank}", [memory(number) for number in range(MEMORIES)])
    exact = BankIndexes(store).current("b7")
    assert exact is not None
    assert exact.vectors is not None
    for bank in range(BANKS):
        assert store.build_vector_index(f"b{bank}")
    remote = BankIndexes(store).current("b7")
    assert remote is not None
    assert remote.is_remote
    leg = RemoteVectors(store)
    for admitted in (RecallFilter(), RecallFilter(tags=["t1", "t3", "t5"]), RecallFilter(tags=["t2"])):
        mask, found = admitted.mask(exact), 0
        for number in range(25):
            (vector,) = Grouped().embed([f"topic{number:03} question {number}"])
            truth = exact.vectors.cosines(vector)
            close = leg(remote, vector, mask, np.zeros(remote.size, np.float32))
            assert close is not None
            places = best_places(np.nan_to_num(close.cosines, nan=-1.0), mask, 10)
            assert mask[places].all()
            found += len(set(places) & set(best_places(truth, mask, 10)))
        assert found >= 0.9 * 250, admitted


async def test_a_filter_that_goes_against_the_question_is_answered_exactly(
    engine: Astrocyte, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest passages are all of other topics than the filter admits."""
    for name in ("SCANNED", "ALL_TOLD"):
        monkeypatch.setattr(f"astrocyte.recall.remote_vectors.{name}", 0)
    monkeypatch.setattr("astrocyte.stores.postgres.SEARCHING", {"hnsw.max_scan_tuples": "50"})
    store = store_of(engine)
    await engine.retain_batch("b", [memory(number) for number in range(1500)])
    exact = BankIndexes(store).current("b")
    assert exact is not None
    assert exact.vectors is not None
    store.build_vector_index("b")
    remote = BankIndexes(store).current("b")
    assert remote is not None
    mask = RecallFilter(tags=["t2"]).mask(remote)
    (vector,) = Grouped().embed(["topic001 question"])
    close = RemoteVectors(store)(remote, vector, mask, np.zeros(remote.size, np.float32))
    assert close is not None
    found = best_places(np.nan_to_num(close.cosines, nan=-1.0), mask, 10)
    assert len(set(found) & set(best_places(exact.vectors.cosines(vector), mask, 10))) >= 9


async def test_the_index_is_used(engine: Astrocyte) -> None:
    store = store_of(engine)
    await engine.retain_batch("b", [memory(number) for number in range(1500)])
    store.build_vector_index("b")
    vector = "[" + ",".join(["0.1"] * DIMENSION) + "]"
    number = store._database.read_now(lambda c: c.execute("SELECT id FROM memory_banks").fetchone()[0])
    plan = store._database.read_now(
        lambda c: c.execute(
            f"EXPLAIN SELECT passage FROM memory_neighbours WHERE bank = {number}"
            f" ORDER BY embedding::halfvec({DIMENSION}) <#> '{vector}'::halfvec({DIMENSION}) LIMIT 200"
        ).fetchall()
    )
    assert f"memory_neighbours_of_{number}" in str(plan)


async def test_the_index_gives_none_but_what_is_admitted_and_walks_on_until_it_has_enough(engine: Astrocyte) -> None:
    store = store_of(engine)
    await engine.retain_batch("b", [memory(number) for number in range(1500)])
    store.build_vector_index("b")
    index = BankIndexes(store).current("b")
    assert index is not None
    await engine.retain("topic001 came later", "b")
    rows = [int(row) for row in index.rows[::100]]
    bits = np.zeros(1500, np.bool_)
    bits[np.array(rows) - int(index.rows[0])] = True
    admitted = Admitted(int(index.rows[0]), int(index.rows[-1]), np.packbits(bits, bitorder="little").tobytes())
    (vector,) = Grouped().embed(["topic001 question"])
    found = store.nearest_rows((index.position.bank, DIMENSION), vector, 15, admitted)
    assert sorted(row for row, _ in found) == rows
    assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True)


async def test_answers_are_those_of_a_scan(engine: Astrocyte) -> None:
    await engine.retain_batch("b", [memory(number) for number in range(1500)])
    questions = [f"topic{number:03} what was said about {number * 7}" for number in range(20)]
    scanned = [await engine.recall(question, "b") for question in questions]
    store_of(engine).build_vector_index("b")
    for question, before in zip(questions, scanned, strict=True):
        after = await engine.recall(question, "b")
        assert after.hits
        same = {hit.memory_id for hit in before.hits} & {hit.memory_id for hit in after.hits}
        assert len(same) >= 8
        first = (before.hits[0].memory_id, round(before.hits[0].score, 1))
        assert first in [(hit.memory_id, round(hit.score, 1)) for hit in after.hits]


async def test_what_is_retained_and_forgotten_later_is_in_the_index_at_once(engine: Astrocyte) -> None:
    store = store_of(engine)
    stored = await engine.retain_batch("b", [memory(number) for number in range(50)])
    await engine.retain_batch("small", [memory(number) for number in range(5)])
    assert indexed_rows(store) == set()
    store.build_vector_index("b")
    small = {row for row in passages(store) if row > 50}
    assert indexed_rows(store) == passages(store) - small
    await engine.retain("topic999 a newer saying", "b")
    await engine.forget("b", memory_ids=[result.memory_id for result in stored[:20] if result.memory_id])
    assert indexed_rows(store) == passages(store) - small
    assert len(indexed_rows(store)) == 31
    hits = (await engine.recall("topic999 a newer saying", "b", max_results=3)).hits
    assert hits[0].text == "topic999 a newer saying"


async def test_an_index_of_another_model_gives_way_to_a_scan_and_is_built_anew(
    engine: Astrocyte, postgres_schema: str
) -> None:
    await engine.retain_batch("b", [memory(number) for number in range(60)])
    assert store_of(engine).build_vector_index("b")
    assert (await engine.recall("topic007 saying", "b")).hits
    async with Astrocyte(engine.settings, provider=Letters("tosg7")) as other:
        store = store_of(other)
        assert (await other.reembed("b")).is_finished
        assert indexed_rows(store) == set()
        scanned = [hit.text for hit in (await other.recall("topic007 saying", "b")).hits]
        assert "semantic" in (await other.recall("topic007 saying", "b")).hits[0].evidence
        assert store.build_vector_index("b")
        await other.retain("topic007 later", "b")
        assert len(indexed_rows(store)) == 61
        index = other._opened.indexes.current("b")
        assert index is not None
        assert index.is_remote
        assert set(scanned) & {hit.text for hit in (await other.recall("topic007 saying", "b")).hits}
        assert [finding.detail for finding in await other.doctor() if not finding.is_well] == []


async def test_a_bank_that_outgrows_a_scan_gets_its_index_by_itself(
    engine: Astrocyte, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    monkeypatch.setattr("astrocyte.stores.postgres.EXACT_ROWS", 100)
    built = threading.Event()
    build = PostgresStore.build_vector_index

    def watched(store: PostgresStore, bank_id: str) -> bool:
        try:
            return build(store, bank_id)
        finally:
            built.set()

    monkeypatch.setattr(PostgresStore, "build_vector_index", watched)
    await engine.retain_batch("b", [memory(number) for number in range(101)])
    assert (await engine.recall("topic001 saying", "b")).hits
    assert built.wait(60)
    index = BankIndexes(store_of(engine)).current("b")
    assert index is not None
    assert index.is_remote
    assert (await engine.recall("topic001 saying", "b")).hits


def test_without_pgvector_the_error_says_what_to_do(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.open(postgres_url)

    def missing(component: str, package: str) -> None:
        if component == "memory-vectors":
            raise StorageError('extension "vector" is not available')

    monkeypatch.setattr(database, "migrate", missing)
    try:
        with pytest.raises(StorageError, match="pgvector") as caught:
            open_store(database)
        assert "CREATE EXTENSION vector" in str(caught.value.hint)
    finally:
        database.close_now()


def test_a_file_gets_the_store_of_files(tmp_path: Any) -> None:
    database = Database.open(tmp_path / "memory.db")
    try:
        assert type(open_store(database)) is SqliteStore
    finally:
        database.close_now()
