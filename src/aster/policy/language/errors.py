"""What compiling and evaluating a policy can raise."""

from typing import Any

from aster.foundation.errors import AsterError
from aster.policy.language.diagnostics import Diagnostic


class PolicySyntaxError(AsterError):
    """The source is not a program. ``diagnostics`` has every error with the user's own positions."""

    code = "POLICY_SYNTAX"

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        first = next((found for found in diagnostics if found.severity == "error"), diagnostics[0])
        super().__init__(f"line {first.start_line}, column {first.start_column}: {first.message} [{first.code}]")
        self.diagnostics = diagnostics


class UnsupportedLocale(AsterError):
    """No lexicon is shipped for the locale that was asked for."""

    code = "UNSUPPORTED_LOCALE"


class VocabularyInvalid(AsterError):
    """A domain vocabulary is malformed or gives a word two meanings."""

    code = "VOCABULARY_INVALID"


class AliasesInvalid(AsterError):
    """A set of aliases is malformed, renames what it may not, or takes the place of other words."""

    code = "ALIASES_INVALID"


class ManifestInvalid(AsterError):
    """A capability manifest is malformed."""

    code = "MANIFEST_INVALID"


class CoreIRTooDeep(AsterError):
    """A chain of operators or branches is too long to be written as nested JSON."""

    code = "CORE_IR_TOO_DEEP"


class CoreIRInvalid(AsterError):
    """A document is not Core IR, or beyond the limits that sources are held to."""

    code = "CORE_IR_INVALID"


class CasesInvalid(AsterError):
    """A file of cases is malformed."""

    code = "CASES_INVALID"


class PolicyEvaluationError(AsterError):
    """A decision could not be made. ``rule``, ``line`` and ``column`` (1-based) tell where, when it is known."""

    code = "EVALUATION_FAILED"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        rule: str | None = None,
        line: int | None = None,
        column: int | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        if code is not None:
            self.code = code  # type: ignore[misc]  # one class covers a family of codes; the instance tells which
        self.rule = rule
        self.line = line
        self.column = column


class RuleNotFound(PolicyEvaluationError):
    """The named rule is not in the program."""

    code = "RULE_NOT_FOUND"


class EntryAmbiguous(PolicyEvaluationError):
    """No rule was named and several could be meant; ``candidates`` lists them."""

    code = "ENTRY_AMBIGUOUS"

    def __init__(self, message: str, candidates: tuple[str, ...]) -> None:
        super().__init__(message, candidates=list(candidates))
        self.candidates = candidates


class InputInvalid(PolicyEvaluationError):
    """Arguments do not fit the rule's parameters; ``violations`` lists every one, as `path: reason`."""

    code = "INPUT_INVALID"

    def __init__(self, violations: tuple[str, ...], rule: str) -> None:
        super().__init__("; ".join(violations), rule=rule, violations=list(violations))
        self.violations = violations


class BudgetExceeded(PolicyEvaluationError):
    """A step, depth, size or time limit ended the evaluation."""

    code = "STEP_LIMIT"


class RuntimeFault(PolicyEvaluationError):
    """An operation met a value it has no answer for, such as a zero divisor."""
