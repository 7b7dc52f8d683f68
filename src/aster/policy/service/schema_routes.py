"""What a rule takes and yields: of a source (MEMBER), of a stored policy (VIEWER)."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.engine import CompiledSource
from aster.policy.language import PolicyEvaluationError
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.compiling import TenantCompiler, require_locale
from aster.policy.service.envelope import problem
from aster.policy.service.messages import SCHEMA_SOURCE_CHARACTERS, AliasField, Locale, Name, VocabularyField, words_of
from aster.policy.service.policies import TenantPolicies
from aster.policy.service.policy_routes import ONE
from aster.policy.service.policy_rows import Version
from aster.policy.service.queries import query_values
from aster.policy.service.tenant_data import TenantData


class SchemaRequest(msgspec.Struct, frozen=True, rename="camel"):
    source: Annotated[str, Meta(max_length=SCHEMA_SOURCE_CHARACTERS)]
    function_name: Name | None = None
    locale: Locale | None = None
    vocabulary: VocabularyField = None
    alias_set: AliasField = None


class SchemaAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """``parameters`` tell name, type, typeKind, optional, position, and the fields of records to their leaves.

    With ``format=json-schema`` the JSON Schemas (2020-12) of contexts and results come along.
    """

    success: bool
    module_name: str | None = None
    function_name: str | None = None
    functions: list[str] = []
    parameters: list[dict[str, Any]] = []
    return_type: str | None = None
    error: str | None = None
    context_schema: dict[str, Any] | None = None
    result_schema: dict[str, Any] | None = None


class SchemaRoutes:
    """Handlers and their rows of the table."""

    def __init__(self, data: TenantData, compiler: TenantCompiler) -> None:
        self._data = data
        self._compiler = compiler

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/api/v1/policies/schema",
                self.source_schema,
                summary="What a rule of a source takes and yields",
                access=Role.MEMBER,
                body=SchemaRequest,
                answer=SchemaAnswer,
                errors=(400, 503),
                query=("format",),
            ),
            Route(
                "GET",
                f"{ONE}/schema",
                self.policy_schema,
                summary="What a rule of a stored policy takes and yields",
                access=Role.VIEWER,
                answer=SchemaAnswer,
                errors=(400, 404, 503),
                query=("function", "format"),
            ),
        ]

    async def source_schema(self, request: Request, body: SchemaRequest) -> SchemaAnswer:
        caller = caller_of(request)
        words = words_of(body, caller.role)
        compiled = await self._compiler.source(caller.tenant, body.source, body.locale, words=words)
        return describe(require_locale(compiled), body.function_name, with_schemas=_wants_schemas(request))

    async def policy_schema(self, request: Request, body: Any) -> SchemaAnswer:
        def query(policies: TenantPolicies) -> tuple[str | None, Version]:
            policy = policies.find(request.path_params["policy_id"])
            return policy.default_function, policies.shown(policy)

        default, version = await self._data.policies(request, query)
        compiled = await self._compiler.version(caller_of(request).tenant, version)
        function = query_values(request).get("function") or default
        return describe(compiled, function, with_schemas=_wants_schemas(request))


def _wants_schemas(request: Request) -> bool:
    shape = query_values(request).get("format", "parameters")
    if shape not in ("parameters", "json-schema"):
        raise ValidationFailed("format is parameters or json-schema", problems=problem("?format", "is neither"))
    return shape == "json-schema"


def describe(compiled: CompiledSource, function: str | None, *, with_schemas: bool = False) -> SchemaAnswer:
    """The named rule's schema, else the entry's, else the first rule's."""
    program = compiled.program
    if program is None:
        return SchemaAnswer(success=False, error=compiled.fault.message if compiled.fault else None)
    try:
        rule = function or _entry(compiled)
        answer = msgspec.convert(program.schema(rule), SchemaAnswer)
        if not with_schemas:
            return answer
        schemas = {"context_schema": program.input_schema(rule), "result_schema": program.output_schema(rule)}
        return msgspec.structs.replace(answer, **schemas)
    except PolicyEvaluationError as error:
        return SchemaAnswer(False, compiled.module or None, functions=list(compiled.rules), error=error.message)


def _entry(compiled: CompiledSource) -> str | None:
    try:
        return compiled.program.entry_rule() if compiled.program is not None else None
    except PolicyEvaluationError:
        return next(iter(compiled.rules), None)
