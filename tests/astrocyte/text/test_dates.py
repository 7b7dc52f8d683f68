"""Dates as people write them."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrocyte.text.dates import Span, asked_mark, date_marks, spans

SAID = datetime(2023, 5, 10, 13, 0, tzinfo=UTC)
"""A Wednesday."""


def one(first: str, last: str | None = None) -> Span:
    return Span(date.fromisoformat(first), date.fromisoformat(last or first))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("yesterday I ran", one("2023-05-09")),
        ("the day before yesterday", one("2023-05-08")),
        ("Last night was fun", one("2023-05-09")),
        ("tomorrow we leave", one("2023-05-11")),
        ("this morning", one("2023-05-10")),
        ("two days ago", one("2023-05-08")),
        ("3 weeks ago", one("2023-04-16", "2023-04-22")),
        ("a month ago", one("2023-04-01", "2023-04-30")),
        ("five months ago", one("2022-12-01", "2022-12-31")),
        ("2 years ago", one("2021-01-01", "2021-12-31")),
        ("last week", one("2023-05-01", "2023-05-07")),
        ("next week", one("2023-05-15", "2023-05-21")),
        ("last weekend", one("2023-05-06", "2023-05-07")),
        ("next month", one("2023-06-01", "2023-06-30")),
        ("last year", one("2022-01-01", "2022-12-31")),
        ("last Friday", one("2023-05-05")),
        ("last Wednesday", one("2023-05-03")),
        ("next Monday", one("2023-05-15")),
        ("last June", one("2022-06-01", "2022-06-30")),
        ("last April", one("2023-04-01", "2023-04-30")),
        ("on 7 May 2021", one("2021-05-07")),
        ("May 7th, 2021", one("2021-05-07")),
        ("the 7th of May, 2021", one("2021-05-07")),
        ("2021-05-07", one("2021-05-07")),
        ("in Sept 2021", one("2021-09-01", "2021-09-30")),
        ("in 2021", one("2021-01-01", "2021-12-31")),
    ],
)
def test_what_is_said_on_a_day_means_a_day(text: str, span: Span) -> None:
    assert list(spans(text, SAID)) == [span]


@pytest.mark.parametrize("text", ["31 2021", "room 2021", "may I come?", "2021-13-40", "99999 days ago", ""])
def test_what_is_no_date_means_nothing(text: str) -> None:
    assert list(spans(text, SAID)) == []


def test_relative_dates_need_a_day_to_count_from() -> None:
    assert list(spans("yesterday, not on 7 May 2021")) == [one("2021-05-07")]


@given(st.text(max_size=80), st.datetimes(timezones=st.just(UTC)))
def test_no_text_and_no_day_is_too_strange(text: str, said: datetime) -> None:
    for phrase in (text, f"{text} last week, next month, 3 years ago, tomorrow, last Friday, next June {text}"):
        for span in spans(phrase, said):
            assert span.first <= span.last
            assert list(date_marks(span))


def test_a_span_is_looked_up_by_what_contains_it() -> None:
    day, month, year = one("2021-05-07"), one("2021-05-01", "2021-05-31"), one("2021-01-01", "2021-12-31")
    assert [asked_mark(span) for span in (day, month, year)] == ["@2021-05-07", "@2021-05", "@2021"]
    assert {"@2021-05-07", "@2021-05", "@2021"} == set(date_marks(day))
    assert set(date_marks(year)) == {"@2021"}
    assert asked_mark(one("2021-05-01", "2021-05-07")) is None
