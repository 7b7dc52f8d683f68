"""What can go wrong while deciding: the catalogue of faults, and the fault itself."""

from collections.abc import Mapping
from typing import Any

FAULTS: Mapping[str, str] = {
    "UNDEFINED_VARIABLE": "'{name}' is not defined",
    "UNDEFINED_FUNCTION": "'{name}' is not a function",
    "NOT_EXECUTABLE": "{name} is checked but never executed",
    "TYPE_MISMATCH": "operator '{operator}' expects {expected}, got {actual}",
    "ARGUMENT_TYPE": "{function} expects {expected}, got {actual}",
    "ARITY": "{name} takes {expected} arguments, got {actual}",
    "DIVISION_BY_ZERO": "division by zero",
    "INTEGER_OVERFLOW": "the whole number does not fit 64 bits",
    "FLOAT_OVERFLOW": "the number is not finite",
    "DECIMAL_OVERFLOW": "the Decimal has more than 80 digits",
    "NULL_ACCESS": "'{name}' is read from null",
    "NOT_A_RECORD": "'{name}' is read from {actual}",
    "INDEX_OUT_OF_RANGE": "index {index} is outside of 0..{last}",
    "RANGE_INVALID": "{function}: start {start} and end {end} are outside of the value",
    "EMPTY_LIST": "{function} needs a list that is not empty",
    "WRONG_VARIANT": "{function} needs {expected}, got {actual}",
    "DATE_INVALID": "Date.InvalidISODate: {text} is not a date of the form YYYY-MM-DD",
    "DATE_MISMATCH": "{text} is not a date of the form {pattern}",
    "DATE_PATTERN": "{pattern} is not a date pattern: {reason}",
    "DATE_OUT_OF_RANGE": "Date.OutOfRange: {days}",
    "DECIMAL_MODE": "{mode} is not a rounding mode; use HALF_UP, HALF_EVEN or DOWN",
    "DECIMAL_SCALE": "a scale is 0 to 18, got {scale}",
    "NUMBER_INVALID": "{text} is not a number",
    "PATTERN_INVALID": "{pattern} is not a pattern: {reason}",
    "NULL_KEY": "a key must not be null",
    "COMPARE_DEPTH": "values nested deeper than 100 levels cannot be compared",
    "SIZE_LIMIT": "the {what} is larger than {limit}",
    "STEP_LIMIT": "more than {limit} steps",
    "DEPTH_LIMIT": "calls are nested deeper than {limit}",
    "TIME_LIMIT": "the time for this decision is over",
    "NOT_SERIALISABLE": "a function is not a value to hand out",
}
BUDGET_CODES = frozenset({"STEP_LIMIT", "DEPTH_LIMIT", "TIME_LIMIT", "SIZE_LIMIT"})


class Fault(Exception):
    """An operation failed; where is found out by whoever catches it. ``at`` is an offset once that is known."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.values = values
        self.at: int | None = None
        self.rule: int | None = None


def fail(code: str, **values: Any) -> Any:
    """Raise a fault from within an expression."""
    raise Fault(code, **values)
