"""The standard library on symbolic values: what decides policies is modelled, the rest is any value of its type.

A function given the same arguments yields the same value, modelled or not.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from aster.policy.analysis import operations
from aster.policy.analysis.arithmetic import absolute, rounded_to, whole
from aster.policy.analysis.dates import DATES
from aster.policy.analysis.equality import equal
from aster.policy.analysis.logic import (
    Condition,
    Term,
    both,
    chosen,
    compare,
    either,
    implies,
    is_term,
    negated,
    number,
    real,
    z3,
)
from aster.policy.analysis.values import (
    NEVER,
    NULL,
    Closure,
    Items,
    Null,
    Number,
    Opaque,
    Several,
    Text,
    Truth,
    Value,
    Wrapped,
    identity,
    merge,
    merge_all,
)
from aster.policy.language.library_types import SIGNATURES
from aster.policy.language.types import Type

if TYPE_CHECKING:
    from aster.policy.analysis.execution import Execution

Modelled = Callable[..., Value | None]
"""A function of an execution and arguments, each of one kind; None for what it does not model."""

_TOTAL = frozenset({"Text.redact", "redact", "tokenize", "PII.unwrap", "Text.equals", "Map.empty", "List.empty"})
_FILTERED = 4


def call(run: "Execution", name: str, arguments: list[Value], returns: Type) -> Value:
    """The value of a library call."""
    model = _MODELS.get(name)
    if model is None:
        return unknown(run, name, arguments, returns)

    whole_ones = _WHOLE.get(name, frozenset())

    def at(index: int, chosen_ones: list[Value]) -> Value:
        if index == len(arguments):
            found = model(run, *chosen_ones)
            return unknown(run, name, chosen_ones, returns) if found is None else found
        if index in whole_ones:
            return at(index + 1, [*chosen_ones, arguments[index]])
        return run.each(arguments[index], lambda value: at(index + 1, [*chosen_ones, value]))

    return at(0, [])


def unknown(run: "Execution", name: str, arguments: list[Value], returns: Type) -> Value:
    """Any value of the function's type; the same for the same arguments."""
    run.skip(name)
    key = ("call", name, *(_identity(run, argument) for argument in arguments))
    if name not in _TOTAL:
        run.may_fail(key)
    kind = returns if returns.kind != "Unknown" else SIGNATURES[name].returns
    return run.free(kind, key)


def _identity(run: "Execution", value: Value) -> Any:
    return run.prints.of_closure(value) if isinstance(value, Closure) else identity(run.world, value)


def _mismatch(run: "Execution", value: Value) -> Value | None:
    """A fault for a value of a wrong kind; unknown for one that may be right."""
    if isinstance(value, Opaque):
        return None
    run.fault("ARGUMENT_TYPE")
    return NEVER


# --- Text ------------------------------------------------------------------------------------------------------------


def _text_test(known: Callable[[str, str], bool], model: Callable[[Any, Any], Any]) -> Modelled:
    def call(run: "Execution", text: Value, part: Value) -> Value | None:
        for value in (text, part):
            if not isinstance(value, Text):
                return _mismatch(run, value)
        mine, other = text.term, part.term  # type: ignore[attr-defined]  # both are texts
        if not is_term(mine) and not is_term(other):
            return Truth(known(mine, other))
        return Truth(model(run.world.text(mine), run.world.text(other))) if run.world.strings else None

    return call


def _text_length(run: "Execution", text: Value) -> Value | None:
    if not isinstance(text, Text):
        return _mismatch(run, text)
    if not is_term(text.term):
        return Number("int", len(text.term.encode("utf-16-le", "surrogatepass")) // 2)
    if not run.world.strings:
        return None
    # Characters beyond the basic plane count twice; how many there are is left open.
    length = z3.Length(text.term)
    wide = run.world.variable("Int", ("wide", run.world.key(text.term)))
    run.world.define(both(wide >= 0, wide <= length))
    basic = z3.InRe(text.term, _BASIC)
    run.world.define(both(implies(run.world.exact, basic), implies(basic, wide == 0)))
    return Number("int", length + wide)


_BASIC = z3.Star(z3.Range(z3.StringVal("\\u{0}"), z3.StringVal("\\u{ffff}")))


def _text_concat(run: "Execution", *parts: Value) -> Value | None:
    return Text(operations.joined(run, [operations.written(run, part) for part in parts]))


def _text_equals(run: "Execution", left: Value, right: Value) -> Value | None:
    if isinstance(left, Text) and isinstance(right, Text):
        return Truth(run.world.same_text(left.term, right.term))
    return None


# --- List ------------------------------------------------------------------------------------------------------------


def _list_length(run: "Execution", items: Value) -> Value | None:
    if isinstance(items, Items):
        return Number("int", len(items.items))
    if isinstance(items, Opaque) and items.kind == "list" and items.key[0] == "input":
        return Number("int", run.world.given("Int", items.key[1], "length"))
    return _mismatch(run, items)


def _is_empty(run: "Execution", items: Value) -> Value | None:
    length = _list_length(run, items)
    return Truth(compare("==", length.term, 0)) if isinstance(length, Number) else length


def _get(run: "Execution", items: Value, index: Value) -> Value | None:
    if not isinstance(items, Items):
        return _mismatch(run, items)
    if not isinstance(index, Number) or index.kind != "int":
        return None
    count = len(items.items)
    run.fault("INDEX_OUT_OF_RANGE", either((compare("<", index.term, 0), compare(">=", index.term, count))))
    found = [(compare("==", index.term, place), item) for place, item in enumerate(items.items)]
    return merge_all(run.world, found)


def _contains(run: "Execution", items: Value, item: Value) -> Value | None:
    if not isinstance(items, Items):
        return _mismatch(run, items)
    return Truth(either(equal(run.world, other, item) for other in items.items))


def _append(run: "Execution", items: Value, item: Value) -> Value | None:
    return Items((*items.items, item)) if isinstance(items, Items) else _mismatch(run, items)


def _concat(run: "Execution", left: Value, right: Value) -> Value | None:
    if isinstance(left, Items) and isinstance(right, Items):
        return Items((*left.items, *right.items))
    return _mismatch(run, left if not isinstance(left, Items) else right)


def _sum(run: "Execution", items: Value) -> Value | None:
    if not isinstance(items, Items):
        return _mismatch(run, items)
    total: Value = Number("int", 0)
    for item in items.items:
        total = run.pairs(total, item, lambda mine, other: _added(run, mine, other))
    return total


def _added(run: "Execution", total: Value, item: Value) -> Value:
    if isinstance(item, Number | Opaque):
        return operations.arith(run, "+", total, item)
    run.fault("ARGUMENT_TYPE")
    return NEVER


def _ready(run: "Execution", items: Value, function: Value) -> Value | None:
    """None when a list and a function are at hand; else what comes of it."""
    if not isinstance(items, Items):
        found = _mismatch(run, items)
        return found if found is not None else NULL
    if isinstance(function, Opaque):
        return NULL
    if not isinstance(function, Closure):
        run.fault("ARGUMENT_TYPE")
        return NEVER
    return None


def _mapped(run: "Execution", items: Value, function: Value) -> list[Value] | Value | None:
    refused = _ready(run, items, function)
    if refused is not None:
        return None if refused is NULL else refused
    closure: Closure = function  # type: ignore[assignment]  # _ready said so
    return [run.call_function(closure, [item]) for item in items.items]  # type: ignore[attr-defined]  # as above


def _map(run: "Execution", items: Value, function: Value) -> Value | None:
    found = _mapped(run, items, function)
    return Items(tuple(found)) if isinstance(found, list) else found


def _holds(run: "Execution", value: Value) -> Condition:
    """Where a callback says exactly true."""
    return run.world.named(equal(run.world, value, Truth(True)))


def _says_true(run: "Execution", function: Value, item: Value) -> Condition:
    return _holds(run, run.call_function(function, [item]))  # type: ignore[arg-type]  # _ready said so


def _any(run: "Execution", items: Value, function: Value, stop: bool) -> Value | None:
    refused = _ready(run, items, function)
    if refused is not None:
        return None if refused is NULL else refused
    going: Condition = True
    for item in items.items:  # type: ignore[attr-defined]  # _ready said so
        found = run.under(going, partial(_says_true, run, function, item))
        going = run.world.named(both(going, negated(found) if stop else found))
    return Truth(negated(going) if stop else going)


def _count(run: "Execution", items: Value, function: Value) -> Value | None:
    found = _mapped(run, items, function)
    if not isinstance(found, list):
        return found
    total: Term = 0
    for value in found:
        total = total + chosen(_holds(run, value), 1, 0)
    return Number("int", total)


def _filter(run: "Execution", items: Value, function: Value) -> Value | None:
    if isinstance(items, Items) and len(items.items) > _FILTERED:
        return None
    found = _mapped(run, items, function)
    if not isinstance(found, list):
        return found
    ways: list[tuple[Condition, tuple[Value, ...]]] = [(True, ())]
    for value, item in zip(found, items.items, strict=True):  # type: ignore[attr-defined]  # _mapped said so
        kept = _holds(run, value)
        ways = [
            (run.world.named(both(guard, way)), (*taken, item) if way is kept else taken)
            for guard, taken in ways
            for way in (kept, negated(kept))
        ]
    return merge_all(run.world, [(guard, Items(taken)) for guard, taken in ways])


def _reduce(run: "Execution", items: Value, initial: Value, function: Value) -> Value | None:
    refused = _ready(run, items, function)
    if refused is not None:
        return None if refused is NULL else refused
    value = initial
    for item in items.items:  # type: ignore[attr-defined]  # _ready said so
        value = run.call_function(function, [value, item])  # type: ignore[arg-type]  # as above
    return value


def _end(run: "Execution", items: Value, index: int) -> Value | None:
    if not isinstance(items, Items):
        return _mismatch(run, items)
    return Wrapped("Some", items.items[index]) if items.items else NULL


def _extreme(run: "Execution", items: Value, operator: str) -> Value | None:
    if not isinstance(items, Items):
        return _mismatch(run, items)
    if not items.items:
        run.fault("EMPTY_LIST")
        return NEVER
    best: Value = items.items[0]
    for item in items.items:
        if not isinstance(item, Number) or not isinstance(best, Number) or item.kind != best.kind:
            return None
        best = Number(item.kind, chosen(compare(operator, item.term, best.term), item.term, best.term))
    return best


# --- Maybe, Option, Result -------------------------------------------------------------------------------------------


def _or_else(run: "Execution", value: Value, default: Value) -> Value | None:
    if isinstance(value, Several):
        found = [(guard, _or_else(run, each, default)) for guard, each in value.alternatives]
        return merge_all(run.world, [(guard, each) for guard, each in found if each is not None])
    if isinstance(value, Null):
        return default
    if isinstance(value, Opaque) and not value.kind:
        empty = run.world.variable("Bool", ("null", value.key))
        return merge(run.world, empty, default, Opaque(("unwrapped", value.key)))
    return value.value if isinstance(value, Wrapped) and value.kind == "Some" else value


def _is_some(run: "Execution", value: Value) -> Value | None:
    if isinstance(value, Opaque) and not value.kind:
        return Truth(z3.Not(run.world.variable("Bool", ("null", value.key))))
    return Truth(not isinstance(value, Null))


def _is_none(run: "Execution", value: Value) -> Value | None:
    found = _is_some(run, value)
    return Truth(negated(found.term)) if isinstance(found, Truth) else found


def _unwrap(run: "Execution", value: Value) -> Value | None:
    if isinstance(value, Null):
        run.fault("WRONG_VARIANT")
        return NEVER
    if isinstance(value, Opaque) and not value.kind:
        return None
    return value.value if isinstance(value, Wrapped) and value.kind == "Some" else value


def _is_result(run: "Execution", value: Value, wanted: str) -> Value | None:
    if isinstance(value, Wrapped) and value.kind in {"Ok", "Err"}:
        return Truth(value.kind == wanted)
    return _mismatch(run, value)


def _unwrap_result(run: "Execution", value: Value, wanted: str) -> Value | None:
    if isinstance(value, Wrapped) and value.kind in {"Ok", "Err"}:
        if value.kind == wanted:
            return value.value
        run.fault("WRONG_VARIANT")
        return NEVER
    return _mismatch(run, value)


def _result_or(run: "Execution", value: Value, default: Value) -> Value | None:
    if isinstance(value, Wrapped) and value.kind in {"Ok", "Err"}:
        return value.value if value.kind == "Ok" else default
    return _mismatch(run, value)


# --- numbers and dates -----------------------------------------------------------------------------------------------


def _abs(run: "Execution", value: Value) -> Value | None:
    if not isinstance(value, Number):
        return _mismatch(run, value)
    if value.kind == "decimal":
        return None
    return Number(value.kind, absolute(value.term))


def _better(run: "Execution", left: Value, right: Value, operator: str) -> Value | None:
    for value in (left, right):
        if not isinstance(value, Number):
            return _mismatch(run, value)
    if left.kind != right.kind:  # type: ignore[attr-defined]  # both are numbers
        return None
    mine, other = left.term, right.term  # type: ignore[attr-defined]  # as above
    return Number(left.kind, chosen(compare(operator, other, mine), other, mine))  # type: ignore[attr-defined]  # as above


def _to_whole(run: "Execution", value: Value, way: str) -> Value | None:
    if not isinstance(value, Number):
        return _mismatch(run, value)
    if value.kind == "int":
        return value
    term = number(real(value.term))
    if way == "floor":
        return whole(run, z3.ToInt(term))
    return whole(run, -z3.ToInt(-term) if way == "ceil" else rounded_to(value.term, 0, "HALF_UP"))


def _scale_and_mode(scale: Value, mode: Value) -> tuple[int, str] | None:
    if not isinstance(scale, Number) or not isinstance(mode, Text) or is_term(scale.term) or is_term(mode.term):
        return None
    known = scale.kind == "int" and 0 <= scale.term <= 18 and mode.term in {"HALF_UP", "HALF_EVEN", "DOWN"}
    return (scale.term, mode.term) if known else None


def _exact_number(value: Value) -> bool:
    return isinstance(value, Number) and value.kind in {"int", "decimal"}


def _units(run: "Execution", units: Any, scale: int) -> Value:
    """A Decimal of so many units of its last place."""
    limit = number(10**80)
    run.fault("DECIMAL_OVERFLOW", z3.Or(units >= limit, units <= -limit))
    return Number("decimal", z3.ToReal(units) * number(Fraction(1, 10**scale)))


def _decimal_round(run: "Execution", value: Value, scale: Value, mode: Value) -> Value | None:
    known = _scale_and_mode(scale, mode)
    if known is None or not _exact_number(value):
        return None
    return _units(run, rounded_to(value.term, *known), known[0])  # type: ignore[attr-defined]  # an exact number


def _decimal_divide(run: "Execution", left: Value, right: Value, scale: Value, mode: Value) -> Value | None:
    known = _scale_and_mode(scale, mode)
    if known is None or not _exact_number(left) or not _exact_number(right):
        return None
    divisor = right.term  # type: ignore[attr-defined]  # an exact number
    run.fault("DIVISION_BY_ZERO", compare("==", divisor, 0))
    if not is_term(divisor) and divisor == 0:
        return NEVER
    dividend = number(real(left.term))  # type: ignore[attr-defined]  # an exact number
    return None if is_term(divisor) else _units(run, rounded_to(dividend / number(real(divisor)), *known), known[0])


_WHOLE: dict[str, frozenset[int]] = {
    "List.append": frozenset({1}),
    "List.contains": frozenset({1}),
    "List.reduce": frozenset({1}),
    "Maybe.withDefault": frozenset({0, 1}),
    "Maybe.unwrapOr": frozenset({0, 1}),
    "Option.withDefault": frozenset({0, 1}),
    "Option.unwrapOr": frozenset({0, 1}),
}
"""Arguments taken as they are, of several kinds at once."""

_OPTION: dict[str, Modelled] = {
    "withDefault": _or_else,
    "unwrapOr": _or_else,
    "isSome": _is_some,
    "isNone": _is_none,
    "unwrap": _unwrap,
}
_MODELS: dict[str, Modelled] = {
    "Text.startsWith": _text_test(str.startswith, lambda text, part: z3.PrefixOf(part, text)),
    "Text.endsWith": _text_test(str.endswith, lambda text, part: z3.SuffixOf(part, text)),
    "Text.contains": _text_test(lambda text, part: part in text, lambda text, part: z3.Contains(text, part)),
    "Text.length": _text_length,
    "Text.concat": _text_concat,
    "Text.equals": _text_equals,
    "List.empty": lambda run: Items(()),
    "List.length": _list_length,
    "List.isEmpty": _is_empty,
    "List.get": _get,
    "List.contains": _contains,
    "List.append": _append,
    "List.concat": _concat,
    "List.sum": _sum,
    "List.map": _map,
    "List.any": lambda run, items, function: _any(run, items, function, True),
    "List.all": lambda run, items, function: _any(run, items, function, False),
    "List.count": _count,
    "List.filter": _filter,
    "List.reduce": _reduce,
    "List.head": lambda run, items: _end(run, items, 0),
    "List.last": lambda run, items: _end(run, items, -1),
    "List.min": lambda run, items: _extreme(run, items, "<"),
    "List.max": lambda run, items: _extreme(run, items, ">"),
    "Result.isOk": lambda run, value: _is_result(run, value, "Ok"),
    "Result.isErr": lambda run, value: _is_result(run, value, "Err"),
    "Result.unwrap": lambda run, value: _unwrap_result(run, value, "Ok"),
    "Result.unwrapErr": lambda run, value: _unwrap_result(run, value, "Err"),
    "Result.unwrapOr": _result_or,
    "Math.abs": _abs,
    "Math.min": lambda run, left, right: _better(run, left, right, "<"),
    "Math.max": lambda run, left, right: _better(run, left, right, ">"),
    "Math.floor": lambda run, value: _to_whole(run, value, "floor"),
    "Math.ceil": lambda run, value: _to_whole(run, value, "ceil"),
    "Math.round": lambda run, value: _to_whole(run, value, "round"),
    "Decimal.round": _decimal_round,
    "Decimal.divide": _decimal_divide,
    **DATES,
    **{f"{space}.{name}": model for space in ("Maybe", "Option") for name, model in _OPTION.items()},
}
LOOKS_INTO_TEXTS = frozenset({"Text.startsWith", "Text.endsWith", "Text.contains", "Text.length"})
