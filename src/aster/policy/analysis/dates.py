"""Dates are whole numbers of days; a text that is read as a date has a number of its own, and may be none."""

from collections.abc import Callable, Hashable
from datetime import date
from typing import TYPE_CHECKING, Any

from aster.policy.analysis.logic import Condition, Term, World, compare, either, is_term, negated, z3
from aster.policy.analysis.values import NEVER, Number, Text, Value
from aster.policy.language.dates import EPOCH, FIRST_DAY, LAST_DAY, parse_iso

if TYPE_CHECKING:
    from aster.policy.analysis.execution import Execution


def _from_iso(run: "Execution", text: Value) -> Value | None:
    if not isinstance(text, Text):
        return None
    if not is_term(text.term):
        days = parse_iso(str(text.term))
        if days is None:
            run.fault("DATE_INVALID")
            return NEVER
        return Number("int", days)
    is_date, day = _read(run.world, run.world.key(text.term))
    run.fault("DATE_INVALID", negated(is_date))
    run.world.define(z3.And(day >= FIRST_DAY, day <= LAST_DAY))
    return Number("int", day)


def _read(world: World, key: Hashable) -> tuple[Any, Any]:
    """Whether a text is a date, and which day."""
    return world.variable("Bool", ("is date", key)), world.variable("Int", ("day", key))


def written(world: World, model: Any, term: Any) -> str | None:
    """How a text must read to be the date that a model says it is; None if it is none, or never read as one."""
    key = world.key(term)
    if not world.is_known("Bool", ("is date", key)):
        return None
    is_date, day = (model.eval(variable, model_completion=True) for variable in _read(world, key))
    return date.fromordinal(day.as_long() + EPOCH).isoformat() if z3.is_true(is_date) else None


def _days_between(run: "Execution", start: Value, end: Value) -> Value | None:
    for value in (end, start):
        if not isinstance(value, Number) or value.kind != "int":
            return None
        run.fault("DATE_OUT_OF_RANGE", _no_day(value.term))
    return Number("int", end.term - start.term)  # type: ignore[attr-defined]  # both are numbers


def _add_days(run: "Execution", days: Value, count: Value) -> Value | None:
    for value in (days, count):
        if not isinstance(value, Number) or value.kind != "int":
            return None
    run.fault("DATE_OUT_OF_RANGE", _no_day(days.term))  # type: ignore[attr-defined]  # both are numbers
    found = days.term + count.term  # type: ignore[attr-defined]  # as above
    run.fault("DATE_OUT_OF_RANGE", _no_day(found))
    return Number("int", found)


def _no_day(term: Term) -> Condition:
    return either((compare("<", term, FIRST_DAY), compare(">", term, LAST_DAY)))


DATES: dict[str, Callable[..., Value | None]] = {
    "Date.fromISO": _from_iso,
    "Date.daysBetween": _days_between,
    "Date.addDays": _add_days,
}
