"""An index that follows changes answers as one that is built anew."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrocyte.recall.bank_index import BankIndex, build_index
from astrocyte.recall.filters import RecallFilter
from astrocyte.recall.postings import pack_terms
from astrocyte.recall.ranking import Weights, rank
from astrocyte.stores.columns import NOBODY, SearchRow, columns_of
from astrocyte.stores.store import Changes, Position, Space
from astrocyte.text.terms import index_terms

SPACE = Space("test", 4)
WORDS = ("cat", "dog", "alice", "bob", "hike", "paint", "the")

memories = st.builds(
    lambda session, speaker, tags, words, numbers: (session, speaker, tags, " ".join(words), numbers),
    st.sampled_from([None, "s1", "s2"]),
    st.sampled_from([None, "Alice", "Bob"]),
    st.lists(st.sampled_from(["red", "blue"]), unique=True),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5),
    st.one_of(st.none(), st.lists(st.integers(-4, 4), min_size=4, max_size=4)),
)
steps = st.lists(
    st.tuples(st.lists(memories, max_size=4), st.lists(st.integers(0, 12), max_size=3)), min_size=1, max_size=6
)
Memory = tuple[str | None, str | None, list[str], str, list[int] | None]


def row(number: int, memory: Memory) -> SearchRow:
    session, speaker, tags, text, numbers = memory
    vector = None if numbers is None else np.array(numbers, "<f2").tobytes()
    return SearchRow(number, number, session, speaker, tags, number * 10, number, pack_terms(index_terms(text)), vector)


def ranked(index: BankIndex, query: str) -> list[tuple[int, float]]:
    vector = np.array([0.5, 0.5, 0.5, 0.5], np.float32)
    found = rank(index, query, vector, RecallFilter(), limit=50, weights=Weights())
    return [(hit.row, round(hit.certainty, 4)) for hit in found.hits]


def changes(version: int, added: Sequence[SearchRow], dropped: Sequence[int]) -> Changes:
    return Changes(Position(1, version, 0, 0), SPACE, [columns_of(added, SPACE.dimension)], dropped)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_following_equals_building_anew(steps: list[tuple[list[Memory], list[int]]]) -> None:
    alive: dict[int, SearchRow] = {}
    index: BankIndex | None = None
    number = 0
    for version, (added, forgotten) in enumerate(steps, start=1):
        dropped = [one for one in dict.fromkeys(forgotten) if one in alive]
        rows = []
        for memory in added:
            number += 1
            rows.append(row(number, memory))
        for one in dropped:
            del alive[one]
        alive.update({one.row: one for one in rows})
        step = changes(version, rows, dropped)
        index = index.followed(step) if index else build_index(step)
        fresh = build_index(changes(version, list(alive.values()), []))
        for query in ("cat", "Alice paints a dog", "hiking"):
            followed, anew = ranked(index, query), ranked(fresh, query)
            # Sums of the same numbers in another order differ in their last bits, so ties may fall either way.
            assert {row for row, _ in followed} == {row for row, _ in anew}
            assert [score for _, score in followed] == pytest.approx([score for _, score in anew], abs=1e-3)
        assert set(index.rows[index.alive].tolist()) == set(alive)


def test_a_search_keeps_the_index_it_began_with() -> None:
    first = build_index(changes(1, [row(1, ("s", None, ["red"], "cat", [1, 0, 0, 0]))], []))
    second = first.followed(changes(2, [row(2, ("s", None, ["red"], "cat", [1, 0, 0, 0]))], [1]))
    assert (first.size, second.size) == (1, 2)
    assert first.alive.tolist() == [True]
    assert second.alive.tolist() == [False, True]
    assert first.tagged("red").tolist() == [True]
    assert second.previous.tolist() == [NOBODY, NOBODY]


def test_the_turns_around_a_forgotten_one_become_neighbours() -> None:
    rows = [row(number, ("s", None, [], "cat", None)) for number in (1, 2, 3)]
    index = build_index(changes(1, rows, [])).followed(changes(2, [], [2]))
    assert index.previous.tolist() == [NOBODY, NOBODY, 0]
