"""Browsers let pages of the listed origins call, and no others."""

from typing import Any

import httpx
import pytest

from aster.foundation.errors import ConfigError
from aster.foundation.http.cors import CorsPolicy
from aster.foundation.http.errors import HttpError
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.foundation.http.service import HttpService

APP = "https://app.example.com"


class Refused(HttpError):
    status = 401
    code = "REFUSED"


def asking(origins: str) -> httpx.AsyncClient:
    async def answer(request: Request, body: Any) -> Reply:
        return Reply(200, b"{}")

    async def refuse(request: Request) -> None:
        if request.header(b"authorization") is None:
            raise Refused("no token")

    policy = CorsPolicy.of_text(origins, request_headers=["Authorization"], answer_headers=["X-Request-ID"])
    service = HttpService(
        "test",
        [Route("POST", "/thing", answer, summary="A thing")],
        layers=[refuse],
        render_error=lambda request, error: Reply(401 if isinstance(error, Refused) else 404, b"{}"),
        cors=policy,
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=service), base_url="http://test")


def preflight(origin: str) -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": "POST"}


async def test_a_preflight_of_a_listed_origin_is_answered_without_credentials() -> None:
    async with asking(f"{APP}, http://localhost:3000") as client:
        answer = await client.options("/thing", headers=preflight(APP))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-headers"] == "Authorization"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example.com", f"{APP}.evil.com", f"{APP}:8443", "null", ""])
async def test_another_origin_gets_no_permission(origin: str) -> None:
    async with asking(APP) as client:
        asked = await client.options("/thing", headers=preflight(origin))
        called = await client.post("/thing", headers={"Origin": origin, "Authorization": "x"})
    assert asked.status_code == 403
    assert "access-control-allow-origin" not in {*asked.headers, *called.headers}
    assert called.headers["vary"] == "origin"


async def test_a_page_can_read_why_it_was_refused() -> None:
    async with asking(APP) as client:
        answer = await client.post("/thing", headers={"Origin": APP})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, APP)
    assert answer.headers["access-control-expose-headers"] == "X-Request-ID"


async def test_a_star_is_every_origin_and_a_call_without_one_is_as_always() -> None:
    async with asking("*") as client:
        assert (await client.options("/thing", headers=preflight("https://a.b"))).status_code == 204
        answer = await client.post("/thing", headers={"Authorization": "x", "Origin": "https://a.b"})
        plain = await client.post("/thing", headers={"Authorization": "x"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert plain.status_code == 200
    assert "access-control-allow-origin" not in plain.headers


async def test_an_options_that_is_no_preflight_passes_the_layers() -> None:
    async with asking(APP) as client:
        assert (await client.options("/thing", headers={"Origin": APP})).status_code == 401


@pytest.mark.parametrize(
    "origins", ["app.example.com", "https://", f"{APP}/path", "ftp://a.b", "https://*.b", f"{APP};"]
)
def test_what_is_no_origin_is_refused_at_the_start(origins: str) -> None:
    with pytest.raises(ConfigError, match="is not an origin"):
        CorsPolicy.of_text(origins, request_headers=[], answer_headers=[])
