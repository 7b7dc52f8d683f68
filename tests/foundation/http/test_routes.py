"""The table of routes: what is listed is what is served."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster.foundation.http.errors import MethodNotAllowed, NotFound
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route, RouteTable


async def handler(request: Request, body: Any) -> None:
    return None


def route(method: str, path: str) -> Route:
    return Route(method, path, handler, summary=f"{method} {path}")


BANKS = route("GET", "/v1/banks")
BANK = route("GET", "/v1/banks/{bank_id}")
REMOVE = route("DELETE", "/v1/banks/{name}")
DEFAULT = route("GET", "/v1/banks/default")
VERSION = route("GET", "/v1/{kind}/{id}/versions/{version}.json")
TABLE = RouteTable([BANKS, BANK, REMOVE, DEFAULT, VERSION])


@pytest.mark.parametrize(
    ("method", "path", "expected", "params"),
    [
        ("GET", "/v1/banks", BANKS, {}),
        ("HEAD", "/v1/banks", BANKS, {}),
        ("GET", "/v1/banks/a b", BANK, {"bank_id": "a b"}),
        ("DELETE", "/v1/banks/x", REMOVE, {"name": "x"}),
        ("GET", "/v1/banks/default", DEFAULT, {}),
        ("DELETE", "/v1/banks/default", REMOVE, {"name": "default"}),
        ("GET", "/v1/banks/7/versions/3.json", VERSION, {"kind": "banks", "id": "7", "version": "3"}),
    ],
)
def test_a_listed_route_is_found(method: str, path: str, expected: Route, params: dict[str, str]) -> None:
    found = TABLE.match(method, path)
    assert (found.route, found.params, found.error) == (expected, params, None)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/v1",
        "/v1/banks/",
        "/v1/banks/a/b",
        "//v1/banks",
        "/V1/banks",
        "/v1/banks/7/versions/3xjson",
        "/v1/banks\n",
    ],
)
def test_any_other_path_is_not_found(path: str) -> None:
    assert isinstance(TABLE.match("GET", path).error, NotFound)


def test_another_method_is_told_which_are_allowed() -> None:
    error = TABLE.match("POST", "/v1/banks/default").error
    assert isinstance(error, MethodNotAllowed)
    assert list(error.headers) == [(b"allow", b"DELETE, GET")]
    assert isinstance(TABLE.match("get", "/v1/banks").error, MethodNotAllowed)


@pytest.mark.parametrize("path", ["/v1/banks", "/v1/banks/{bank_id}"])
def test_a_route_cannot_be_listed_twice(path: str) -> None:
    with pytest.raises(ValueError, match="listed twice"):
        RouteTable([route("GET", path), route("GET", path)])


@given(st.text(max_size=30), st.text(max_size=60))
def test_any_request_has_either_a_route_or_an_error(method: str, path: str) -> None:
    found = TABLE.match(method, path)
    assert (found.route is None) != (found.error is None)
