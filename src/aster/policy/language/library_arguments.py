"""What every library function asks of its arguments, and how it pays for reading and making values."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aster.policy.language.encoding import kind_of
from aster.policy.language.faults import Fault
from aster.policy.language.metering import TEXT_STEP, charge
from aster.policy.language.operations import MAX_TEXT
from aster.policy.language.terms import Term
from aster.policy.language.values import Closure, Run

GLANCE = 256
"""Characters of a text that may be read for nothing."""

Library = dict[str, Callable[..., Any]]


def need(value: Any, kind: type, expected: str, function: str) -> Any:
    if type(value) is not kind:
        raise Fault("ARGUMENT_TYPE", function=function, expected=Term(expected), actual=kind_of(value))
    return value


def need_text(value: Any, function: str) -> str:
    return str(need(value, str, "a Text", function))


def need_int(value: Any, function: str) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    return int(need(value, int, "an Int", function))


def need_list(run: Run, value: Any, function: str) -> list[Any]:
    found: list[Any] = need(value, list, "a List", function)
    charge(run, 1 + len(found))
    return found


def need_number(value: Any, function: str) -> Any:
    if type(value) not in {int, float, Decimal}:
        raise Fault("ARGUMENT_TYPE", function=function, expected=Term("a number"), actual=kind_of(value))
    return value


def need_callback(run: Run, value: Any, arity: int, calls: int, function: str) -> Callable[..., Any]:
    """The callable of a function value, its calls paid in advance."""
    if type(value) is not Closure:
        raise Fault("ARGUMENT_TYPE", function=function, expected=Term("a function"), actual=kind_of(value))
    if value.arity != arity:
        raise Fault("ARITY", name=f"the function given to {function}", expected=value.arity, actual=arity)
    charge(run, value.cost * calls)
    return value.call


def read_text(run: Run, value: Any, function: str) -> str:
    """A text that is looked through: what is longer than a glance is paid, which looks at the clock as well."""
    text = need_text(value, function)
    if len(text) > GLANCE:
        charge(run, len(text) // TEXT_STEP)
    return text


def made_text(run: Run, text: str) -> str:
    if len(text) > MAX_TEXT:
        raise Fault("SIZE_LIMIT", what=Term("text"), limit=MAX_TEXT)
    charge(run, 1 + len(text) // TEXT_STEP)
    return text
