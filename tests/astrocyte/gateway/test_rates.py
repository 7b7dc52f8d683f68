"""One address may ask only so often, before anybody is authenticated."""

import httpx
import pytest

from aster.foundation.http.rates import RateLimited
from aster.foundation.http.request import HttpLimits, Request
from aster.foundation.http.routes import Match
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.rates import PUBLIC_LIMIT, create_rate_layer
from astrocyte.gateway.settings import GatewaySettings, resolve_settings
from astrocyte.memory import Astrocyte


async def _receive() -> dict[str, object]:
    raise AssertionError("no body is read")


def request_from(address: str) -> Request:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": (address, 1), "query_string": b""}
    return Request(scope, _receive, HttpLimits(), Match())


async def test_an_address_that_asks_too_often_is_told_when_to_come_back() -> None:
    now = [0]
    layer = create_rate_layer(GatewaySettings(rate_limit_per_second=2), now_ms=lambda: now[0])
    assert layer is not None
    for _ in range(2):
        await layer(request_from("10.0.0.1"))
    with pytest.raises(RateLimited) as refused:
        await layer(request_from("10.0.0.1"))
    assert dict(refused.value.headers)[b"retry-after"] == b"1"
    await layer(request_from("10.0.0.2"))
    now[0] += 500
    await layer(request_from("10.0.0.1"))


@pytest.mark.parametrize(
    ("host", "configured", "expected"),
    [("127.0.0.1", None, False), ("0.0.0.0", None, True), ("0.0.0.0", "0", False), ("::1", "5", True)],
)
def test_the_default_is_a_limit_where_strangers_can_ask(host: str, configured: str | None, expected: bool) -> None:
    environ = {"ASTROCYTE_HOST": host} | ({"ASTROCYTE_RATE_LIMIT_PER_SECOND": configured} if configured else {})
    assert (create_rate_layer(resolve_settings(environ=environ)) is not None) == expected
    assert PUBLIC_LIMIT == 100


async def test_guessing_keys_is_limited_too(plain: Astrocyte) -> None:
    settings = resolve_settings(
        environ={
            "ASTROCYTE_AUTH_MODE": "api_key",
            "ASTROCYTE_API_KEY": "sk-a-long-enough-secret-for-this",
            "ASTROCYTE_RATE_LIMIT_PER_SECOND": "1",
        }
    )
    transport = httpx.ASGITransport(app=create_gateway(plain, settings), client=("10.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        statuses = [(await client.get("/v1/whoami", headers={"X-Api-Key": "guess"})).status_code for _ in range(5)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
