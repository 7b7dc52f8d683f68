"""The admin routes: the admin token opens them in every mode, and nothing else does."""

from collections.abc import Callable

import httpx
import pytest

from astrocyte.gateway.admin_guard import ADMIN
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import GatewaySettings, resolve_settings
from astrocyte.memory import Astrocyte

TOKEN = "admin-secret-here"
PATHS = (
    "/v1/admin/sources",
    "/v1/admin/banks",
    "/v1/admin/health",
    "/v1/admin/nothing",
    "/v1/admin",
    "/v1/%61dmin/banks",
)
MODES = {
    "dev": {},
    "api_key": {"ASTROCYTE_API_KEY": "sk-your-secret-key-here"},
    "jwt_hs256": {"ASTROCYTE_JWT_SECRET": "s" * 32},
    "jwt_oidc": {
        "ASTROCYTE_OIDC_JWKS_URL": "http://127.0.0.1:1/",
        "ASTROCYTE_OIDC_ISSUER": "i",
        "ASTROCYTE_OIDC_AUDIENCE": "a",
    },
}
Serve = Callable[..., httpx.AsyncClient]


@pytest.fixture
def serve(plain: Astrocyte) -> Serve:
    def start(settings: GatewaySettings, *, peer: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=create_gateway(plain, settings), client=(peer, 5000))
        return httpx.AsyncClient(transport=transport, base_url="http://gateway")

    return start


def with_mode(mode: str, token: str = TOKEN) -> GatewaySettings:
    return resolve_settings(environ={"ASTROCYTE_AUTH_MODE": mode, "ASTROCYTE_ADMIN_TOKEN": token, **MODES[mode]})


@pytest.mark.parametrize("mode", MODES)
async def test_the_token_alone_is_enough_in_every_mode(serve: Serve, mode: str) -> None:
    client = serve(with_mode(mode), peer="203.0.113.7")
    for path, status in zip(PATHS, (200, 200, 200, 404, 404, 200), strict=True):
        assert (await client.get(path, headers={"X-Admin-Token": TOKEN})).status_code == status


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Admin-Token": ""},
        {"X-Admin-Token": "wrong"},
        {"X-Admin-Token": TOKEN[:-1]},
        {"X-Admin-Token": TOKEN + "x"},
        {"Authorization": f"Bearer {TOKEN}"},
        {"X-Api-Key": "sk-your-secret-key-here", "X-Astrocyte-Principal": "service:admin"},
    ],
)
async def test_nothing_else_is(serve: Serve, mode: str, headers: dict[str, str]) -> None:
    for path in PATHS:
        answer = await serve(with_mode(mode)).get(path, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (401, "Invalid or missing X-Admin-Token")
        assert "www-authenticate" in answer.headers


@pytest.mark.parametrize("value", [b"\xff\xfe", b"\xc3\xa9", b"a" * 20_000, b"\x00"])
async def test_no_token_makes_the_gateway_fail(serve: Serve, value: bytes) -> None:
    answer = await serve(with_mode("dev")).get("/v1/admin/banks", headers=[(b"x-admin-token", value)])
    assert answer.status_code == 401


async def test_the_admin_token_opens_nothing_else(serve: Serve) -> None:
    answer = await serve(with_mode("api_key")).get("/v1/whoami", headers={"X-Admin-Token": TOKEN})
    assert answer.status_code == 401


async def test_without_a_token_the_routes_are_open_to_this_machine_alone(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    settings = GatewaySettings()
    for peer, status in (("127.0.0.1", 200), ("::1", 200), ("203.0.113.7", 403), ("10.0.0.1", 403), ("unknown", 403)):
        assert (await serve(settings, peer=peer).get("/v1/admin/sources")).status_code == status
    assert "ASTROCYTE_ADMIN_TOKEN is not set" in caplog.text


async def test_without_a_token_a_gateway_that_strangers_reach_keeps_them_closed(serve: Serve) -> None:
    client = serve(GatewaySettings(host="0.0.0.0", allow_dev_auth=True))
    answer = await client.get("/v1/admin/sources")
    assert (answer.status_code, answer.json()["code"]) == (403, "ADMIN_DISABLED")


async def test_a_short_token_is_warned_of_and_not_shown(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    serve(with_mode("dev", "hunter2"))
    assert "ASTROCYTE_ADMIN_TOKEN is short" in caplog.text
    assert "hunter2" not in caplog.text


async def test_what_the_routes_answer(serve: Serve, plain: Astrocyte) -> None:
    client = serve(GatewaySettings())
    assert (await client.get("/v1/admin/sources")).json() == {"sources": []}
    assert (await client.get("/v1/admin/banks")).json() == {"banks": [], "next_after": None}
    for bank in ("b", "a", "c"):
        await plain.retain("x", bank)
    assert (await client.get("/v1/admin/banks")).json() == {"banks": ["a", "b", "c"], "next_after": None}
    assert (await client.get("/v1/admin/banks?after=a")).json()["banks"] == ["b", "c"]
    health = await client.get("/v1/admin/health")
    assert (health.status_code, health.json()["healthy"]) == (200, True)


async def test_banks_come_in_pages(url: str) -> None:
    settings = {"storage": {"url": url}, "embedding": {"provider": "none"}, "limits": {"max_results": 2}}
    async with Astrocyte.from_config_dict(settings) as engine:
        for number in range(5):
            await engine.retain("x", f"b{number}")
        transport = httpx.ASGITransport(app=create_gateway(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            seen: list[str] = []
            after: str | None = ""
            while after is not None:
                page = (await client.get("/v1/admin/banks", params={"after": after})).json()
                assert len(page["banks"]) <= 2
                seen += page["banks"]
                after = page["next_after"]
    assert seen == [f"b{number}" for number in range(5)]


async def test_a_store_that_is_down_is_a_503(serve: Serve, plain: Astrocyte) -> None:
    await plain._opened.database.close()
    health = await serve(GatewaySettings()).get("/v1/admin/health")
    assert (health.status_code, health.json()["healthy"]) == (503, False)


def test_every_admin_path_needs_the_token_and_no_other_does(plain: Astrocyte) -> None:
    for route in create_gateway(plain).routes:
        assert (route.access == ADMIN) == route.path.startswith("/v1/admin/")
        assert route.access is not None


HOLD = "/v1/admin/banks/b/hold"


async def test_a_hold_keeps_everybody_from_forgetting_until_it_is_lifted(serve: Serve, plain: Astrocyte) -> None:
    client = serve(GatewaySettings())
    await client.post("/v1/retain", json={"bank_id": "b", "content": "evidence"})
    placed = await client.post(HOLD, json={"hold_id": "case-7", "reason": "a court asked"})
    assert (placed.json()["hold_id"], placed.json()["set_by"]) == ("case-7", "service:admin")
    assert (await client.get(HOLD)).json()["under_hold"] is True
    refused = await client.post("/v1/forget", json={"bank_id": "b", "scope": "all"})
    assert (refused.status_code, refused.json()["code"]) == (409, "LEGAL_HOLD_ACTIVE")
    assert (await client.post("/v1/admin/erase", json={"principal": "user:x", "banks": ["b"]})).status_code == 200
    assert (await client.delete(f"{HOLD}/case-7")).json()["released"] is True
    assert (await client.delete(f"{HOLD}/case-7")).json()["released"] is False
    assert (await client.post("/v1/forget", json={"bank_id": "b", "scope": "all"})).json()["deleted_count"] == 1


async def test_the_admin_token_acts_where_no_grant_would_let_it(url: str) -> None:
    values = {
        "storage": {"url": url},
        "embedding": {"provider": "none"},
        "access_control": {"enabled": True, "default_policy": "deny"},
        "access_grants": [{"bank_id": "shared-*", "principal": "user:*", "permissions": ["read"]}],
    }
    async with Astrocyte.from_config_dict(values) as engine:
        transport = httpx.ASGITransport(app=create_gateway(engine, with_mode("dev")))
        token = {"X-Admin-Token": TOKEN}
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            forged = {"X-Astrocyte-Principal": "service:admin"}
            assert (await client.get("/v1/banks/b/statistics", headers=forged)).status_code == 403
            swept = await client.post("/v1/admin/lifecycle", json={"bank_id": "b"}, headers=token)
            assert swept.json()["deleted_count"] == 0
            grants = (await client.get("/v1/admin/grants", headers=token)).json()
            assert grants["default_policy"] == "deny"
            assert grants["grants"] == [{"bank_id": "shared-*", "principal": "user:*", "permissions": ["read"]}]
            found = (await client.get("/v1/admin/storage", headers=token)).json()["findings"]
            assert {finding["check"] for finding in found} >= {"integrity", "audit chain"}
            assert (await client.get("/v1/admin/banks/b/statistics", headers=token)).status_code == 404
