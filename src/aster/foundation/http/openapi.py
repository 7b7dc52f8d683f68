"""OpenAPI 3.1 from a table of routes: what the document says is what the table does."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from aster.foundation.http.routes import Route

_TYPES = {str: "string", int: "integer", bool: "boolean"}
_REF = "#/components/schemas/{name}"


def openapi_document(
    routes: Sequence[Route],
    *,
    title: str,
    version: str,
    description: str = "",
    security: Mapping[str, Mapping[str, Any]] | None = None,
    alternatives: Sequence[Sequence[str]] | None = None,
    error: Any = None,
    query_types: Mapping[str, type] | None = None,
) -> dict[str, Any]:
    """The document of one service.

    ``security`` names the schemes. A caller needs all of them, or all of one of the ``alternatives`` where those are
    given. ``error`` is the type of an error's body, whatever its status. ``query_types`` are those of the query
    parameters that are not texts.
    """
    types = [kind for route in routes for kind in (route.body, route.answer) if kind is not None]
    types = list(dict.fromkeys([*types, *([error] if error is not None else [])]))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    handlers = Counter(route.handler.__name__ for route in routes)
    for route in routes:
        operation = {
            "operationId": _operation_id(route, handlers),
            **_operation(route, by_type, error, query_types or {}),
        }
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    schemes = dict(security or {})
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": schemes},
        "security": [{name: [] for name in names} for names in alternatives or [list(schemes)] if schemes],
    }


def _operation_id(route: Route, handlers: Mapping[str, int]) -> str:
    name = route.handler.__name__
    if handlers[name] == 1:
        return name
    return f"{name}_{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}"


def _operation(route: Route, schemas: Mapping[Any, Any], error: Any, query_types: Mapping[str, type]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "parameters": [
            *map(_path_parameter, re.findall(r"\{(\w+)\}", route.path)),
            *(_query_parameter(name, query_types.get(name, str)) for name in route.query),
        ],
        "responses": {
            str(status): _response(status, schemas.get(route.answer) if route.answer else None)
            for status in (route.status, *route.also)
        },
    }
    for status in route.errors:
        operation["responses"][str(status)] = _response(status, schemas.get(error) if error is not None else None)
    if error is not None:
        operation["responses"]["default"] = {**_response(400, schemas.get(error)), "description": "Refused"}
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.optional_body,
            "content": {"application/json": {"schema": schemas[route.body]}},
        }
    if route.access is not None:
        operation["x-access"] = str(route.access)
    return operation


def _response(status: int, schema: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if schema is not None:
        answer["content"] = {"application/json": {"schema": schema}}
    return answer


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(name: str, kind: type) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": _TYPES[kind]}}
