"""Dates as people write them: what a text's "last Friday" was on the day it was said, what span a question asks about.

English only. Everything here is a table of patterns and arithmetic on the calendar; what is not understood is left out.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

MONTHS = (
    "january february march april may june july august september october november december".split()  # noqa: SIM905 - words read better as words
)
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()  # noqa: SIM905 - as above
COUNTS: Mapping[str, int] = MappingProxyType(
    {word: number for number, word in enumerate("zero one two three four five six seven eight nine ten".split())}  # noqa: SIM905
    | {"a": 1, "an": 1, "couple": 2, "few": 3}
)

_MONTH = "|".join([*MONTHS, *(month[:3] for month in MONTHS), "sept"])
_DAY = "|".join(WEEKDAYS)
_YEAR = r"(?:19|20)\d\d"


FEW_DAYS, LONGEST_MONTH = 9, 31


@dataclass(frozen=True, slots=True)
class Span:
    """Days, both inclusive."""

    first: date
    last: date

    def moments(self) -> tuple[datetime, datetime]:
        """From the first instant to the last, in UTC."""
        start = datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC)
        end = datetime(self.last.year, self.last.month, self.last.day, tzinfo=UTC)
        return start, end + timedelta(days=1, microseconds=-1)


def _day(year: int, month: int, day: int) -> Span | None:
    try:
        found = date(year, month, day)
    except ValueError:
        return None
    return Span(found, found)


def _month(year: int, month: int) -> Span | None:
    if not 1 <= month <= 12 or not 1 <= year < 9999:
        return None
    after = date(year + month // 12, month % 12 + 1, 1)
    return Span(date(year, month, 1), after - timedelta(days=1))


def _year(year: int) -> Span | None:
    return Span(date(year, 1, 1), date(year, 12, 31)) if 1 <= year <= 9999 else None


def month_number(word: str) -> int:
    """1 to 12 of a month's name, written out or by its first three letters."""
    return next(number for number, month in enumerate(MONTHS, 1) if word.lower()[:3] == month[:3])


_EXPLICIT: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Span | None]], ...] = (
    (re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b"), lambda m: _day(int(m[1]), int(m[2]), int(m[3]))),
    (
        re.compile(rf"(?i)\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b\.?,? ({_YEAR})\b"),
        lambda m: _day(int(m[3]), month_number(m[2]), int(m[1])),
    ),
    (
        re.compile(rf"(?i)\b({_MONTH})\b\.? (\d{{1,2}})(?:st|nd|rd|th)?,? ({_YEAR})\b"),
        lambda m: _day(int(m[3]), month_number(m[1]), int(m[2])),
    ),
    (re.compile(rf"(?i)\b({_MONTH})\b\.?,? ({_YEAR})\b"), lambda m: _month(int(m[2]), month_number(m[1]))),
    (re.compile(rf"(?i)\b(?:in|during|of|since|until|before|after) ({_YEAR})\b"), lambda m: _year(int(m[1]))),
)
"""Dates that need no day to count from; the more precise first."""


def _ago(said: date, count: int, unit: str) -> Span | None:
    if unit == "day":
        found = said - timedelta(days=count)
        return Span(found, found)
    if unit == "week":
        middle = said - timedelta(weeks=count)
        return Span(middle - timedelta(days=3), middle + timedelta(days=3))
    if unit == "month":
        months = said.year * 12 + said.month - 1 - count
        return _month(months // 12, months % 12 + 1)
    return _year(said.year - count)


def _unit(said: date, which: str, unit: str) -> Span | None:
    """``last week``, ``this month``, ``next year``."""
    step = {"last": 1, "past": 1, "this": 0, "next": -1}[which]
    if unit == "week":
        monday = said - timedelta(days=said.weekday() + 7 * step)
        return Span(monday, monday + timedelta(days=6))
    if unit == "weekend":
        saturday = said - timedelta(days=said.weekday() + 7 * step - 5)
        return Span(saturday, saturday + timedelta(days=1))
    return _ago(said, step, unit)


def _weekday(said: date, which: str, day: str) -> Span:
    """``last Friday`` is the one before the day itself; ``next`` and ``this`` the one after it."""
    wanted = WEEKDAYS.index(day)
    back = (said.weekday() - wanted - 1) % 7 + 1
    found = said - timedelta(days=back) if which in ("last", "past") else said + timedelta(days=7 - back or 7)
    return Span(found, found)


def _named_month(said: date, which: str, month: int) -> Span | None:
    year = said.year - (month >= said.month) if which in ("last", "past") else said.year + (month <= said.month)
    return _month(year, month)


_RELATIVE: tuple[tuple[re.Pattern[str], Callable[[date, re.Match[str]], Span | None]], ...] = (
    (re.compile(r"(?i)\bthe day before yesterday\b"), lambda said, m: _ago(said, 2, "day")),
    (re.compile(r"(?i)\byesterday\b|\blast night\b"), lambda said, m: _ago(said, 1, "day")),
    (re.compile(r"(?i)\b(?:today|tonight|this (?:morning|afternoon|evening))\b"), lambda said, m: Span(said, said)),
    (re.compile(r"(?i)\btomorrow\b"), lambda said, m: _ago(said, -1, "day")),
    (
        re.compile(rf"(?i)\b(?:a )?({'|'.join(COUNTS)}|\d{{1,3}})(?: of)? (day|week|month|year)s? ago\b"),
        lambda said, m: _ago(said, COUNTS[m[1].lower()] if m[1].lower() in COUNTS else int(m[1]), m[2].lower()),
    ),
    (
        re.compile(r"(?i)\b(last|past|this|next) (week|weekend|month|year)\b"),
        lambda said, m: _unit(said, m[1].lower(), m[2].lower()),
    ),
    (
        re.compile(rf"(?i)\b(last|past|this|next) ({_DAY})\b"),
        lambda said, m: _weekday(said, m[1].lower(), m[2].lower()),
    ),
    (
        re.compile(rf"(?i)\b(last|next) ({_MONTH})\b"),
        lambda said, m: _named_month(said, m[1].lower(), month_number(m[2])),
    ),
)
"""Dates that count from the day on which they are said."""


def spans(text: str, said: datetime | None = None) -> Iterator[Span]:
    """The spans that a text names, in no order; relative ones only where it is known when it was said."""
    left = text
    for pattern, read in _EXPLICIT:
        for match in list(pattern.finditer(left)):
            if (found := read(match)) is not None:
                yield found
                left = _without(left, match)
    if said is None:
        return
    for pattern, resolve in _RELATIVE:
        for match in list(pattern.finditer(left)):
            left = _without(left, match)
            try:
                resolved = resolve(said.date(), match)
            except (OverflowError, ValueError):
                continue
            if resolved is not None:
                yield resolved


def _without(text: str, match: re.Match[str]) -> str:
    """The text with a match blanked out, every other place where it was."""
    return text[: match.start()] + " " * len(match[0]) + text[match.end() :]


def date_marks(span: Span) -> Iterator[str]:
    """What a span is looked up by: its days when they are few, its month, its year."""
    days = (span.last - span.first).days + 1
    if days <= FEW_DAYS:
        for offset in range(days):
            yield f"@{(span.first + timedelta(days=offset)).isoformat()}"
    if days <= LONGEST_MONTH:
        yield from dict.fromkeys(f"@{day.year}-{day.month:02}" for day in (span.first, span.last))
    yield from dict.fromkeys(f"@{day.year}" for day in (span.first, span.last))


def asked_mark(span: Span) -> str | None:
    """The mark by which what happened in a span is found; None for one that is neither a day, a month nor a year."""
    if span.first == span.last:
        return f"@{span.first.isoformat()}"
    if span == _month(span.first.year, span.first.month):
        return f"@{span.first.year}-{span.first.month:02}"
    return f"@{span.first.year}" if span == _year(span.first.year) else None
