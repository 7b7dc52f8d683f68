"""Looking at sources without running them (MEMBER): compile, validate; and the words of each locale (VIEWER)."""

from typing import Any

import msgspec

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.engine import CompiledSource
from aster.policy.language.errors import CoreIRTooDeep
from aster.policy.language.lexicon import LOCALES, load_lexicon
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.compiling import TenantCompiler
from aster.policy.service.envelope import problem
from aster.policy.service.errors import PolicyNotFound
from aster.policy.service.messages import Locale, Name, Source, SourceDiagnostic, diagnostic_of
from aster.policy.service.tenant_data import TenantData


class CompileRequest(msgspec.Struct, frozen=True, rename="camel"):
    """``includeCore`` asks for the Core IR as well, which `evaluate-json` takes."""

    source: Source
    locale: Locale | None = None
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
    policy_module: Name | None = None
    policy_function: Name | None = None


class ValidateAnswer(msgspec.Struct, frozen=True, rename="camel"):
    valid: bool
    error: str | None
    message: str
    module_name: str | None = None
    functions: list[str] = []
    diagnostics: list[SourceDiagnostic] = []


class LexiconAnswer(msgspec.Struct, frozen=True):
    """``keywords`` maps each keyword's kind to its spelling in the locale."""

    id: str
    name: str
    direction: str
    keywords: dict[str, str]


def _core_of(compiled: CompiledSource) -> dict[str, Any] | None:
    """None for what has no program; raises `ValidationFailed` for a program that JSON can't nest."""
    try:
        return None if compiled.program is None else compiled.program.core_ir()
    except CoreIRTooDeep as error:
        raise ValidationFailed(error.message, problems=problem("includeCore", "is nested too deeply")) from None


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
        compiled = await self._compiler.source(caller_of(request).tenant, body.source, body.locale)
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
        return ValidateAnswer(
            valid=error is None,
            error=error,
            message=error or "the policy can be evaluated",
            module_name=compiled.module or None,
            functions=list(compiled.rules),
            diagnostics=[diagnostic_of(each) for each in compiled.diagnostics],
        )

    async def lexicons(self, request: Request, body: Any) -> list[LexiconAnswer]:
        found = [load_lexicon(locale) for locale in LOCALES]
        return [LexiconAnswer(each.id, each.name, each.direction, dict(each.keywords)) for each in found]

    async def _wanted(self, request: Request, body: ValidateRequest) -> CompiledSource:
        """The source of the body, or the active version of its module; raises `PolicyNotFound`."""
        tenant, module = caller_of(request).tenant, body.policy_module
        if body.source is not None:
            return await self._compiler.source(tenant, body.source, body.locale)
        if module is None:
            raise ValidationFailed("give a source or a policyModule", problems=problem("source", "is missing"))
        deployed = await self._data.policies(request, lambda policies: policies.deployed(module))
        return await self._compiler.deployed(tenant, deployed)
