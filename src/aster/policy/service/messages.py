"""Bodies and answers of the evaluation routes, in the documented spelling (camelCase)."""

from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from aster.foundation.http.errors import ValidationFailed
from aster.policy.language import Diagnostic
from aster.policy.language.aliases import STRUCTURE_KINDS
from aster.policy.service.caller import Role
from aster.policy.service.envelope import problem
from aster.policy.service.errors import RoleInsufficient
from aster.policy.words import NO_WORDS, words_text

SOURCE_CHARACTERS = 65_536
DOCUMENT_CHARACTERS = 262_144
SCHEMA_SOURCE_CHARACTERS = 16_384
NAME_CHARACTERS = 256
WORDS_CHARACTERS = 262_144
BATCH_INPUTS = 1_000

BATCH_REQUESTS = 100

Source = Annotated[str, Meta(max_length=SOURCE_CHARACTERS, description="Policy text")]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS)]
Locale = Annotated[str, Meta(max_length=16, description="en-US, zh-CN or de-DE; the tenant's own when left out")]
MaxSteps = Annotated[int, Meta(ge=1, le=2**53, description="Only ever narrows the tenant's and the operator's limit")]
TimeoutMs = Annotated[int, Meta(ge=1, le=2**53, description="Only ever narrows the operator's limit")]
VocabularyField = Annotated[
    str | dict[str, Any] | None, Meta(description="A shipped vocabulary's name (finance.loan), or a whole one")
]
AliasField = Annotated[
    dict[str, list[str]] | None, Meta(description="Own words by keyword kind; what shapes a program is for ADMIN")
]
VersionNumber = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class EvaluateSourceRequest(msgspec.Struct, frozen=True, rename="camel"):
    """``context`` maps parameter names to values; a list gives them by position."""

    source: Source
    function_name: Name | None = None
    context: Any = {}
    locale: Locale | None = None
    vocabulary: VocabularyField = None
    alias_set: AliasField = None
    max_steps: MaxSteps | None = None
    timeout_ms: TimeoutMs | None = None


class EvaluateJsonRequest(msgspec.Struct, frozen=True, rename="camel"):
    """``policy`` is a Core IR document, as an object or as its text; ``context`` as for a source."""

    policy: Annotated[str, Meta(max_length=DOCUMENT_CHARACTERS)] | dict[str, Any]
    function_name: Name | None = None
    context: Any = {}
    max_steps: MaxSteps | None = None
    timeout_ms: TimeoutMs | None = None


class EvaluateSourceBatchRequest(msgspec.Struct, frozen=True, rename="camel"):
    """One source, compiled once; each input is a context of its own."""

    source: Source
    inputs: Annotated[list[Any], Meta(max_length=BATCH_INPUTS)]
    function_name: Name | None = None
    locale: Locale | None = None
    vocabulary: VocabularyField = None
    alias_set: AliasField = None
    max_steps: MaxSteps | None = None
    timeout_ms: TimeoutMs | None = None


class EvaluateRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A rule of a stored policy; ``context`` is its arguments by position (a list) or by name (an object)."""

    policy_module: Name
    policy_function: Name | None = None
    context: Any = {}
    version: VersionNumber | None = None
    max_steps: MaxSteps | None = None
    timeout_ms: TimeoutMs | None = None


class EvaluateBatchRequest(msgspec.Struct, frozen=True, rename="camel"):
    requests: Annotated[list[EvaluateRequest], Meta(min_length=1, max_length=BATCH_REQUESTS)]


class SourceDiagnostic(msgspec.Struct, frozen=True, rename="camel"):
    """What is wrong where; lines and columns from 1, the end exclusive. ``module``: a used one, if not this."""

    severity: str
    code: str
    message: str
    start_line: int
    start_column: int
    end_line: int
    end_column: int
    help: str | None = None
    module: str | None = None


class Evaluation(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The answer to one evaluation. ``error`` is set when the policy could not give a result; HTTP stays 200."""

    result: Any
    execution_time_ms: int
    error: str | None
    decision_trace: Any = None
    error_code: str | None = None
    diagnostics: list[SourceDiagnostic] = []
    executed_function: str | None = None
    execution_time_micros: int = 0
    warnings: list[str] = []


class EvaluationBatch(msgspec.Struct, frozen=True, rename="camel"):
    """One answer an input, in the order of the inputs; ``responses`` and ``results`` are the same."""

    responses: list[Evaluation]
    results: list[Evaluation]
    total_execution_time_ms: int
    success_count: int
    failure_count: int
    warnings: list[str] = []


class Written(Protocol):
    """A body with a source in words of its own."""

    @property
    def vocabulary(self) -> str | dict[str, Any] | None: ...
    @property
    def alias_set(self) -> dict[str, list[str]] | None: ...


def words_of(body: Written, role: Role) -> str:
    """The words of a body; raises `RoleInsufficient` for aliases that are not for this role, `ValidationFailed`."""
    if body.vocabulary is None and body.alias_set is None:
        return NO_WORDS
    if role < Role.ADMIN and (shaping := sorted(STRUCTURE_KINDS & (body.alias_set or {}).keys())):
        raise RoleInsufficient(
            f"only an ADMIN may have aliases for {', '.join(shaping)}: they shape a program",
            problems=problem("aliasSet", f"requires {Role.ADMIN}"),
        )
    text = words_text(body.vocabulary, body.alias_set)
    if len(text) > WORDS_CHARACTERS:
        raise ValidationFailed(
            f"vocabulary and aliasSet together have at most {WORDS_CHARACTERS} characters",
            problems=problem("vocabulary", "is too long"),
        )
    return text


def document_text(policy: str | dict[str, Any]) -> str:
    """The text of a Core IR document; an object's is that of its JSON without spaces."""
    return policy if isinstance(policy, str) else msgspec.json.encode(policy).decode()


def diagnostic_of(found: Diagnostic) -> SourceDiagnostic:
    return SourceDiagnostic(**{name: getattr(found, name) for name in SourceDiagnostic.__struct_fields__})
