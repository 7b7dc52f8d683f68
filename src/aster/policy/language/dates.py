"""`Date.…`: days since 1970-01-01 in the proleptic Gregorian calendar, years 1 to 9999."""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from aster.policy.language.date_patterns import read_date, write_date
from aster.policy.language.encoding import kind_of
from aster.policy.language.faults import Fault
from aster.policy.language.terms import Term
from aster.policy.language.values import Run

EPOCH = date(1970, 1, 1).toordinal()
FIRST_DAY = 1 - EPOCH
LAST_DAY = date(9999, 12, 31).toordinal() - EPOCH
MAX_ISO = 40
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _days(value: Any, function: str) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise Fault("ARGUMENT_TYPE", function=function, expected=Term("days (Date.fromISO)"), actual=kind_of(value))
    if not FIRST_DAY <= value <= LAST_DAY:
        raise Fault("DATE_OUT_OF_RANGE", days=value)
    return value


def parse_iso(text: str) -> int | None:
    """Days of a date written YYYY-MM-DD, None if it is not one."""
    if not _ISO.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text).toordinal() - EPOCH
    except ValueError:
        return None


def _from_iso(_: Run, text: Any) -> int:
    days = parse_iso(text) if type(text) is str else None
    if days is None:
        raise Fault("DATE_INVALID", text=repr(text[:40]) if type(text) is str else kind_of(text))
    return days


def _date(value: Any, function: str) -> date:
    return date.fromordinal(_days(value, function) + EPOCH)


def _add_days(_: Run, days: Any, count: Any) -> int:
    if type(count) is not int:
        raise Fault("ARGUMENT_TYPE", function="Date.addDays", expected=Term("an Int"), actual=kind_of(count))
    return _days(_days(days, "Date.addDays") + count, "Date.addDays")


def _moment(value: Any) -> date:
    """Days, or a DateTime: an ISO text, whose time of day is its own clock's."""
    if type(value) is not str:
        return _date(value, "Date.format")
    if len(value) <= MAX_ISO:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise Fault("DATE_INVALID", text=repr(value[:40]))


def _format(_: Run, value: Any, pattern: Any) -> str:
    return write_date(_moment(value), _text(pattern, "Date.format"))


def _parse(_: Run, text: Any, pattern: Any) -> int:
    found = read_date(_text(text, "Date.parse"), _text(pattern, "Date.parse"))
    return found.toordinal() - EPOCH


def _text(value: Any, function: str) -> str:
    if type(value) is not str:
        raise Fault("ARGUMENT_TYPE", function=function, expected=Term("a Text"), actual=kind_of(value))
    return value


LIBRARY: dict[str, Callable[..., Any]] = {
    "Date.fromISO": _from_iso,
    "Date.toISO": lambda _, days: _date(days, "Date.toISO").isoformat(),
    "Date.format": _format,
    "Date.parse": _parse,
    "Date.daysBetween": lambda _, a, b: _days(b, "Date.daysBetween") - _days(a, "Date.daysBetween"),
    "Date.addDays": _add_days,
    "Date.year": lambda _, days: _date(days, "Date.year").year,
    "Date.month": lambda _, days: _date(days, "Date.month").month,
    "Date.day": lambda _, days: _date(days, "Date.day").day,
}
