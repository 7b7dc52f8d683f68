"""The policy language, one file a stage.

A source goes through: `lexicon` (the words of a locale) → `tokens` → `parser` (to the `tree`) → `checker` (names and
types; to the `core`) → `compiler` (Python functions) or `interpreter` (the reference) → `program` (what callers hold).
"""

from aster.policy.language.diagnostics import Diagnostic
from aster.policy.language.errors import PolicyEvaluationError, PolicySyntaxError, UnsupportedLocale
from aster.policy.language.program import Outcome, Program, compile_source
from aster.policy.language.vocabulary import Vocabulary, read_vocabulary

__all__ = [
    "Diagnostic",
    "Outcome",
    "PolicyEvaluationError",
    "PolicySyntaxError",
    "Program",
    "UnsupportedLocale",
    "Vocabulary",
    "compile_source",
    "read_vocabulary",
]
