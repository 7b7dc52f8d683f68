"""What a program really answers: no witness is told before it has been replayed."""

from typing import Any

import msgspec

from aster.policy.language.errors import PolicyEvaluationError
from aster.policy.language.program import Program


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of one evaluation: a value in JSON form, or the code and message of an error with its place."""

    value: Any = None
    error: str | None = None
    message: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"error {self.error}: {self.message}"
        return msgspec.json.encode(self.value, enc_hook=str).decode()


def replay(program: Program, rule: str, context: dict[str, Any], seconds: float = 2.0) -> Answer:
    """Evaluate a rule as its users do."""
    try:
        return Answer(program.evaluate(rule, context=context, max_seconds=seconds).value)
    except PolicyEvaluationError as error:
        return Answer(error=error.code, message=error.message, line=error.line)


def differ(left: Answer, right: Answer) -> bool:
    """Whether two outcomes are different decisions: other values, other errors, or one of each."""
    if left.error is not None or right.error is not None:
        return left.error != right.error
    return not alike(left.value, right.value)


def alike(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same, true and 1 told apart."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(alike(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(alike, left, right))
    return bool(left == right)
