"""Looking at sources without running them (MEMBER): compile, validate; and the words of each locale (VIEWER)."""

import contextlib
from typing import Any

import msgspec

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.engine import CompiledSource
from aster.policy.language.aliases import OPERATOR_KINDS, STRUCTURE_KINDS
from aster.policy.language.errors import CoreIRTooDeep, VocabularyInvalid
from aster.policy.language.lexicon import LOCALES, Lexicon, load_lexicon
from aster.policy.language.vocabulary import VOCABULARIES, load_vocabulary
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.compiling import TenantCompiler, require_locale
from aster.policy.service.envelope import problem
from aster.policy.service.errors import PolicyNotFound
from aster.policy.service.messages import (
    AliasField,
    Locale,
    Name,
    Source,
    SourceDiagnostic,
    VocabularyField,
    diagnostic_of,
    words_of,
)
from aster.policy.service.schema_routes import describe
from aster.policy.service.tenant_data import TenantData


class CompileRequest(msgspec.Struct, frozen=True, rename="camel"):
    """``includeCore`` asks for the Core IR as well, which `evaluate-json` takes."""

    source: Source
    locale: Locale | None = None
    vocabulary: VocabularyField = None
    alias_set: AliasField = None
    include_core: bool = False


class CompiledModule(msgspec.Struct, frozen=True):
    name: str
    functions: list[str]


class CompileAnswer(msgspec.Struct, frozen=True, rename="camel"):
    success: bool
    module: CompiledModule | None
    diagnostics: list[SourceDiagnostic]
    error: str | None
    core: dict[str, Any] | None = None


class ValidateRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Either a ``source``, or a stored policy's module and, if wanted, one of its rules."""

    source: Source | None = None
    locale: Locale | None = None
    vocabulary: VocabularyField = None
    alias_set: AliasField = None
    policy_module: Name | None = None
    policy_function: Name | None = None


class ValidateAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """``parameterCount`` and ``returnType`` are of the rule that would be evaluated, null where none would."""

    valid: bool
    error: str | None
    message: str
    module_name: str | None = None
    functions: list[str] = []
    diagnostics: list[SourceDiagnostic] = []
    parameter_count: int | None = None
    return_type: str | None = None


class LexiconAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """``keywords`` maps each keyword's kind to its spelling in the locale.

    ``vocabularies`` are the shipped ones that have words in it: each maps names to their words. ``aliasKinds`` are the
    keywords that anybody may have aliases for, ``shapingAliasKinds`` those that an ADMIN may.
    """

    id: str
    name: str
    direction: str
    keywords: dict[str, str]
    vocabularies: dict[str, dict[str, str]] = {}
    alias_kinds: list[str] = []
    shaping_alias_kinds: list[str] = []


def _core_of(compiled: CompiledSource) -> dict[str, Any] | None:
    """None for what has no program; raises `ValidationFailed` for a program that JSON can't nest."""
    try:
        return None if compiled.program is None else compiled.program.core_ir()
    except CoreIRTooDeep as error:
        raise ValidationFailed(error.message, problems=problem("includeCore", "is nested too deeply")) from None


def _told(lexicon: Lexicon) -> LexiconAnswer:
    vocabularies = {}
    for name in VOCABULARIES:
        with contextlib.suppress(VocabularyInvalid):  # no words in this locale
            vocabularies[name] = dict(load_vocabulary(name, lexicon.id).words)
    return LexiconAnswer(
        lexicon.id,
        lexicon.name,
        lexicon.direction,
        dict(lexicon.keywords),
        vocabularies,
        sorted(OPERATOR_KINDS),
        sorted(STRUCTURE_KINDS),
    )


class SourceRoutes:
    """Handlers and their rows of the table."""

    def __init__(self, data: TenantData, compiler: TenantCompiler) -> None:
        self._data = data
        self._compiler = compiler

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/api/v1/policies/compile",
                self.compile_source,
                summary="What is wrong with a source, and what is in it",
                access=Role.MEMBER,
                body=CompileRequest,
                answer=CompileAnswer,
                errors=(400, 503),
            ),
            Route(
                "POST",
                "/api/v1/policies/validate",
                self.validate,
                summary="Can this source, or this stored policy, be evaluated?",
                access=Role.MEMBER,
                body=ValidateRequest,
                answer=ValidateAnswer,
                errors=(400, 503),
            ),
            Route(
                "GET",
                "/api/v1/lexicons",
                self.lexicons,
                summary="The locales a policy may be written in, with their keywords",
                access=Role.VIEWER,
                answer=list[LexiconAnswer],
            ),
        ]

    async def compile_source(self, request: Request, body: CompileRequest) -> CompileAnswer:
        caller = caller_of(request)
        words = words_of(body, caller.role)
        compiled = await self._compiler.source(caller.tenant, body.source, body.locale, words=words)
        module = None if compiled.fault else CompiledModule(compiled.module, list(compiled.rules))
        return CompileAnswer(
            success=compiled.fault is None,
            module=module,
            diagnostics=[diagnostic_of(each) for each in compiled.diagnostics],
            error=compiled.fault.message if compiled.fault else None,
            core=_core_of(compiled) if body.include_core else None,
        )

    async def validate(self, request: Request, body: ValidateRequest) -> ValidateAnswer:
        try:
            compiled = await self._wanted(request, body)
        except PolicyNotFound as unknown:
            return ValidateAnswer(valid=False, error=unknown.message, message=unknown.message)
        error = compiled.fault.message if compiled.fault else None
        if error is None and body.policy_function not in (None, *compiled.rules):
            error = f"module '{compiled.module}' has no rule '{body.policy_function}'"
        told = describe(compiled, body.policy_function) if error is None else None
        return ValidateAnswer(
            valid=error is None,
            error=error,
            message=error or "the policy can be evaluated",
            module_name=compiled.module or None,
            functions=list(compiled.rules),
            diagnostics=[diagnostic_of(each) for each in compiled.diagnostics],
            parameter_count=len(told.parameters) if told is not None and told.success else None,
            return_type=told.return_type if told is not None else None,
        )

    async def lexicons(self, request: Request, body: Any) -> list[LexiconAnswer]:
        return [_told(load_lexicon(locale)) for locale in LOCALES]

    async def _wanted(self, request: Request, body: ValidateRequest) -> CompiledSource:
        """The source of the body, or the active version of its module; raises `PolicyNotFound`."""
        caller, module = caller_of(request), body.policy_module
        if body.source is not None:
            words = words_of(body, caller.role)
            return require_locale(await self._compiler.source(caller.tenant, body.source, body.locale, words=words))
        if module is None:
            raise ValidationFailed("give a source or a policyModule", problems=problem("source", "is missing"))
        deployed = await self._data.policies(request, lambda policies: policies.deployed(module))
        return await self._compiler.deployed(caller.tenant, deployed)
