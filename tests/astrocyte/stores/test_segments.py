"""Packed passages are an economy: with them, without them, or with some emptied, a bank is the same bank."""

import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.indexes import BankIndexes
from astrocyte.stores import segments
from astrocyte.stores.columns import SearchRow, columns_of
from astrocyte.stores.promises import broken_promises
from astrocyte.text.terms import term_of

STORES = ("sqlite", "postgres")
LONG = "A sentence that goes on for a while. " * 60


class Lengths:
    """Vectors that follow from a text's letters."""

    model_id = "lengths"
    dimension = 4

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.array([[len(text), text.count("e"), text.count("a"), 1] for text in texts], np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
async def engine(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Astrocyte]:
    monkeypatch.setattr(segments, "PASSAGES", 4)
    monkeypatch.setattr(segments, "LOOKED_FOR_EVERY", 1)
    settings = Astrocyte.from_config_dict({"storage": {"url": url}, "retain": {"duplicates": "keep"}}).settings
    async with Astrocyte(settings, provider=Lengths()) as opened:
        yield opened


def memory(number: int) -> NewMemory:
    return NewMemory(
        content=f"Fact {number} about Canada" + (LONG if number % 5 == 4 else ""),
        speaker=(None, "Ann", "Ben")[number % 3],
        session_id=None if number % 4 == 3 else f"s{number % 2}",
        tags=["even"] if number % 2 == 0 else [],
    )


def packed(engine: Astrocyte) -> list[tuple[int, bytes | None]]:
    """How many passages each segment was made of, and what it holds."""
    query = "SELECT passages, content FROM memory_segments ORDER BY bank, first_memory"
    return engine._opened.database.read_now(lambda connection: connection.execute(query).fetchall())


def by_rows(engine: Astrocyte, monkeypatch: pytest.MonkeyPatch) -> BankIndex:
    """The bank's index as if there were no segments."""
    with monkeypatch.context() as patch:
        patch.setattr(segments, "READ_AT_ONCE", 0)
        index = BankIndexes(engine._opened.store).current("b")
    assert index is not None
    return index


def same(one: BankIndex, other: BankIndex) -> bool:
    def told(index: BankIndex) -> list[Any]:
        assert index.vectors is not None
        arrays = ("rows", "has_vector", "lengths", "speakers", "sessions", "occurred_at", "retained_at", "layers")
        places = index.postings.find(term_of("canada"))
        found = [getattr(index, name).tolist() for name in arrays]
        names = [sorted(terms) for terms in index.names_at(range(index.size))]
        return [
            *found,
            names,
            index.previous.tolist(),
            index.tagged("even").tolist(),
            *(part.tolist() for part in places),
            index.vectors.cosines(np.array([1, 0, 0, 0], np.float32)).tolist(),
        ]

    return told(one) == told(other)


async def test_a_bank_read_from_segments_is_the_bank_of_its_rows(
    engine: Astrocyte, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in range(0, 30, 6):
        await engine.retain_batch("b", [memory(number) for number in range(start, start + 6)])
    await engine.retain("elsewhere", "other")
    assert len(packed(engine)) >= 5
    index = BankIndexes(engine._opened.store).current("b")
    assert index is not None
    assert same(index, by_rows(engine, monkeypatch))


@pytest.mark.parametrize("read", [1, 2, 32])
async def test_what_was_forgotten_has_left_its_segment_and_the_others_are_read(
    engine: Astrocyte, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    monkeypatch.setattr(segments, "READ_AT_ONCE", read)
    stored = await engine.retain_batch("b", [memory(number) for number in range(30)])
    await engine.retain("one more", "b")
    whole = [content for _, content in packed(engine)]
    assert len(whole) >= 4
    assert None not in whole
    await engine.forget("b", memory_ids=[str(stored[6].memory_id)])
    left = [content for _, content in packed(engine)]
    assert left.count(None) == 1
    index = BankIndexes(engine._opened.store).current("b")
    assert index is not None
    assert same(index, by_rows(engine, monkeypatch))
    assert not engine._opened.database.read_now(broken_promises)


async def test_nothing_of_a_forgotten_memory_is_left_in_any_segment(engine: Astrocyte) -> None:
    canary = NewMemory(content="the word is zanzibar", speaker="Zoe", tags=["secret"], session_id="hidden")
    stored = await engine.retain_batch("b", [*(memory(number) for number in range(3)), canary, memory(5), memory(6)])
    await engine.retain("one more", "b")
    traces = (b"Zoe", b"secret", b"hidden", struct.pack("<I", term_of("zanzibar")))
    held = b"".join(content or b"" for _, content in packed(engine))
    assert all(trace in held for trace in traces)
    await engine.forget("b", memory_ids=[str(stored[3].memory_id)])
    for number in range(20, 30):
        await engine.retain_batch("b", [memory(number)])
    contents = [content for _, content in packed(engine)]
    assert None not in contents, "packed again by a later write"
    held = b"".join(content or b"" for content in contents)
    assert not any(trace in held for trace in traces)


async def test_updates_archives_and_deletions_leave_segments_too(engine: Astrocyte) -> None:
    stored = await engine.retain_batch("b", [memory(number) for number in range(12)])
    await engine.retain("one more", "b")
    await engine.update_memory("b", str(stored[0].memory_id), content="another text")
    assert packed(engine)[0][1] is None
    assert packed(engine)[1][1] is not None
    await engine.forget("b", scope="all")
    assert {content for _, content in packed(engine)} == {None}
    await engine.retain_batch("b", [memory(number) for number in range(6)])
    assert [passages for passages, _ in packed(engine)][:1] == [4]
    assert not engine._opened.database.read_now(broken_promises)


async def test_a_segment_of_another_format_is_read_as_rows_and_packed_again(
    engine: Astrocyte, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.retain_batch("b", [memory(number) for number in range(12)])
    monkeypatch.setattr(segments, "FORMAT", segments.FORMAT + 1)
    index = BankIndexes(engine._opened.store).current("b")
    assert index is not None
    assert same(index, by_rows(engine, monkeypatch))
    await engine.retain_batch("b", [memory(number) for number in range(12, 18)])
    formats = engine._opened.database.read_now(
        lambda connection: {row[0] for row in connection.execute("SELECT format FROM memory_segments").fetchall()}
    )
    assert formats == {segments.FORMAT}


def test_a_memory_longer_than_a_segment_is_kept_whole() -> None:
    rows = [SearchRow(row, 1, None, None, [], None, 0, b"", None) for row in range(1, 9)]
    kept, vectors = segments.pack_columns(columns_of(rows, None))
    columns = segments.unpack_columns(kept, vectors)
    assert columns.rows.tolist() == list(range(1, 9))
    assert columns.session_names == [1]
    assert columns.sessions.tolist() == [0] * 8
