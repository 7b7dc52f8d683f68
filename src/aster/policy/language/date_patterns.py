"""Patterns of dates for `Date.format` and `Date.parse`: `DD.MM.YYYY`, `YYYY-MM-DDTHH:mm:ss`.

A pattern is made of fields and of what stands between them. Repeated letters pad with zeros; case tells months from
minutes. `T` and what is between single quotes stand for themselves, as do signs, blanks and letters beyond ASCII
(`YYYY年M月D日`). Other letters are refused: what they mean differs between languages.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import NamedTuple

from aster.policy.language.faults import Fault
from aster.policy.language.terms import Term

MAX_PATTERN = 64

FIELDS: Mapping[str, tuple[str, int]] = {
    "YYYY": ("year", 4), "MM": ("month", 2), "M": ("month", 1), "DD": ("day", 2), "D": ("day", 1),
    "HH": ("hour", 2), "H": ("hour", 1), "mm": ("minute", 2), "m": ("minute", 1), "ss": ("second", 2),
    "s": ("second", 1),
}  # fmt: skip
"""What each run of letters writes, and with how many digits at least; `yyyy`, `dd` and `d` are accepted, too."""

_PART = re.compile(r"'(?P<quoted>[^']*)'|(?P<letters>([A-Za-z])\3*)|(?P<sign>[^'A-Za-z])", re.DOTALL)
_SPELLED = {"yyyy": "YYYY", "dd": "DD", "d": "D"}


class DatePattern(NamedTuple):
    """A compiled pattern: how to write a moment, how to read one, and which fields it has."""

    template: str
    reader: re.Pattern[str]
    fields: frozenset[str]


@lru_cache(maxsize=256)
def compile_date_pattern(pattern: str) -> DatePattern:
    """A pattern, ready for use. Raises `Fault` with the code `DATE_PATTERN`."""
    if len(pattern) > MAX_PATTERN:
        raise _refused(pattern, Term("it is too long"))
    template, reader = "", ""
    fields: set[str] = set()
    position = 0
    while position < len(pattern):
        part = _PART.match(pattern, position)
        if part is None:
            raise _refused(pattern, Term("a quote is not closed"))
        position = part.end()
        letters = part["letters"]
        if letters is None or letters == "T":
            literal = letters or part["sign"] or part["quoted"] or "'"
            template += literal.replace("{", "{{").replace("}", "}}")
            reader += re.escape(literal)
            continue
        found = FIELDS.get(_SPELLED.get(letters, letters))
        if found is None or found[0] in fields:
            raise _refused(pattern, Term("it has unknown or repeated letters"))
        name, width = found
        fields.add(name)
        template += f"{{0.{name}:0{width}d}}"
        reader += f"(?P<{name}>[0-9]{{{width},{max(2, width)}}})"
    if not fields:
        raise _refused(pattern, Term("it names no part of a date"))
    return DatePattern(template, re.compile(reader), frozenset(fields))


def _refused(pattern: str, reason: str) -> Fault:
    return Fault("DATE_PATTERN", pattern=repr(pattern[:MAX_PATTERN]), reason=reason)


def write_date(moment: date, pattern: str) -> str:
    """A moment as the pattern says; a date without a time is its midnight."""
    whole = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
    return compile_date_pattern(pattern).template.format(whole)


def read_date(text: str, pattern: str) -> date:
    """The day a text names. Its time of day, if the pattern has one, must be a time, and is left out."""
    compiled = compile_date_pattern(pattern)
    if not {"year", "month", "day"} <= compiled.fields:
        raise _refused(pattern, Term("a date needs year, month and day"))
    found = compiled.reader.fullmatch(text) if len(text) <= 2 * MAX_PATTERN else None
    try:
        if found is not None:
            return datetime(**{name: int(value) for name, value in found.groupdict().items()}, tzinfo=UTC).date()
    except ValueError:
        pass
    raise Fault("DATE_MISMATCH", text=repr(text[:40]), pattern=repr(pattern))
