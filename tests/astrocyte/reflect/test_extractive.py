from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.memories import MemoryHit
from astrocyte.reflect.extractive import NO_ANSWER, QUOTED, SHORT, extract

MAY = datetime(2023, 5, 8, tzinfo=UTC)


def hit(text: str, score: float, *, speaker: str | None = None, occurred_at: datetime | None = None) -> MemoryHit:
    return MemoryHit(
        text=text,
        score=score,
        memory_id=text[:8],
        bank_id="b",
        speaker=speaker,
        occurred_at=occurred_at,
        retained_at=MAY,
    )


def test_the_answer_quotes_and_cites_in_order_of_time() -> None:
    later = hit("I moved to Turin.", 0.9, speaker="Bob", occurred_at=MAY + timedelta(days=3))
    earlier = hit("I live in Oslo.", 0.8, speaker="Bob", occurred_at=MAY)
    answer = extract("Where does Bob live?", [later, earlier])
    assert answer.answer == "Bob: I live in Oslo. (2023-05-08) [1]\nBob: I moved to Turin. (2023-05-11) [2]"
    assert answer.sources == [earlier, later]
    assert answer.confidence == 0.9


@pytest.mark.parametrize("hits", [[], [hit("hm", 0.2)]])
def test_thin_evidence_is_no_answer(hits: list[MemoryHit]) -> None:
    answer = extract("Where does Bob live?", hits)
    assert (answer.answer, answer.sources, answer.confidence) == (NO_ANSWER, [], 0.0)


def test_what_is_far_below_the_best_is_left_out() -> None:
    assert len(extract("q", [hit("a", 0.9), hit("b", 0.4), hit("c", 0.46)]).sources) == 2


def test_of_a_long_memory_the_sentence_that_answers_is_quoted() -> None:
    text = "Nothing of note happened. " * 30 + "Then Bob bought a sailing boat! " + "It rained again. " * 30
    answer = extract("What boat did Bob buy?", [hit(text, 0.9)])
    assert "Then Bob bought a sailing boat!" in answer.answer
    assert len(answer.answer) < SHORT + 20


def test_the_answer_keeps_to_its_length() -> None:
    hits = [hit("a" * 50, 0.9), hit("b" * 50, 0.8)]
    assert len(extract("q", hits, max_characters=60).sources) == 1
    assert extract("q", hits, max_characters=10).answer == NO_ANSWER


@given(st.lists(st.tuples(st.text(min_size=1, max_size=400), st.floats(0, 1)), max_size=8), st.text(max_size=50))
def test_every_citation_has_its_source(found: list[tuple[str, float]], query: str) -> None:
    hits = sorted((hit(text, score) for text, score in found), key=lambda one: -one.score)
    answer = extract(query, hits)
    assert len(answer.sources) <= QUOTED
    assert all(f"[{number}]" in answer.answer for number in range(1, len(answer.sources) + 1))
    assert all(source in hits for source in answer.sources)
