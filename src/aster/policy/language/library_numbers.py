"""`Decimal.*`, `Math.*`, `Int.*` and `Bool.*` (specification §12)."""

from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from aster.policy.language.encoding import text_of
from aster.policy.language.faults import Fault
from aster.policy.language.library_arguments import (
    Library,
    need,
    need_int,
    need_number,
    need_text,
)
from aster.policy.language.operations import DECIMAL_CONTEXT, finite, multiply, whole
from aster.policy.language.values import Run

MAX_SCALE = 18
_MODES = {"HALF_UP": ROUND_HALF_UP, "HALF_EVEN": ROUND_HALF_EVEN, "DOWN": ROUND_DOWN}


def _exact(value: Any, function: str) -> Decimal:
    if type(value) is Decimal:
        return value
    return Decimal(need(value, int, "a Decimal", function))


def _rounding(scale: Any, mode: Any, function: str) -> tuple[Decimal, str]:
    digits = need_int(scale, function)
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
    written = need_text(text, "Decimal.fromText")
    digits = written.lstrip("+-").replace(".", "", 1)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 38 or written.strip() != written:
        raise Fault("NUMBER_INVALID", text=written[:40])
    try:
        return Decimal(written)
    except InvalidOperation:
        raise Fault("NUMBER_INVALID", text=written[:40]) from None


def _round_to(value: Any, function: str, rounding: str) -> int:
    found = need_number(value, function)
    if type(found) is int:
        return found
    return whole(int(Decimal(found).to_integral_value(rounding)))


def _absolute(_: Run, value: Any) -> Any:
    found = abs(need_number(value, "Math.abs"))
    return whole(found) if type(found) is int else found


def _power(_: Run, base: Any, exponent: Any) -> Any:
    times = need_int(exponent, "Math.pow")
    number = need_number(base, "Math.pow")
    if type(number) is float or times < 0:
        if number == 0 and times < 0:
            raise Fault("DIVISION_BY_ZERO")
        try:
            return finite(float(number) ** times)
        except OverflowError:
            raise Fault("FLOAT_OVERFLOW") from None
    result: Any = 1
    while times:
        if times & 1:
            result = multiply(result, number)
        times >>= 1
        if times:
            number = multiply(number, number)
    return result


def _parse_int(_: Run, text: Any) -> int:
    written = need_text(text, "Int.parse")
    digits = written.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        raise Fault("NUMBER_INVALID", text=written[:40])
    return whole(int(written))


def _better(left: Any, right: Any, name: str, pick: Callable[..., Any]) -> Any:
    return pick(need_number(left, name), need_number(right, name))


NUMBERS: Library = {
    "Decimal.round": _decimal_round,
    "Decimal.divide": _decimal_divide,
    "Decimal.fromText": _decimal_from,
    "Math.abs": _absolute,
    "Math.floor": lambda _, value: _round_to(value, "Math.floor", "ROUND_FLOOR"),
    "Math.ceil": lambda _, value: _round_to(value, "Math.ceil", "ROUND_CEILING"),
    "Math.round": lambda _, value: _round_to(value, "Math.round", ROUND_HALF_UP),
    "Math.min": lambda _, left, right: _better(left, right, "Math.min", min),
    "Math.max": lambda _, left, right: _better(left, right, "Math.max", max),
    "Math.pow": _power,
    "Int.toString": lambda _, value: text_of(need_number(value, "Int.toString")),
    "Int.parse": _parse_int,
    "Bool.toString": lambda _, value: text_of(need(value, bool, "a Bool", "Bool.toString")),
}
