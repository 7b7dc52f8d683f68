"""The store's answers to the engine's questions."""

from pathlib import Path

import pytest

from aster.foundation.errors import StorageError
from aster.foundation.sql import Database
from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.recall.bank_index import build_index
from astrocyte.recall.indexes import BankIndexes
from astrocyte.stores import sql
from astrocyte.stores.opening import open_store

STORES = ("sqlite", "postgres")

LONG = "A sentence that goes on for a while. " * 100


@pytest.mark.parametrize("told", [1, 2, 3, 7, 1000])
async def test_a_bank_that_is_told_in_parts_is_the_same_bank(
    plain: Astrocyte, monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    await plain.retain_batch("b", [NewMemory(content=f"fact {n}", session_id=f"s{n % 2}") for n in range(9)])
    await plain.retain(LONG, "b")
    await plain.retain(LONG + "!", "b")
    store = plain._opened.store
    whole = store.changes("b", None)
    assert whole is not None
    expected = build_index(whole)
    monkeypatch.setattr(sql, "CHANGES", told)
    index = BankIndexes(store).current("b")
    assert index is not None
    assert index.rows.tolist() == expected.rows.tolist()
    assert index.position == expected.position
    if told > 5:
        assert index.previous.tolist() == expected.previous.tolist()


async def test_an_index_is_not_read_again_while_nothing_changes(plain: Astrocyte) -> None:
    await plain.retain("x", "b")
    indexes = BankIndexes(plain._opened.store)
    assert indexes.current("b") is indexes.current("b")
    assert indexes.current("nowhere") is None


async def test_the_least_used_bank_is_let_go_when_memory_is_short(plain: Astrocyte) -> None:
    for bank in ("a", "b", "c"):
        await plain.retain(LONG, bank)
    indexes = BankIndexes(plain._opened.store, cache_bytes=1)
    kept = {bank: indexes.current(bank) for bank in ("a", "b", "c")}
    assert indexes.current("c") is kept["c"]
    assert indexes.current("a") is not kept["a"]


async def test_a_bank_of_which_most_is_forgotten_is_built_anew(plain: Astrocyte) -> None:
    results = await plain.retain_batch("b", [NewMemory(content=f"fact {n}") for n in range(10)])
    indexes = BankIndexes(plain._opened.store)
    assert indexes.current("b") is not None
    await plain.forget("b", memory_ids=[result.memory_id for result in results[:8] if result.memory_id])
    index = indexes.current("b")
    assert index is not None
    assert index.size == 2


def test_a_database_of_another_program_is_refused_without_a_change(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "other.db")
    database.write_now(lambda connection: connection.execute("CREATE TABLE memories (x)"))
    try:
        with pytest.raises(StorageError):
            open_store(database)
        tables = database.read_now(lambda c: c.execute("SELECT name FROM sqlite_master WHERE name LIKE 'memory%'"))
        assert tables.fetchall() == []
    finally:
        database.close_now()
