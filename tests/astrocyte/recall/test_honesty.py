from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.recall.honesty import confidence, never_rising

shares = st.floats(0, 1)


@given(shares, st.one_of(st.none(), st.floats(-1, 1)))
def test_confidence_lies_between_zero_and_one(coverage: float, cosine: float | None) -> None:
    assert 0 <= confidence(coverage, cosine) <= 1


@given(shares, shares, st.floats(-1, 1))
def test_more_evidence_never_lowers_confidence(low: float, high: float, cosine: float) -> None:
    low, high = sorted((low, high))
    assert confidence(low, cosine) <= confidence(high, cosine) + 1e-12
    assert confidence(low, None) <= confidence(low, cosine) + 1e-12


def test_nothing_in_common_is_zero_and_everything_is_one() -> None:
    assert confidence(0, 0.1) == 0
    assert confidence(1, None) == 1
    assert confidence(0, 0.9) == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([0.9, 0.5, 0.1], [0.9, 0.5, 0.1]),
        ([0.2, 0.8], [0.5, 0.5]),
        ([0.9, 0.2, 0.4, 0.1], [0.9, 0.3, 0.3, 0.1]),
    ],
)
def test_a_list_of_scores_is_made_to_fall(values: list[float], expected: list[float]) -> None:
    assert never_rising(values) == pytest.approx(expected)


@given(st.lists(shares))
def test_scores_never_rise_and_keep_their_sum(values: list[float]) -> None:
    shown = never_rising(values)
    assert all(before >= after - 1e-9 for before, after in pairwise(shown))
    assert sum(shown) == pytest.approx(sum(values))
