"""The OpenAPI document says what the table of routes does."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from aster.foundation.http.openapi import openapi_document
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route


class Tag(msgspec.Struct):
    name: str


class Note(msgspec.Struct, rename="camel"):
    """A note."""

    note_text: str
    tags: list[Tag] = []


class Problem(msgspec.Struct):
    code: str


async def create(request: Request, body: Any) -> None:
    return None


async def show(request: Request, body: Any) -> None:
    return None


def closure() -> Any:
    async def show(request: Request, body: Any) -> None:
        return None

    return show


ROUTES = [
    Route("POST", "/notes", create, "Create", access="MEMBER", body=Note, answer=Note, status=201, errors=(400, 409)),
    Route("GET", "/notes", show, "List", answer=list[Note], query=("page", "size")),
    Route("GET", "/notes/{note_id}/tags/{tag}", closure(), "Show", answer=Tag, errors=(404,)),
    Route("DELETE", "/notes/{note_id}", closure(), "Delete", status=204),
]
SECURITY = {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}


@pytest.fixture
def document() -> dict[str, Any]:
    return openapi_document(ROUTES, title="Notes", version="1.2", security=SECURITY, error=Problem)


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_it_has_the_structure_of_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Notes", "version": "1.2", "description": ""}
    assert document["components"]["securitySchemes"] == SECURITY
    assert document["security"] == [{"key": []}]
    json.dumps(document)
    for operation in operations(document):
        assert operation["summary"]
        assert operation["responses"]
        assert all(answer["description"] for answer in operation["responses"].values())


def test_every_route_is_present_and_nothing_else(document: dict[str, Any]) -> None:
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert listed == {(route.method, route.path) for route in ROUTES}
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert set(operation["responses"]) == {"default", *(str(status) for status in (route.status, *route.errors))}
        assert ("requestBody" in operation) == (route.body is not None)


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found >= {f"#/components/schemas/{name}" for name in ("Note", "Tag", "Problem")}
    for reference in found:
        value: Any = document
        for part in reference.removeprefix("#/").split("/"):
            value = value[part]
        assert value["type"] == "object"


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(document)]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert "create" in ids


def test_parameters_are_those_of_path_and_query(document: dict[str, Any]) -> None:
    def parameters(path: str) -> list[tuple[str, str, bool]]:
        return [(row["name"], row["in"], row["required"]) for row in document["paths"][path]["get"]["parameters"]]

    assert parameters("/notes/{note_id}/tags/{tag}") == [("note_id", "path", True), ("tag", "path", True)]
    assert parameters("/notes") == [("page", "query", False), ("size", "query", False)]


def test_what_a_route_needs_is_told(document: dict[str, Any]) -> None:
    assert document["paths"]["/notes"]["post"]["x-access"] == "MEMBER"
    assert "x-access" not in document["paths"]["/notes"]["get"]


def test_a_service_without_security_or_routes_has_a_document_too() -> None:
    document = openapi_document([], title="Empty", version="1")
    assert document["security"] == []
    assert document["paths"] == {}
