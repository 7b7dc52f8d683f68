"""Policies in plain language: `compile_source(text)` gives a `Program`, `program.evaluate(...)` a decision.

Nothing is imported until it is used, so that importing this package costs next to nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aster.policy.language import (
        Diagnostic,
        Outcome,
        PolicyEvaluationError,
        PolicySyntaxError,
        Program,
        UnsupportedLocale,
        compile_source,
    )

__all__ = [
    "Diagnostic",
    "Outcome",
    "PolicyEvaluationError",
    "PolicySyntaxError",
    "Program",
    "UnsupportedLocale",
    "compile_source",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from aster.policy import language

    return getattr(language, name)
