"""Word vectors are read once while they fit, and never held for longer than what they belong to."""

from collections.abc import Mapping, Sequence

import pytest

from astrocyte.recall import held_words
from astrocyte.recall.bank_index import BankIndex, build_index
from astrocyte.recall.held_words import ENTRY_BYTES, HeldWords
from astrocyte.stores.columns import SearchRow, columns_of
from astrocyte.stores.store import Changes, Position


class Rows:
    """Where words are kept: what was asked of it, in order."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, bank: int, rows: Sequence[int]) -> Mapping[int, bytes]:
        self.asked.append(list(rows))
        return {row: bytes([row]) * 64 for row in rows if row != 103}


def bank(size: int) -> BankIndex:
    rows = [SearchRow(100 + row, row, None, None, [], None, 0, b"", None) for row in range(size)]
    return build_index(Changes(Position(7, 1), None, [columns_of(rows, None)], []))


def test_words_are_read_once_and_come_in_the_order_they_were_asked_for() -> None:
    index, kept, held = bank(6), Rows(), HeldWords()
    assert held.of(index, [4, 0], kept) == [bytes([104]) * 64, bytes([100]) * 64]
    assert held.of(index, [3, 0, 4], kept) == [b"", bytes([100]) * 64, bytes([104]) * 64]
    assert held.of(index, [3, 4], kept) == [b"", bytes([104]) * 64]
    assert kept.asked == [[100, 104], [103]]


def test_what_came_first_goes_first_when_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_words, "HELD_BYTES", 2 * (64 + ENTRY_BYTES))
    index, kept, held = bank(6), Rows(), HeldWords()
    assert len(held.of(index, [0, 1, 2], kept)) == 3
    assert held.nbytes == 2 * (64 + ENTRY_BYTES)
    held.of(index, [1, 2, 0], kept)
    assert kept.asked == [[100, 101, 102], [100]]


def test_the_words_of_a_forgotten_memory_are_let_go() -> None:
    index, kept = bank(6), Rows()
    index.words.of(index, [0, 1], kept)
    after = index.followed(Changes(Position(7, 2, 105), None, [], [1]))
    assert after.words.nbytes == 64 + ENTRY_BYTES
    assert after.nbytes - after.words.nbytes == index.nbytes - index.words.nbytes
    after.words.of(after, [0, 1], kept)
    assert kept.asked == [[100, 101], [101]]
