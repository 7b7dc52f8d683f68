import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.text.terms import index_terms, query_terms, term_of, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Alice's café, 2nd floor!", ["alice", "s", "cafe", "2nd", "floor"]),
        ("snake_case e-mail", ["snake", "case", "e", "mail"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("我喜欢猫", ["我喜", "喜欢", "欢猫"]),
        ("Python3很好 x", ["python3", "很好", "x"]),
        ("猫", ["猫"]),
        ("한국어", ["한국", "국어"]),
        ("!?…", []),
    ],
)
def test_words_of_a_text(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


def test_index_terms_count_and_join_forms_of_a_word() -> None:
    assert dict(index_terms("hike hiking the Hike")) == {term_of("hike"): 3, term_of("the"): 1}


def test_a_question_is_searched_by_its_telling_words() -> None:
    assert query_terms("What did the dog do to the dogs?") == [term_of("dog")]


def test_a_question_of_stop_words_alone_is_searched_by_them() -> None:
    assert query_terms("The Who") == [term_of("the"), term_of("who")]


@given(st.text())
def test_every_text_has_terms_in_order_and_once_each(text: str) -> None:
    terms = [term for term, _ in index_terms(text)]
    assert terms == sorted(set(terms))
    assert all(0 <= term < 2**32 for term in terms)
    assert sum(count for _, count in index_terms(text)) == len(list(words(text)))
