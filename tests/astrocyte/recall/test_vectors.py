"""Vectors in eight bits find what the vectors themselves find."""

import numpy as np
import pytest
from numpy.typing import NDArray

from astrocyte.recall import legs
from astrocyte.recall.bank_index import BankIndex, build_index
from astrocyte.recall.filters import RecallFilter
from astrocyte.recall.legs import best_places, scanned
from astrocyte.recall.vectors import MIDDLE, GrowingVectors
from astrocyte.stores.columns import Columns, SearchRow, columns_of
from astrocyte.stores.store import Changes, Position, Space

DIMENSION = 96


def grouped(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors in groups, as those of texts are."""
    drawn = np.random.default_rng(seed)
    topics = np.random.default_rng(99).standard_normal((20, DIMENSION), dtype=np.float32)
    rows = topics[drawn.integers(0, 20, count)] + drawn.standard_normal((count, DIMENSION), dtype=np.float32)
    stored: NDArray[np.float16] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    return stored.astype(np.float32)


def columns(vectors: NDArray[np.float32], tags: list[list[str]] | None = None, without: int = 0) -> Columns:
    """``without`` more passages have no vector."""
    packed = [*(vector.astype("<f2").tobytes() for vector in vectors), *[None] * without]
    rows = [
        SearchRow(row, row, None, None, tags[row - 1] if tags else [], None, 0, b"", vector)
        for row, vector in enumerate(packed, 1)
    ]
    return columns_of(rows, DIMENSION)


def index_of(vectors: NDArray[np.float32], tags: list[list[str]] | None = None) -> BankIndex:
    return build_index(Changes(Position(1, 1), Space("test", DIMENSION), [columns(vectors, tags)], []))


def test_a_cosine_is_right_to_two_decimals() -> None:
    vectors, (asked,) = grouped(700), grouped(1, seed=1)
    growing = GrowingVectors(DIMENSION)
    for part in (vectors[:600], vectors[600:]):
        growing.extend(columns(part))
    held = growing.view()
    assert np.abs(held.cosines(asked) - vectors @ asked).max() < 0.004
    places = np.array([650, 3, 3])
    assert held.cosines_at(places, asked).tolist() == pytest.approx(held.cosines(asked)[places].tolist(), abs=1e-5)
    assert np.abs(held.at([5, 650]) - vectors[[5, 650]]).max() < 0.004
    levels = np.digitize(vectors[7], np.array([-MIDDLE, 0, MIDDLE]) / np.sqrt(DIMENSION), right=True) * 2 - 3
    alike = np.where(vectors > 0, 1, -1) @ levels
    assert held.likeness(vectors[7]).tolist() == ((alike + 3 * DIMENSION) // 2).tolist()


def test_a_place_without_a_vector_has_none() -> None:
    growing = GrowingVectors(DIMENSION)
    growing.skip(1)
    growing.extend(columns(grouped(1), without=1))
    assert growing.view().cosines(grouped(1)[0]).tolist() == pytest.approx([0, 1, 0], abs=0.01)
    assert growing.view().scales.tolist()[::2] == [0, 0]


@pytest.mark.parametrize("admitted", [RecallFilter(), RecallFilter(tags=["rare"]), RecallFilter(tags=["half"])])
def test_choosing_by_signs_finds_the_true_ten_that_a_filter_admits(
    admitted: RecallFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legs, "EXACT", 1000)
    monkeypatch.setattr(legs, "RESCORED", 200)
    vectors = grouped(6000)
    tags = [(["rare"] if place % 100 == 0 else []) + (["half"] if place % 2 else []) for place in range(6000)]
    index = index_of(vectors, tags)
    mask, found = admitted.mask(index), 0
    for asked in grouped(20, seed=2):
        close = scanned(index, asked, mask, np.zeros(index.size, np.float32))
        assert close is not None
        places = best_places(np.nan_to_num(close.cosines, nan=-1.0), mask, 10)
        assert mask[places].all()
        assert close.cosines[places].tolist() == pytest.approx((vectors[places] @ asked).tolist(), abs=0.004)
        found += len(set(places) & set(best_places(vectors @ asked, mask, 10)))
    assert found >= 0.97 * 200


def test_estimates_tell_near_from_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legs, "EXACT", 100)
    monkeypatch.setattr(legs, "RESCORED", 50)
    vectors, (asked,) = grouped(3000), grouped(1, seed=3)
    close = scanned(index_of(vectors), asked, np.ones(3000, np.bool_), np.zeros(3000, np.float32))
    assert close is not None
    true = vectors @ asked
    assert np.corrcoef(close.cosines, true)[0, 1] > 0.8
    assert close.mean == pytest.approx(float(true.mean()), abs=0.02)
    assert close.spread == pytest.approx(float(true.std()), rel=0.1)


def test_words_that_fit_get_a_true_cosine_however_far_their_vector_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legs, "EXACT", 100)
    monkeypatch.setattr(legs, "RESCORED", 50)
    vectors, (asked,) = grouped(3000), grouped(1, seed=4)
    words = np.zeros(3000, np.float32)
    farthest = int((vectors @ asked).argmin())
    words[farthest] = 1
    close = scanned(index_of(vectors), asked, np.ones(3000, np.bool_), words)
    assert close is not None
    assert close.cosines[farthest] == pytest.approx(float(vectors[farthest] @ asked), abs=0.004)
