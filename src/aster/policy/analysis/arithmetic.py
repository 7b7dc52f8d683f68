"""Arithmetic on symbolic numbers, exact for whole numbers.

Float and Decimal results are free reals close to the exact result: within the rounding of binary64 (IEEE 754) and of 80
digits. Under the literal `World.exact` they are the exact result.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Protocol

from aster.policy.analysis.logic import (
    Condition,
    Term,
    World,
    both,
    compare,
    either,
    implies,
    is_term,
    number,
    real,
    z3,
)
from aster.policy.analysis.values import NEVER, Number, Value
from aster.policy.language.operations import DECIMAL_DIGITS
from aster.policy.language.values import FLOAT_MAX, INT_MAX, INT_MIN

EXACT_INTEGERS = 2**53
FLOAT_ROUNDING = Fraction(1, 2**51)
FLOAT_LEAST = Fraction(1, 10**300)
DECIMAL_ROUNDING = Fraction(1, 10**78)
INT_DIGITS = 19
UNKNOWN_SIZE = (DECIMAL_DIGITS, DECIMAL_DIGITS)
MAX_NEIGHBOURS = 12
DECIMAL_SAFE = 10**200
"""No Decimal below overflows; what reaches it may or may not."""


class Failing(Protocol):
    """Where the faults of operations go."""

    world: World

    def fault(self, code: str, condition: Condition = True) -> None:
        """Note that a fault happens where the condition holds; the execution goes on where it does not."""


Exact = Callable[[Term, Term], Term]
_EXACT: dict[str, Exact] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
}


def calculate(run: Failing, operator: str, left: Number, right: Number) -> Value:
    """The result of an arithmetic operator on two numbers of any kinds."""
    kinds = {left.kind, right.kind}
    if "decimal" in kinds:
        return _decimal(run, operator, left, right)
    if operator in {"/", "//", "%"}:
        run.fault("DIVISION_BY_ZERO", compare("==", right.term, 0))
        if not is_term(right.term) and right.term == 0:
            return NEVER
    if kinds == {"int"} and operator != "/":
        return whole(run, _int_term(operator, left.term, right.term))
    return _float(run, operator, left.term, right.term)


def whole(run: Failing, term: Term) -> Value:
    """A whole number, if it fits 64 bits."""
    run.fault("INTEGER_OVERFLOW", either((compare("<", term, INT_MIN), compare(">", term, INT_MAX))))
    return Number("int", term)


def _int_term(operator: str, left: Term, right: Term) -> Term:
    if operator in _EXACT:
        return _EXACT[operator](left, right)
    size, divisor = absolute(left), absolute(right)
    if operator == "//":
        result = divided(size, divisor)
        same_sign = _equal(compare("<", left, 0), compare("<", right, 0))
        return _signed(same_sign, result)
    return _signed(compare(">=", left, 0), size % divisor)


def _equal(left: Condition, right: Condition) -> Condition:
    if isinstance(left, bool) and isinstance(right, bool):
        return left == right
    return _bool(left) == _bool(right)


def _bool(condition: Condition) -> Any:
    return z3.BoolVal(condition) if isinstance(condition, bool) else condition


def _signed(positive: Condition, size: Term) -> Term:
    if isinstance(positive, bool):
        return size if positive else -size
    return z3.If(positive, number(size), -number(size))


def absolute(term: Term) -> Term:
    return _signed(compare(">=", term, 0), term)


def divided(size: Term, divisor: Term) -> Term:
    """The quotient of two whole numbers, neither below zero."""
    if is_term(size) or is_term(divisor):
        return number(size) / number(divisor)
    return size // divisor


# --- Float -----------------------------------------------------------------------------------------------------------


def to_float(world: World, term: Term) -> Term:
    """A whole number as a Float."""
    if not is_term(term):
        return Fraction(float(term)) if isinstance(term, int) else term
    if not term.is_int():
        return term
    return rounded(world, "float", ("float", world.key(term)), z3.ToReal(term), _is_small(term))


def _is_small(term: Any) -> Condition:
    return both(term <= EXACT_INTEGERS, term >= -EXACT_INTEGERS)


def rounded(world: World, kind: str, key: Any, exact: Any, certain: Condition = False) -> Any:
    """A free real close to an exact result, and equal to it where ``certain`` holds.

    Rounding keeps the order: of a result and the numbers written in the program, which need none, and of two results.
    """
    if world.is_known("Real", key):
        return world.variable("Real", key)
    result = world.variable("Real", key)
    relative, least = (FLOAT_ROUNDING, FLOAT_LEAST) if kind == "float" else (DECIMAL_ROUNDING, Fraction(0))
    size = z3.If(exact >= 0, exact, -exact)
    margin = size * number(relative) + number(least)
    world.define(implies(either((world.exact, certain)), result == exact))
    world.define(both(result - exact <= margin, exact - result <= margin))
    for landmark in world.landmarks:
        place = number(landmark)
        world.define(both(implies(exact >= place, result >= place), implies(exact <= place, result <= place)))
    known = world.roundings.setdefault(kind, [])
    for other, other_exact in known[-MAX_NEIGHBOURS:]:
        world.define(
            both(implies(exact >= other_exact, result >= other), implies(exact <= other_exact, result <= other))
        )
    known.append((result, exact))
    return result


def _float(run: Failing, operator: str, left: Term, right: Term) -> Value:
    if not is_term(left) and not is_term(right):
        return _known_float(run, operator, left, right)
    world = run.world
    key = ("float", operator, world.key(left), world.key(right))
    mine, other = number(to_float(world, left)), number(to_float(world, right))
    if operator == "%":
        return Number("float", world.variable("Real", key))
    exact = _EXACT["/" if operator == "//" else operator](mine, other)
    small: Condition = False
    if operator in {"+", "-", "*"} and _is_whole(left) and _is_whole(right):
        small = both(exact <= EXACT_INTEGERS, exact >= -EXACT_INTEGERS)
    result = rounded(world, "float", key, exact, small)
    overflow = world.variable("Bool", (*key, "overflow"))
    world.define(implies(_within(exact, FLOAT_MAX * 0.999), negated_term(overflow)))
    world.define(implies(negated_term(_within(exact, Fraction(FLOAT_MAX) * 2)), overflow))
    run.fault("FLOAT_OVERFLOW", overflow)
    if operator == "//":
        result = z3.ToReal(z3.If(result >= 0, z3.ToInt(result), -z3.ToInt(-result)))
    return Number("float", result)


def negated_term(condition: Any) -> Any:
    return z3.Not(condition)


def _is_whole(term: Term) -> bool:
    return term.is_int() if is_term(term) else isinstance(term, int) or term.denominator == 1


def _within(term: Any, bound: float | Fraction) -> Any:
    limit = number(Fraction(bound))
    return z3.And(term <= limit, term >= -limit)


def _known_float(run: Failing, operator: str, left: Term, right: Term) -> Value:
    mine, other = float(left), float(right)
    try:
        if operator == "/":
            found = left / right if isinstance(left, int) and isinstance(right, int) else mine / other
        elif operator == "//":
            found = float(math.trunc(mine / other))
        else:
            found = math.fmod(mine, other) if operator == "%" else _EXACT[operator](mine, other)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        run.fault("FLOAT_OVERFLOW")
        return NEVER
    return Number("float", Fraction(found))


# --- Decimal ---------------------------------------------------------------------------------------------------------


def _decimal(run: Failing, operator: str, left: Number, right: Number) -> Value:
    for operand in (left, right):
        if operand.kind == "float":
            run.fault("TYPE_MISMATCH", z3.Not(z3.IsInt(number(operand.term))))
    if operator in {"/", "//", "%"}:
        run.fault("TYPE_MISMATCH")
        return NEVER
    mine, other = real(left.term), real(right.term)
    exact = _EXACT[operator](mine, other) if not is_term(mine) and not is_term(other) else None
    if exact is not None and _has_few_digits(exact):
        return Number("decimal", exact)
    world = run.world
    key = ("decimal", operator, world.key(left.term), world.key(right.term))
    term = _EXACT[operator](number(mine), number(other))
    size = _size_of_result(operator, _size(world, left.term), _size(world, right.term))
    if sum(size) <= DECIMAL_DIGITS:
        world.key(term)
        world.sizes[term.get_id()] = size
        return Number("decimal", term)
    overflow = world.variable("Bool", (*key, "overflow"))
    world.define(implies(_within(term, Fraction(DECIMAL_SAFE)), z3.Not(overflow)))
    run.fault("DECIMAL_OVERFLOW", overflow)
    return Number("decimal", rounded(world, "decimal", key, term))


def _size(world: World, term: Term) -> tuple[int, int]:
    """The most digits a number can have before and after the point."""
    if is_term(term):
        return (INT_DIGITS, 0) if term.is_int() else world.sizes.get(term.get_id(), UNKNOWN_SIZE)
    value = Fraction(term)
    scale = 0
    while value.denominator != 1 and scale <= DECIMAL_DIGITS:
        value *= 10
        scale += 1
    return len(str(abs(Fraction(term).__trunc__()))), scale


def _size_of_result(operator: str, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    if operator == "*":
        return left[0] + right[0], left[1] + right[1]
    return max(left[0], right[0]) + 1, max(left[1], right[1])


def _has_few_digits(value: Fraction) -> bool:
    """Whether a decimal fraction certainly fits 80 digits."""
    return len(str(abs(value.numerator))) <= 70 and len(str(value.denominator)) <= 70


def rounded_to(term: Term, scale: int, mode: str) -> Any:
    """A number rounded to decimal places, as the whole number of units of the last place (specification §12)."""
    scaled = number(real(term)) * number(Fraction(10**scale))
    size = z3.If(scaled >= 0, scaled, -scaled)
    floor = z3.ToInt(size)
    rest = size - z3.ToReal(floor)
    half = number(Fraction(1, 2))
    up: dict[str, Any] = {
        "DOWN": z3.BoolVal(False),
        "HALF_UP": rest >= half,
        "HALF_EVEN": z3.Or(rest > half, z3.And(rest == half, floor % 2 == 1)),
    }
    units = z3.If(up[mode], floor + 1, floor)
    return z3.If(scaled >= 0, units, -units)
