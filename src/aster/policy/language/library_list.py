"""`List.*` (specification §12)."""

from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import Any

from aster.policy.language.comparisons import equal
from aster.policy.language.faults import Fault
from aster.policy.language.library_arguments import (
    Library,
    need,
    need_callback,
    need_int,
    need_list,
    need_number,
)
from aster.policy.language.library_map import map_key
from aster.policy.language.metering import charge
from aster.policy.language.operations import add
from aster.policy.language.terms import Term
from aster.policy.language.values import Run, Some

MAX_LIST = 1_000_000
MAX_COMBINATIONS = 5_000
MAX_COMBINED = 64


def _get(_: Run, items: Any, index: Any) -> Any:
    found = need(items, list, "a List", "List.get")
    at = need_int(index, "List.get")
    if not 0 <= at < len(found):
        raise Fault("INDEX_OUT_OF_RANGE", index=at, last=len(found) - 1)
    return found[at]


def _slice(run: Run, items: Any, start: Any, end: Any = None) -> list[Any]:
    found = need_list(run, items, "List.slice")
    first = need_int(start, "List.slice")
    last = len(found) if end is None else need_int(end, "List.slice")
    if first < 0 or last < first or last > len(found):
        raise Fault("RANGE_INVALID", function="List.slice", start=first, end=last)
    return found[first:last]


def _map(run: Run, items: Any, function: Any) -> list[Any]:
    found = need_list(run, items, "List.map")
    call = need_callback(run, function, 1, len(found), "List.map")
    return [call(item) for item in found]


def _filter(run: Run, items: Any, function: Any) -> list[Any]:
    found = need_list(run, items, "List.filter")
    call = need_callback(run, function, 1, len(found), "List.filter")
    return [item for item in found if call(item) is True]


def _reduce(run: Run, items: Any, initial: Any, function: Any) -> Any:
    found = need_list(run, items, "List.reduce")
    call = need_callback(run, function, 2, len(found), "List.reduce")
    value = initial
    for item in found:
        value = call(value, item)
    return value


def _sum(run: Run, items: Any) -> Any:
    total: Any = 0
    for item in need_list(run, items, "List.sum"):
        total = add(run, total, need_number(item, "List.sum"))
    return total


def _keys(run: Run, items: Any, function: Any, name: str) -> list[tuple[Any, Any]]:
    found = need_list(run, items, name)
    call = need_callback(run, function, 1, len(found), name)
    return [(need_number(call(item), name), item) for item in found]


def _first(pairs: list[tuple[Any, Any]]) -> Any:
    return pairs[0]


def _extreme(run: Run, items: Any, function: Any, name: str, best: Callable[..., Any]) -> Any:
    pairs = (
        [(item, item) for item in need_list(run, items, name)]
        if function is None
        else _keys(run, items, function, name)
    )
    if not pairs:
        raise Fault("EMPTY_LIST", function=name)
    for key, _ in pairs:
        need_number(key, name)
    return best(pairs, key=lambda pair: pair[0])[1]


def _sort_by(run: Run, items: Any, function: Any) -> list[Any]:
    pairs = _keys(run, items, function, "List.sortBy")
    charge(run, len(pairs) * max(1, len(pairs).bit_length()))
    return [item for _, item in sorted(pairs, key=lambda pair: pair[0])]


def _sort(run: Run, items: Any) -> list[Any]:
    found = need_list(run, items, "List.sort")
    charge(run, len(found) * max(1, len(found).bit_length()))
    return sorted(need_number(item, "List.sort") for item in found)


def _distinct(run: Run, items: Any) -> list[Any]:
    kept: list[Any] = []
    seen: set[Any] = set()
    for item in need_list(run, items, "List.distinct"):
        if type(item) is str or type(item) is int:
            if item not in seen:
                seen.add(item)
                kept.append(item)
            continue
        charge(run, 1 + len(kept))
        if not any(equal(item, other) for other in kept):
            kept.append(item)
    return kept


def _range(run: Run, start: Any, end: Any) -> list[int]:
    first, last = need_int(start, "List.range"), need_int(end, "List.range")
    count = max(0, last - first)
    if count > MAX_LIST:
        raise Fault("SIZE_LIMIT", what=Term("list"), limit=MAX_LIST)
    charge(run, 1 + count)
    return list(range(first, last))


def _combinations(run: Run, items: Any, size: Any) -> list[list[Any]]:
    found = need_list(run, items, "List.combinations")
    count = need_int(size, "List.combinations")
    if count < 0:
        raise Fault("RANGE_INVALID", function="List.combinations", start=count, end=len(found))
    if len(found) > MAX_COMBINED or comb(len(found), count) > MAX_COMBINATIONS:
        raise Fault("SIZE_LIMIT", what=Term("list of combinations"), limit=MAX_COMBINATIONS)
    charge(run, 1 + comb(len(found), count) * (1 + count))
    return [list(chosen) for chosen in combinations(found, count)]


def _count(run: Run, items: Any, function: Any) -> int:
    found = need_list(run, items, "List.count")
    call = need_callback(run, function, 1, len(found), "List.count")
    return sum(call(item) is True for item in found)


def _group_by(run: Run, items: Any, function: Any) -> dict[str, list[Any]]:
    found = need_list(run, items, "List.groupBy")
    call = need_callback(run, function, 1, len(found), "List.groupBy")
    groups: dict[str, list[Any]] = {}
    for item in found:
        groups.setdefault(map_key(call(item)), []).append(item)
    return groups


def _quantify(run: Run, items: Any, function: Any, name: str, stop: bool) -> bool:
    found = need_list(run, items, name)
    call = need_callback(run, function, 1, len(found), name)
    return any((call(item) is True) is stop for item in found) is stop


def _flatten(run: Run, items: Any) -> list[Any]:
    flat: list[Any] = []
    for item in need_list(run, items, "List.flatten"):
        inner = need_list(run, item, "List.flatten")
        flat.extend(inner)
    return flat


def _end(_: Run, items: Any, index: int) -> Any:
    found = need(items, list, "a List", "List.head" if index == 0 else "List.last")
    return Some(found[index]) if found else None


def _contains(run: Run, items: Any, item: Any) -> bool:
    return any(equal(other, item) for other in need_list(run, items, "List.contains"))


LISTS: Library = {
    "List.empty": lambda _: [],
    "List.length": lambda _, items: len(need(items, list, "a List", "List.length")),
    "List.isEmpty": lambda _, items: not need(items, list, "a List", "List.isEmpty"),
    "List.get": _get,
    "List.contains": _contains,
    "List.append": lambda run, items, item: [*need_list(run, items, "List.append"), item],
    "List.concat": lambda run, left, right: need_list(run, left, "List.concat") + need_list(run, right, "List.concat"),
    "List.slice": _slice,
    "List.map": _map,
    "List.filter": _filter,
    "List.reduce": _reduce,
    "List.sum": _sum,
    "List.min": lambda run, items: _extreme(run, items, None, "List.min", min),
    "List.max": lambda run, items: _extreme(run, items, None, "List.max", max),
    "List.sort": _sort,
    "List.distinct": _distinct,
    "List.range": _range,
    "List.combinations": _combinations,
    "List.count": _count,
    "List.sortBy": _sort_by,
    "List.minBy": lambda run, items, function: _extreme(run, items, function, "List.minBy", min),
    "List.maxBy": lambda run, items, function: _extreme(run, items, function, "List.maxBy", max),
    "List.groupBy": _group_by,
    "List.head": lambda run, items: _end(run, items, 0),
    "List.last": lambda run, items: _end(run, items, -1),
    "List.reverse": lambda run, items: need_list(run, items, "List.reverse")[::-1],
    "List.any": lambda run, items, function: _quantify(run, items, function, "List.any", True),
    "List.all": lambda run, items, function: _quantify(run, items, function, "List.all", False),
    "List.flatten": _flatten,
    "List.take": lambda run, items, count: need_list(run, items, "List.take")[: max(0, need_int(count, "List.take"))],
    "List.drop": lambda run, items, count: need_list(run, items, "List.drop")[max(0, need_int(count, "List.drop")) :],
}
