"""The standard library (specification §12), every function a plain function of a `Run` and its arguments.

Work and memory that grow with the arguments are paid in steps before they are done.
"""

from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import combinations
from math import comb
from typing import Any

from aster.policy.language.dates import LIBRARY as DATES
from aster.policy.language.operations import (
    DECIMAL_CONTEXT,
    MAX_TEXT,
    TEXT_STEP,
    Fault,
    add,
    charge,
    equal,
    field,
    finite,
    kind_of,
    multiply,
    text_of,
    whole,
)
from aster.policy.language.patterns import compile_pattern
from aster.policy.language.values import Closure, Err, Ok, RecordValue, Run, Some

MAX_LIST = 1_000_000
MAX_COMBINATIONS = 5_000
MAX_COMBINED = 64
MAX_SCALE = 18
GLANCE = 256
"""Characters of a text that may be read for nothing."""

Library = dict[str, Callable[..., Any]]


# --- checks ----------------------------------------------------------------------------------------------------------


def _need(value: Any, kind: type, expected: str, function: str) -> Any:
    if type(value) is not kind:
        raise Fault("ARGUMENT_TYPE", function=function, expected=expected, actual=kind_of(value))
    return value


def _text(value: Any, function: str) -> str:
    return str(_need(value, str, "a Text", function))


def _int(value: Any, function: str) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    return int(_need(value, int, "an Int", function))


def _list(run: Run, value: Any, function: str) -> list[Any]:
    found: list[Any] = _need(value, list, "a List", function)
    charge(run, 1 + len(found))
    return found


def _number(value: Any, function: str) -> Any:
    if type(value) not in {int, float, Decimal}:
        raise Fault("ARGUMENT_TYPE", function=function, expected="a number", actual=kind_of(value))
    return value


def _callback(run: Run, value: Any, arity: int, calls: int, function: str) -> Callable[..., Any]:
    """The callable of a function value, its calls paid in advance."""
    if type(value) is not Closure:
        raise Fault("ARGUMENT_TYPE", function=function, expected="a function", actual=kind_of(value))
    if value.arity != arity:
        raise Fault("ARITY", name=f"the function given to {function}", expected=value.arity, actual=arity)
    charge(run, value.cost * calls)
    return value.call


def _read(run: Run, value: Any, function: str) -> str:
    """A text that is looked through: what is longer than a glance is paid, which looks at the clock as well."""
    text = _text(value, function)
    if len(text) > GLANCE:
        charge(run, len(text) // TEXT_STEP)
    return text


def _made(run: Run, text: str) -> str:
    if len(text) > MAX_TEXT:
        raise Fault("SIZE_LIMIT", what="text", limit=MAX_TEXT)
    charge(run, 1 + len(text) // TEXT_STEP)
    return text


# --- Text ------------------------------------------------------------------------------------------------------------


def _concat(run: Run, *parts: Any) -> str:
    texts = [text_of(part) for part in parts]
    if sum(map(len, texts)) > MAX_TEXT:
        raise Fault("SIZE_LIMIT", what="text", limit=MAX_TEXT)
    return _made(run, "".join(texts))


def _length(run: Run, text: Any) -> int:
    """UTF-16 code units, as the language counts."""
    found = _text(text, "Text.length")
    if found.isascii():
        return len(found)
    return len(_read(run, found, "Text.length").encode("utf-16-le", "surrogatepass")) // 2


def _units(text: str) -> bool:
    return all(ord(char) < 0x10000 for char in text) if not text.isascii() else True


def _substring(run: Run, text: Any, start: Any, end: Any = None) -> str:
    found = _read(run, text, "Text.substring")
    first = _int(start, "Text.substring")
    size = _length(run, found)
    last = size if end is None else _int(end, "Text.substring")
    if first < 0 or last < first or last > size:
        raise Fault("RANGE_INVALID", function="Text.substring", start=first, end=last)
    if _units(found):
        return found[first:last]
    return found.encode("utf-16-le")[first * 2 : last * 2].decode("utf-16-le", "replace")


def _index_of(run: Run, text: Any, part: Any) -> int:
    found = _read(run, text, "Text.indexOf")
    index = found.find(_text(part, "Text.indexOf"))
    return index if index < 0 else _length(run, found[:index])


def _split(run: Run, text: Any, separator: Any) -> list[str]:
    found, between = _text(text, "Text.split"), _text(separator, "Text.split")
    charge(run, 1 + len(found))
    return found.split(between) if between else list(found)


def _replace(run: Run, text: Any, old: Any, new: Any) -> str:
    found, part, other = (_read(run, value, "Text.replace") for value in (text, old, new))
    count = found.count(part) if part else len(found) + 1
    if len(found) + count * max(0, len(other) - len(part)) > MAX_TEXT:
        raise Fault("SIZE_LIMIT", what="text", limit=MAX_TEXT)
    return _made(run, found.replace(part, other))


def _join(run: Run, items: Any, separator: Any) -> str:
    texts = [text_of(item) for item in _list(run, items, "Text.join")]
    between = _text(separator, "Text.join")
    if sum(map(len, texts)) + len(between) * len(texts) > MAX_TEXT:
        raise Fault("SIZE_LIMIT", what="text", limit=MAX_TEXT)
    return _made(run, between.join(texts))


def _matches(run: Run, text: Any, pattern: Any) -> bool:
    found = _text(text, "Text.matches")
    compiled = compile_pattern(_text(pattern, "Text.matches"))
    charge(run, (1 + len(found)) * (1 + compiled.size // 8))
    return compiled.matches(found)


def _redact(_: Run, value: Any) -> str:
    return "***" if value is not None else ""


_TEXT: Library = {
    "Text.concat": _concat,
    "Text.toUpper": lambda run, text: _made(run, _text(text, "Text.toUpper").upper()),
    "Text.toLower": lambda run, text: _made(run, _text(text, "Text.toLower").lower()),
    "Text.length": _length,
    "Text.startsWith": lambda _, text, part: _text(text, "Text.startsWith").startswith(_text(part, "Text.startsWith")),
    "Text.endsWith": lambda _, text, part: _text(text, "Text.endsWith").endswith(_text(part, "Text.endsWith")),
    "Text.contains": lambda run, text, part: _text(part, "Text.contains") in _read(run, text, "Text.contains"),
    "Text.indexOf": _index_of,
    "Text.equals": lambda _, left, right: text_of(left) == text_of(right),
    "Text.split": _split,
    "Text.trim": lambda run, text: _read(run, text, "Text.trim").strip(),
    "Text.substring": _substring,
    "Text.replace": _replace,
    "Text.redact": _redact,
    "Text.join": _join,
    "Text.matches": _matches,
    "PII.unwrap": lambda _, value: value,
    "redact": _redact,
    "tokenize": _redact,
}


# --- List ------------------------------------------------------------------------------------------------------------


def _get(_: Run, items: Any, index: Any) -> Any:
    found = _need(items, list, "a List", "List.get")
    at = _int(index, "List.get")
    if not 0 <= at < len(found):
        raise Fault("INDEX_OUT_OF_RANGE", index=at, last=len(found) - 1)
    return found[at]


def _slice(run: Run, items: Any, start: Any, end: Any = None) -> list[Any]:
    found = _list(run, items, "List.slice")
    first = _int(start, "List.slice")
    last = len(found) if end is None else _int(end, "List.slice")
    if first < 0 or last < first or last > len(found):
        raise Fault("RANGE_INVALID", function="List.slice", start=first, end=last)
    return found[first:last]


def _map(run: Run, items: Any, function: Any) -> list[Any]:
    found = _list(run, items, "List.map")
    call = _callback(run, function, 1, len(found), "List.map")
    return [call(item) for item in found]


def _filter(run: Run, items: Any, function: Any) -> list[Any]:
    found = _list(run, items, "List.filter")
    call = _callback(run, function, 1, len(found), "List.filter")
    return [item for item in found if call(item) is True]


def _reduce(run: Run, items: Any, initial: Any, function: Any) -> Any:
    found = _list(run, items, "List.reduce")
    call = _callback(run, function, 2, len(found), "List.reduce")
    value = initial
    for item in found:
        value = call(value, item)
    return value


def _sum(run: Run, items: Any) -> Any:
    total: Any = 0
    for item in _list(run, items, "List.sum"):
        total = add(run, total, _number(item, "List.sum"))
    return total


def _keys(run: Run, items: Any, function: Any, name: str) -> list[tuple[Any, Any]]:
    found = _list(run, items, name)
    call = _callback(run, function, 1, len(found), name)
    return [(_number(call(item), name), item) for item in found]


def _first(pairs: list[tuple[Any, Any]]) -> Any:
    return pairs[0]


def _extreme(run: Run, items: Any, function: Any, name: str, best: Callable[..., Any]) -> Any:
    pairs = (
        [(item, item) for item in _list(run, items, name)] if function is None else _keys(run, items, function, name)
    )
    if not pairs:
        raise Fault("EMPTY_LIST", function=name)
    for key, _ in pairs:
        _number(key, name)
    return best(pairs, key=lambda pair: pair[0])[1]


def _sort_by(run: Run, items: Any, function: Any) -> list[Any]:
    pairs = _keys(run, items, function, "List.sortBy")
    charge(run, len(pairs) * max(1, len(pairs).bit_length()))
    return [item for _, item in sorted(pairs, key=lambda pair: pair[0])]


def _sort(run: Run, items: Any) -> list[Any]:
    found = _list(run, items, "List.sort")
    charge(run, len(found) * max(1, len(found).bit_length()))
    return sorted(_number(item, "List.sort") for item in found)


def _distinct(run: Run, items: Any) -> list[Any]:
    kept: list[Any] = []
    seen: set[Any] = set()
    for item in _list(run, items, "List.distinct"):
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
    first, last = _int(start, "List.range"), _int(end, "List.range")
    count = max(0, last - first)
    if count > MAX_LIST:
        raise Fault("SIZE_LIMIT", what="list", limit=MAX_LIST)
    charge(run, 1 + count)
    return list(range(first, last))


def _combinations(run: Run, items: Any, size: Any) -> list[list[Any]]:
    found = _list(run, items, "List.combinations")
    count = _int(size, "List.combinations")
    if count < 0:
        raise Fault("RANGE_INVALID", function="List.combinations", start=count, end=len(found))
    if len(found) > MAX_COMBINED or comb(len(found), count) > MAX_COMBINATIONS:
        raise Fault("SIZE_LIMIT", what="list of combinations", limit=MAX_COMBINATIONS)
    charge(run, 1 + comb(len(found), count) * (1 + count))
    return [list(chosen) for chosen in combinations(found, count)]


def _count(run: Run, items: Any, function: Any) -> int:
    found = _list(run, items, "List.count")
    call = _callback(run, function, 1, len(found), "List.count")
    return sum(call(item) is True for item in found)


def _group_by(run: Run, items: Any, function: Any) -> dict[str, list[Any]]:
    found = _list(run, items, "List.groupBy")
    call = _callback(run, function, 1, len(found), "List.groupBy")
    groups: dict[str, list[Any]] = {}
    for item in found:
        groups.setdefault(_key(call(item)), []).append(item)
    return groups


def _quantify(run: Run, items: Any, function: Any, name: str, stop: bool) -> bool:
    found = _list(run, items, name)
    call = _callback(run, function, 1, len(found), name)
    return any((call(item) is True) is stop for item in found) is stop


def _flatten(run: Run, items: Any) -> list[Any]:
    flat: list[Any] = []
    for item in _list(run, items, "List.flatten"):
        inner = _list(run, item, "List.flatten")
        flat.extend(inner)
    return flat


def _end(_: Run, items: Any, index: int) -> Any:
    found = _need(items, list, "a List", "List.head" if index == 0 else "List.last")
    return Some(found[index]) if found else None


def _contains(run: Run, items: Any, item: Any) -> bool:
    return any(equal(other, item) for other in _list(run, items, "List.contains"))


_LIST: Library = {
    "List.empty": lambda _: [],
    "List.length": lambda _, items: len(_need(items, list, "a List", "List.length")),
    "List.isEmpty": lambda _, items: not _need(items, list, "a List", "List.isEmpty"),
    "List.get": _get,
    "List.contains": _contains,
    "List.append": lambda run, items, item: [*_list(run, items, "List.append"), item],
    "List.concat": lambda run, left, right: _list(run, left, "List.concat") + _list(run, right, "List.concat"),
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
    "List.reverse": lambda run, items: _list(run, items, "List.reverse")[::-1],
    "List.any": lambda run, items, function: _quantify(run, items, function, "List.any", True),
    "List.all": lambda run, items, function: _quantify(run, items, function, "List.all", False),
    "List.flatten": _flatten,
    "List.take": lambda run, items, count: _list(run, items, "List.take")[: max(0, _int(count, "List.take"))],
    "List.drop": lambda run, items, count: _list(run, items, "List.drop")[max(0, _int(count, "List.drop")) :],
}


# --- Map -------------------------------------------------------------------------------------------------------------


def _key(key: Any) -> str:
    if key is None:
        raise Fault("NULL_KEY")
    return text_of(key)


def _entries(run: Run, value: Any, function: str) -> dict[str, Any]:
    if isinstance(value, RecordValue):
        return {name: field(value, name) for name in value.attributes}
    found: dict[str, Any] = _need(value, dict, "a Map", function)
    charge(run, 1 + len(found))
    return found


def _map_get(run: Run, entries: Any, key: Any) -> Any:
    found = _need(entries, dict, "a Map", "Map.get") if type(entries) is dict else _entries(run, entries, "Map.get")
    name = _key(key)
    return Some(found[name]) if found.get(name) is not None else None


def _map_remove(run: Run, entries: Any, key: Any) -> dict[str, Any]:
    name = _key(key)
    return {other: value for other, value in _entries(run, entries, "Map.remove").items() if other != name}


_MAP: Library = {
    "Map.empty": lambda _: {},
    "Map.get": _map_get,
    "Map.put": lambda run, entries, key, value: {**_entries(run, entries, "Map.put"), _key(key): value},
    "Map.remove": _map_remove,
    "Map.contains": lambda run, entries, key: _key(key) in _entries(run, entries, "Map.contains"),
    "Map.size": lambda run, entries: len(_entries(run, entries, "Map.size")),
    "Map.keys": lambda run, entries: list(_entries(run, entries, "Map.keys")),
    "Map.values": lambda run, entries: list(_entries(run, entries, "Map.values").values()),
    "Map.entries": lambda run, entries: [
        {"key": key, "value": value} for key, value in _entries(run, entries, "Map.entries").items()
    ],
}


# --- Maybe, Option, Result -------------------------------------------------------------------------------------------


def _unwrapped(value: Any) -> Any:
    """What an option holds: Some's value, null as it is, anything else itself."""
    if type(value) is dict and value.get("__type") == "Some":
        return value.get("value")
    return value.value if type(value) is Some else value


def _or_else(_: Run, value: Any, default: Any) -> Any:
    return default if value is None else _unwrapped(value)


def _unwrap_option(_: Run, value: Any) -> Any:
    if value is None:
        raise Fault("WRONG_VARIANT", function="unwrap", expected="a value", actual="none")
    return _unwrapped(value)


def _map_option(run: Run, value: Any, function: Any) -> Any:
    call = _callback(run, function, 1, 1, "Option.map")
    return None if value is None else Some(call(_unwrapped(value)))


def _result(value: Any, function: str) -> Ok | Err:
    if type(value) is Ok or type(value) is Err:
        return value
    if type(value) is dict and value.get("__type") in {"Ok", "Err"}:
        return (Ok if value["__type"] == "Ok" else Err)(value.get("value"))
    raise Fault("ARGUMENT_TYPE", function=function, expected="a Result", actual=kind_of(value))


def _unwrap_result(value: Any, wanted: type, function: str) -> Any:
    found = _result(value, function)
    if type(found) is not wanted:
        raise Fault("WRONG_VARIANT", function=function, expected=wanted.__name__, actual=type(found).__name__)
    return found.value


def _map_result(run: Run, value: Any, function: Any, wanted: type[Ok] | type[Err], name: str) -> Any:
    found = _result(value, name)
    call = _callback(run, function, 1, 1, name)
    return wanted(call(found.value)) if type(found) is wanted else found


def _tap_error(run: Run, value: Any, function: Any) -> Any:
    found = _result(value, "Result.tapError")
    call = _callback(run, function, 1, 1, "Result.tapError")
    if type(found) is Err:
        call(found.value)
    return found


def _result_or(_: Run, value: Any, default: Any) -> Any:
    found = _result(value, "Result.unwrapOr")
    return found.value if type(found) is Ok else default


_OPTION_FUNCTIONS: Library = {
    "withDefault": _or_else,
    "unwrapOr": _or_else,
    "isSome": lambda _, value: value is not None,
    "isNone": lambda _, value: value is None,
    "unwrap": _unwrap_option,
    "map": _map_option,
}
_OPTION: Library = {
    f"{space}.{name}": function for space in ("Maybe", "Option") for name, function in _OPTION_FUNCTIONS.items()
}
_RESULT: Library = {
    "Result.isOk": lambda _, value: type(_result(value, "Result.isOk")) is Ok,
    "Result.isErr": lambda _, value: type(_result(value, "Result.isErr")) is Err,
    "Result.unwrap": lambda _, value: _unwrap_result(value, Ok, "Result.unwrap"),
    "Result.unwrapErr": lambda _, value: _unwrap_result(value, Err, "Result.unwrapErr"),
    "Result.unwrapOr": _result_or,
    "Result.mapOk": lambda run, value, function: _map_result(run, value, function, Ok, "Result.mapOk"),
    "Result.mapErr": lambda run, value, function: _map_result(run, value, function, Err, "Result.mapErr"),
    "Result.tapError": _tap_error,
}


# --- Decimal, Math, Int, Bool ----------------------------------------------------------------------------------------

_MODES = {"HALF_UP": ROUND_HALF_UP, "HALF_EVEN": ROUND_HALF_EVEN, "DOWN": ROUND_DOWN}


def _exact(value: Any, function: str) -> Decimal:
    if type(value) is Decimal:
        return value
    return Decimal(_need(value, int, "a Decimal", function))


def _rounding(scale: Any, mode: Any, function: str) -> tuple[Decimal, str]:
    digits = _int(scale, function)
    if not 0 <= digits <= MAX_SCALE:
        raise Fault("DECIMAL_SCALE", scale=digits)
    if mode not in _MODES:
        raise Fault("DECIMAL_MODE", mode=text_of(mode))
    return Decimal(1).scaleb(-digits), _MODES[mode]


def _decimal_round(_: Run, value: Any, scale: Any, mode: Any) -> Decimal:
    unit, rounding = _rounding(scale, mode, "Decimal.round")
    try:
        return _exact(value, "Decimal.round").quantize(unit, rounding, DECIMAL_CONTEXT)
    except InvalidOperation:
        raise Fault("DECIMAL_OVERFLOW") from None


def _decimal_divide(_: Run, left: Any, right: Any, scale: Any, mode: Any) -> Decimal:
    unit, rounding = _rounding(scale, mode, "Decimal.divide")
    divisor = _exact(right, "Decimal.divide")
    if divisor == 0:
        raise Fault("DIVISION_BY_ZERO")
    dividend = _exact(left, "Decimal.divide")
    numerator, denominator = dividend.as_integer_ratio()
    other, under = divisor.as_integer_ratio()
    top, bottom = numerator * under, denominator * other
    if bottom < 0:
        top, bottom = -top, -bottom
    scaled, rest = divmod(abs(top) * int(1 / unit), bottom)
    up = rounding == ROUND_HALF_UP and rest * 2 >= bottom
    up |= rounding == ROUND_HALF_EVEN and (rest * 2 > bottom or (rest * 2 == bottom and scaled % 2 == 1))
    result = DECIMAL_CONTEXT.multiply(Decimal(scaled + up), unit)
    return -result if top < 0 else result


def _decimal_from(_: Run, text: Any) -> Decimal:
    written = _text(text, "Decimal.fromText")
    digits = written.lstrip("+-").replace(".", "", 1)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 38 or written.strip() != written:
        raise Fault("NUMBER_INVALID", text=written[:40])
    try:
        return Decimal(written)
    except InvalidOperation:
        raise Fault("NUMBER_INVALID", text=written[:40]) from None


def _round_to(value: Any, function: str, rounding: str) -> int:
    found = _number(value, function)
    if type(found) is int:
        return found
    return whole(int(Decimal(found).to_integral_value(rounding)))


def _power(run: Run, base: Any, exponent: Any) -> Any:
    times = _int(exponent, "Math.pow")
    number = _number(base, "Math.pow")
    if type(number) is float or times < 0:
        if number == 0 and times < 0:
            raise Fault("DIVISION_BY_ZERO")
        try:
            return finite(float(number) ** times)
        except OverflowError:
            raise Fault("FLOAT_OVERFLOW") from None
    result: Any = 1
    while times:
        charge(run, 1)
        if times & 1:
            result = multiply(result, number)
        times >>= 1
        if times:
            number = multiply(number, number)
    return result


def _parse_int(_: Run, text: Any) -> int:
    written = _text(text, "Int.parse")
    digits = written.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        raise Fault("NUMBER_INVALID", text=written[:40])
    return whole(int(written))


def _better(left: Any, right: Any, name: str, pick: Callable[..., Any]) -> Any:
    return pick(_number(left, name), _number(right, name))


_NUMBERS: Library = {
    "Decimal.round": _decimal_round,
    "Decimal.divide": _decimal_divide,
    "Decimal.fromText": _decimal_from,
    "Math.abs": lambda _, value: abs(_number(value, "Math.abs")),
    "Math.floor": lambda _, value: _round_to(value, "Math.floor", "ROUND_FLOOR"),
    "Math.ceil": lambda _, value: _round_to(value, "Math.ceil", "ROUND_CEILING"),
    "Math.round": lambda _, value: _round_to(value, "Math.round", ROUND_HALF_UP),
    "Math.min": lambda _, left, right: _better(left, right, "Math.min", min),
    "Math.max": lambda _, left, right: _better(left, right, "Math.max", max),
    "Math.pow": _power,
    "Int.toString": lambda _, value: text_of(_number(value, "Int.toString")),
    "Int.parse": _parse_int,
    "Bool.toString": lambda _, value: text_of(_need(value, bool, "a Bool", "Bool.toString")),
}

LIBRARY: Library = {**_TEXT, **_LIST, **_MAP, **_OPTION, **_RESULT, **DATES, **_NUMBERS}
