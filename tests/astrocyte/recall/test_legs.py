"""The quick ways through a whole bank give what the plain ones give."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from astrocyte.recall.bank_index import BankIndex, build_index
from astrocyte.recall.legs import best_places, neighbour_gain, session_best, standardised
from astrocyte.recall.postings import pack_terms
from astrocyte.stores.columns import NOBODY, SearchRow, columns_of
from astrocyte.stores.store import Changes, Position

SHARES = (0.5, 0.25, 0.125)

turn = st.tuples(st.sampled_from([None, "a", "b"]), st.integers(-8, 8), st.booleans())
turns = st.lists(turn, min_size=1, max_size=30)


def bank(sessions: list[str | None]) -> BankIndex:
    terms = pack_terms([(1, 1)])
    rows = [SearchRow(row, row, session, None, [], None, 0, terms, None) for row, session in enumerate(sessions, 1)]
    return build_index(Changes(Position(1, 1), None, [columns_of(rows, None)], []))


@settings(deadline=None)
@given(turns)
def test_a_turn_inherits_of_those_around_it_in_its_session(turns: list[tuple[str | None, int, bool]]) -> None:
    index = bank([session for session, _, _ in turns])
    scores = np.array([score for _, score, _ in turns], np.float32)
    mask = np.array([seen for _, _, seen in turns])
    expected = [0.0] * len(turns)
    for session in ("a", "b"):
        places = [place for place, turn in enumerate(turns) if turn[0] == session]
        for at, place in enumerate(places):
            for distance, share in enumerate(SHARES, start=1):
                for other in (at - distance, at + distance):
                    if 0 <= other < len(places) and mask[places[other]]:
                        expected[place] += share * float(scores[places[other]])
    assert neighbour_gain(index, scores, mask, SHARES).tolist() == expected


@settings(deadline=None)
@given(turns, st.lists(st.tuples(st.integers(0, 29), st.integers(-8, 8)), max_size=5))
def test_what_turns_inherit_follows_scores_that_change(
    turns: list[tuple[str | None, int, bool]], raised: list[tuple[int, int]]
) -> None:
    index = bank([session for session, _, _ in turns])
    scores, mask = np.array([score for _, score, _ in turns], np.float32), np.ones(len(turns), np.bool_)
    gain = neighbour_gain(index, scores, mask, SHARES)
    changed = {place: added for place, added in raised if place < len(turns)}
    places, added = np.array(list(changed), np.int64), np.array(list(changed.values()), np.float32)
    scores[places] += added
    index.structure.pass_on(gain, places, added, SHARES)
    assert gain.tolist() == neighbour_gain(index, scores, mask, SHARES).tolist()


@settings(deadline=None)
@given(turns)
def test_a_session_is_as_good_as_its_best_admitted_turn(turns: list[tuple[str | None, int, bool]]) -> None:
    index = bank([session for session, _, _ in turns])
    scores = np.array([score for _, score, _ in turns], np.float32)
    mask = np.array([seen for _, _, seen in turns])
    best = session_best(index, scores, mask)
    for place, (session, score, seen) in enumerate(turns):
        others = [other[1] for other in turns if other[0] == session and other[2]]
        assert best[place] == (max(others) if session is not None and seen else score)
    assert (index.sessions == NOBODY).tolist() == [session is None for session, _, _ in turns]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=2000), st.integers(1, 12))
def test_the_best_places_are_those_of_a_sort(turns: list[tuple[int, bool]], count: int) -> None:
    scores = np.array([score for score, _ in turns], np.float32)
    mask = np.array([seen for _, seen in turns], np.bool_)
    order = sorted(np.flatnonzero(mask).tolist(), key=lambda place: (-scores[place], place))
    assert best_places(scores, mask, count) == order[:count]


def test_many_scores_have_the_same_best_places_as_a_sort() -> None:
    scores = np.random.default_rng(0).integers(0, 500, 5000).astype(np.float32)
    mask = np.random.default_rng(1).random(5000) < 0.5
    order = sorted(np.flatnonzero(mask).tolist(), key=lambda place: (-scores[place], place))
    for count in (1, 7, 300):
        assert best_places(scores, mask, count) == order[:count]


def test_standard_scores_leave_out_what_may_not_be_seen() -> None:
    scores, mask = np.array([1, 3, 100], np.float32), np.array([True, True, False])
    assert standardised(scores, mask).tolist() == [-1, 1, 0]
    assert standardised(scores, np.zeros(3, np.bool_)).tolist() == [0, 0, 0]
