"""Rows of conditions over paths, decided without a solver: the inputs fall into cells in which nothing changes.

A path's constants cut its domain into segments: points, the gaps between them, values that are named, and all others.
`walk` goes through the cells of several lists of rows at once, splitting on one path after the other only where a list
is not decided yet; what is left of the lists is the same in many cells and is looked at once. A table of n rows with
keys and ranges has some n cells. Conditions that cross in many dimensions may have very many: then `NotSettled`.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

MAX_CELLS = 100_000

Path = tuple[str, ...]
Test = tuple[str, Any]
"""An operator (`< <= > >= == !=`) and a constant."""


class NotSettled(Exception):
    """It can't be decided this way, or not in time."""


class Domain(NamedTuple):
    """The values of a path: numbers from ``low`` to ``high``, or ``values`` and perhaps ``others`` (by example)."""

    kind: str
    low: Any = None
    high: Any = None
    values: tuple[Any, ...] = ()
    others: bool = False


class Row(NamedTuple):
    """One row: what it asks of which path, and what identifies its result."""

    tests: Mapping[Path, tuple[Test, ...]]
    result: Any


class Cell(NamedTuple):
    """Inputs that all lists decide alike: an example by path, and per list the rows that hold, the first one first.

    Rows after the first may ask about paths that are not in ``example``; they can hold in this cell.
    """

    example: Mapping[Path, Any]
    active: tuple[tuple[int, ...], ...]


_Segments = list[tuple[Any, list[tuple[int, ...]]]]
"""Of a path: an example of each segment, and the rows of each list that are left there."""


def walk(lists: Sequence[Sequence[Row]], domains: Mapping[Path, Domain]) -> Iterator[Cell]:
    """Every cell, up to those that only differ in the example; each list is decided in it."""
    seen: set[Any] = set()
    everything = tuple(tuple(range(len(rows))) for rows in lists)
    pending: list[tuple[dict[Path, Any], tuple[tuple[int, ...], ...]]] = [({}, everything)]
    while pending:
        example, active = pending.pop()
        path = _undecided(lists, active, example)
        if path is None:
            yield Cell(example, active)
            continue
        inside = []
        for value, left in _split(lists, active, path, domains[path]):
            key = (*example, path), tuple(left)
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > MAX_CELLS:
                raise NotSettled("conditions that cross one another too often")
            inside.append(({**example, path: value}, tuple(left)))
        pending += reversed(inside)


def _undecided(
    lists: Sequence[Sequence[Row]], active: tuple[tuple[int, ...], ...], example: Mapping[Path, Any]
) -> Path | None:
    """A path to split on: of the first row that may win in a list in which it is open whether it does."""
    for rows, left in zip(lists, active, strict=True):
        if left:
            for path in rows[left[0]].tests:
                if path not in example:
                    return path
    return None


def _split(
    lists: Sequence[Sequence[Row]], active: tuple[tuple[int, ...], ...], path: Path, domain: Domain
) -> _Segments:
    segments = _numbers if domain.low is not None else _named
    return segments([(rows, left) for rows, left in zip(lists, active, strict=True)], path, domain)


def _named(lists: list[tuple[Sequence[Row], tuple[int, ...]]], path: Path, domain: Domain) -> _Segments:
    """One segment for each value that is asked for, one for all others."""
    asked = {value for rows, left in lists for row in left for _, value in rows[row].tests.get(path, ())}
    inside = [value for value in asked if domain.others or value in domain.values]
    rest = next((value for value in domain.values if value not in asked), None)
    if domain.others:
        rest = another(asked)
    values = [*inside, rest] if rest is not None else inside
    found: _Segments = [(value, []) for value in values]
    for rows, left in lists:
        exact: dict[Any, list[int]] = {}
        general: list[int] = []
        for row in left:
            tests = rows[row].tests.get(path, ())
            keys = {value for operator, value in tests if operator == "=="}
            if keys:
                for key in keys:
                    exact.setdefault(key, []).append(row)
            else:
                general.append(row)
        for value, active in found:
            candidates = sorted([*general, *exact.get(value, ())])
            active.append(tuple(row for row in candidates if admits(rows[row].tests.get(path, ()), value)))
    return found


def _numbers(lists: list[tuple[Sequence[Row], tuple[int, ...]]], path: Path, domain: Domain) -> _Segments:
    """Points at the constants and the gaps between them, by a sweep; neighbours in which nothing changes are one."""
    cuts = sorted({cut for rows, left in lists for row in left for _, cut in rows[row].tests.get(path, ())
                   if domain.low <= cut <= domain.high})  # fmt: skip
    examples = [_in_gap(domain, cuts, index // 2) if index % 2 == 0 else cuts[index // 2]
                for index in range(2 * len(cuts) + 1)]  # fmt: skip
    sides = [list(_sweep(rows, left, path, cuts)) for rows, left in lists]
    found: _Segments = []
    for index, example in enumerate(examples):
        left = [side[index] for side in sides]
        if example is not None and not (found and found[-1][1] == left):
            found.append((example, left))
    return found


def _sweep(rows: Sequence[Row], left: tuple[int, ...], path: Path, cuts: list[Any]) -> Iterator[tuple[int, ...]]:
    """The rows that hold in each segment, in order."""
    count = 2 * len(cuts) + 1
    begins: list[list[int]] = [[] for _ in range(count + 1)]
    ends: list[list[int]] = [[] for _ in range(count + 1)]
    holes: dict[int, set[int]] = {}
    for row in left:
        first, after = 0, count
        for operator, cut in rows[row].tests.get(path, ()):
            low, high, hole = _range(operator, cut, cuts, count)
            first, after = max(first, low), min(after, high)
            if hole is not None:
                holes.setdefault(hole, set()).add(row)
        if first < after:
            begins[first].append(row)
            ends[after].append(row)
    active: list[int] = []
    for index in range(count):
        for row in ends[index]:
            del active[bisect_left(active, row)]
        for row in begins[index]:
            insort(active, row)
        absent = holes.get(index)
        yield tuple(active) if absent is None else tuple(row for row in active if row not in absent)


def _range(operator: str, cut: Any, cuts: list[Any], count: int) -> tuple[int, int, int | None]:
    """The segments in which a test holds: from, to, and one between that is left out."""
    place = bisect_left(cuts, cut)
    is_cut = place < len(cuts) and cuts[place] == cut
    before, after = (2 * place + 1, 2 * place + 2) if is_cut else (0, 0) if place == 0 else (count, count)
    if operator == "!=":
        return 0, count, before if is_cut else None
    if operator == "==":
        return (before, after, None) if is_cut else (0, 0, None)
    if operator in {"<", "<="}:
        return 0, after if operator == "<=" else before, None
    return after if operator == ">" else before, count, None


def _in_gap(domain: Domain, cuts: list[Any], place: int) -> Any | None:
    """A value between two cuts, or a cut and the domain's end, which belongs to it; None if there is none."""
    low = cuts[place - 1] if place else domain.low
    high = cuts[place] if place < len(cuts) else domain.high
    wanted = [0, low + 1, high - 1] if domain.kind == "int" else [0, low + 1, high - 1, _between(low, high)]
    wanted += [] if place else [low]
    wanted += [high] if place == len(cuts) else []
    for value in wanted:
        found = value if domain.kind == "int" else _number(domain.kind, value)
        if (low < found or (not place and low == found)) and (found < high or (place == len(cuts) and found == high)):
            return found
    if domain.kind == "decimal" and low != high:
        raise NotSettled("numbers too close to one another")
    return None


def _between(low: Any, high: Any) -> Fraction:
    return (Fraction(low) + Fraction(high)) / 2


def _number(kind: str, value: Any) -> Any:
    if kind == "float":
        return float(value)
    exact = Fraction(value)
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def another(known: set[Any]) -> str:
    """A text that is none of some."""
    text = "other"
    while text in known:
        text += "_"
    return text


_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
}


def admits(tests: tuple[Test, ...], value: Any) -> bool:
    """Whether a value passes tests."""
    return all(_HOLDS[operator](value, constant) for operator, constant in tests)


def some_value(tests: tuple[Test, ...], domain: Domain) -> Any | None:
    """A value of a domain that passes tests; None if there is none."""
    row = Row({(): tests}, None)
    segments = (_numbers if domain.low is not None else _named)([([row], (0,))], (), domain)
    return next((value for value, left in segments if left[0]), None)


def implies(tests: tuple[Test, ...], others: tuple[Test, ...], domain: Domain) -> bool:
    """Whether every value of a domain that passes some tests passes others."""
    rows = [Row({(): tests}, None), Row({(): others}, None)]
    segments = (_numbers if domain.low is not None else _named)([(rows, (0, 1))], (), domain)
    return all(left[0] != (0,) for _, left in segments)
