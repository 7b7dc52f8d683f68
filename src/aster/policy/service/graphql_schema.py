"""The GraphQL schema, made from the HTTP table: a field is a route under another name, with the route's own role.

Imported only when GraphQL is used: it needs the extra ``graphql``.
"""

import keyword
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from inspect import Parameter, Signature
from typing import Annotated, Any, Optional

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type

from aster.foundation.http.routes import Route
from aster.policy.service.graphql_types import LONG, LONG_DEFINITION, Types, plain, read_field
from aster.policy.service.queries import QUERY_TYPES

QUERIES = {
    "policies": "list_policies",
    "policy": "read_policy",
    "policySchema": "policy_schema",
    "versions": "list_versions",
    "version": "read_version",
    "versionDiff": "diff",
    "activations": "list_activations",
    "lexicons": "lexicons",
    "auditLog": "list_records",
    "auditRecord": "read_record",
    "auditHead": "head",
    "verifyAudit": "verify",
    "versionUsage": "version_usage",
    "compareVersions": "compare_versions",
    "tenant": "read_settings",
    "assignments": "list_assignments",
    "keys": "list_keys",
}
MUTATIONS = {
    "evaluate": "evaluate",
    "evaluateSource": "evaluate_source",
    "evaluateJson": "evaluate_json",
    "evaluateChain": "evaluate_chain",
    "evaluateBatch": "evaluate_batch",
    "evaluateSourceBatch": "evaluate_source_batch",
    "compile": "compile_source",
    "validate": "validate",
    "createPolicy": "deploy",
    "updatePolicy": "replace",
    "patchPolicy": "patch",
    "deletePolicy": "delete",
    "rollback": "rollback",
    "activateVersion": "activate",
    "submitVersion": "submit_version",
    "approveVersion": "approve_version",
    "rejectVersion": "reject_version",
    "deprecateVersion": "deprecate_version",
    "archiveVersion": "archive_version",
    "clearCache": "clear_cache",
    "replayDecision": "replay",
    "updateTenantSettings": "patch_settings",
    "assignRole": "assign",
    "revokeRole": "revoke_assignment",
    "createKey": "create_key",
    "revokeKey": "revoke_key",
}
"""Fields by the name of the route's handler."""

SCALARS = {int: LONG, bool: bool, str: str}

Operate = Callable[[Any, Route, Mapping[str, str], str, Any], Awaitable[Any]]
"""Do what a route does: context, route, path parameters, query string, body as plain JSON."""


class Schema(strawberry.Schema):
    """Errors are logged where they arise, not here."""

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        """What a caller did wrong is the caller's to read."""


def build_schema(routes: Mapping[str, Route], operate: Operate) -> Schema:
    """``routes`` by the name of their handler; every name of the tables above must be among them."""
    types = Types()

    def root(name: str, fields: Mapping[str, str]) -> Any:
        return create_type(name, [_field(types, field, routes[handler], operate) for field, handler in fields.items()])

    return Schema(
        query=root("Query", QUERIES),
        mutation=root("Mutation", MUTATIONS),
        config=StrawberryConfig(default_resolver=read_field, scalar_map={LONG: LONG_DEFINITION}),
    )


def _field(types: Types, name: str, route: Route, operate: Operate) -> Any:
    path_names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    required: dict[str, Any] = dict.fromkeys(path_names, str)
    optional = {each: SCALARS[QUERY_TYPES.get(each, str)] for each in route.query}
    if route.body is not None:
        (optional if route.optional_body else required)["input"] = types.input(route.body)

    async def resolve(info: Any, **given: Any) -> Any:
        told = {name.rstrip("_"): value for name, value in given.items() if value is not strawberry.UNSET}
        query = {each: _text(told[each]) for each in route.query if told.get(each) is not None}
        body = plain(told["input"], route.body) if told.get("input") is not None else None
        return await operate(
            info.context,
            route,
            {each: str(told[each]) for each in path_names},
            urllib.parse.urlencode(query),
            body,
        )

    parameters = [Parameter("info", Parameter.POSITIONAL_OR_KEYWORD, annotation=strawberry.Info)]
    parameters += [Parameter(each, Parameter.KEYWORD_ONLY, annotation=kind) for each, kind in required.items()]
    parameters += [
        Parameter(
            f"{each}_" if keyword.iskeyword(each) else each,
            Parameter.KEYWORD_ONLY,
            annotation=Annotated[Optional[kind], strawberry.argument(name=camel(each))],  # noqa: UP045
            default=strawberry.UNSET,
        )
        for each, kind in optional.items()
    ]
    resolve.__signature__ = Signature(parameters, return_annotation=types.output(route.answer))  # type: ignore[attr-defined]
    resolve.__name__ = name
    return strawberry.field(resolver=resolve, name=name, description=f"{route.summary} ({route.access}).")


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def refused(message: str, code: str, **extensions: Any) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code, **extensions})
