"""The contract's page on authentication, line by line, over HTTP."""

import contextlib
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import jwt.utils
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from aster.foundation.errors import ConfigError
from astrocyte import Astrocyte
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import resolve_settings


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Astrocyte]:
    settings = {"storage": {"url": f"sqlite:///{tmp_path}/memory.db"}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(settings) as engine:
        yield engine


@pytest.fixture
async def gateway(engine: Astrocyte) -> AsyncIterator[httpx.AsyncClient]:
    app = create_gateway(engine, resolve_settings(environ={"ASTROCYTE_AUTH_MODE": "dev"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost:8080") as client:
        yield client


async def test_the_dev_example_as_written(gateway: httpx.AsyncClient, engine: Astrocyte) -> None:
    answer = await gateway.post(
        "/v1/retain",
        headers={"Content-Type": "application/json", "X-Astrocyte-Principal": "user:alice"},
        content=b'{"content": "Alice likes dark mode", "bank_id": "user-alice"}',
    )
    assert answer.status_code == 200
    assert answer.json()["stored"] is True
    (record,) = engine.audit.records("memory")
    assert record.event["principal"] == "user:alice"


async def test_without_the_header_the_request_proceeds_as_anonymous(
    gateway: httpx.AsyncClient, engine: Astrocyte
) -> None:
    for headers in ({}, {"X-Astrocyte-Principal": ""}):
        answer = await gateway.post(
            "/v1/retain", headers=headers, json={"content": "a public fact", "bank_id": "user-alice"}
        )
        assert answer.status_code == 200
    assert [record.event["principal"] for record in engine.audit.records("memory")] == ["anonymous", "anonymous"]


async def test_the_recall_body_of_the_examples(gateway: httpx.AsyncClient) -> None:
    await gateway.post("/v1/retain", json={"content": "Users prefer short answers", "bank_id": "shared"})
    answer = await gateway.post("/v1/recall", json={"query": "user preferences", "bank_id": "shared"})
    assert [hit["text"] for hit in answer.json()["hits"]] == ["Users prefer short answers"]


BODY = {"query": "user preferences", "bank_id": "user-alice"}
SECRET = "your-256-bit-secret"
Serve = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def serve(engine: Astrocyte) -> AsyncIterator[Serve]:
    """``serve(ASTROCYTE_AUTH_MODE=...)`` is a client of a gateway with that environment."""
    async with contextlib.AsyncExitStack() as clients:

        def start(**environ: str) -> httpx.AsyncClient:
            app = create_gateway(engine, resolve_settings(environ=environ))
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost:8080")
            clients.push_async_callback(client.aclose)
            return client

        yield start


async def answers(client: httpx.AsyncClient, status: int, detail: str, headers: dict[str, str]) -> None:
    """Every memory route gives this answer; a 401 says how to get in."""
    for route, body in (("/v1/retain", {"content": "x", "bank_id": "b"}), ("/v1/recall", BODY), ("/v1/nothing", {})):
        answer = await client.post(route, json=body, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (status, detail)
        assert ("www-authenticate" in answer.headers) == (status == 401)


API_KEY = {"ASTROCYTE_AUTH_MODE": "api_key", "ASTROCYTE_API_KEY": "sk-your-secret-key-here"}


async def test_the_api_key_example_as_written(serve: Serve) -> None:
    headers = {"X-Api-Key": "sk-your-secret-key-here", "X-Astrocyte-Principal": "agent:support-bot"}
    answer = await serve(**API_KEY).post(
        "/v1/recall", headers=headers, json={"query": "user preferences", "bank_id": "shared"}
    )
    assert (answer.status_code, answer.json()["hits"]) == (200, [])


@pytest.mark.parametrize(
    ("environ", "headers", "status", "detail"),
    [
        (API_KEY, {}, 401, "Invalid or missing API key"),
        (API_KEY, {"X-Api-Key": "wrong", "X-Astrocyte-Principal": "user:a"}, 401, "Invalid or missing API key"),
        (API_KEY, {"X-Api-Key": "sk-your-secret-key-here"}, 401, "X-Astrocyte-Principal required"),
        (
            API_KEY,
            {"X-Api-Key": "sk-your-secret-key-here", "X-Astrocyte-Principal": ""},
            401,
            "X-Astrocyte-Principal required",
        ),
        ({"ASTROCYTE_AUTH_MODE": "api_key"}, {"X-Api-Key": "x"}, 500, "ASTROCYTE_API_KEY is not set"),
    ],
)
async def test_the_errors_of_api_key(
    serve: Serve, environ: dict[str, str], headers: dict[str, str], status: int, detail: str
) -> None:
    await answers(serve(**environ), status, detail, headers)


def bearer(secret: str = SECRET, **changes: Any) -> dict[str, str]:
    now = int(time.time())
    claims = {"sub": "user:alice", "aud": "astrocyte", "iat": now, "exp": now + 3600, **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    token = jwt.encode(kept, secret, algorithm="HS256")
    return {"Authorization": f"Bearer {token}"}


HS256 = {"ASTROCYTE_JWT_SECRET": SECRET, "ASTROCYTE_JWT_AUDIENCE": "astrocyte"}


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("mode", ["jwt_hs256", "jwt"])
async def test_the_hs256_example_as_written(serve: Serve, engine: Astrocyte, mode: str) -> None:
    client = serve(ASTROCYTE_AUTH_MODE=mode, **HS256)
    answer = await client.post("/v1/recall", headers=bearer(), json=BODY)
    assert answer.status_code == 200
    await client.post("/v1/retain", headers=bearer(), json={"content": "x", "bank_id": "b"})
    (record,) = engine.audit.records("memory")
    assert record.event["principal"] == "user:alice"


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
async def test_the_errors_of_jwt_hs256(serve: Serve) -> None:
    client = serve(ASTROCYTE_AUTH_MODE="jwt_hs256", **HS256)
    await answers(client, 401, "Bearer token required", {})
    await answers(client, 401, "Bearer token required", {"Authorization": "Basic dXNlcjpwYXNz"})
    await answers(client, 401, "Invalid token", bearer("another secret"))
    await answers(client, 401, "Invalid token", bearer(exp=int(time.time()) - 1))
    await answers(client, 401, "Invalid token", bearer(aud="another"))
    await answers(client, 401, "Token missing sub", bearer(sub=None))
    await answers(serve(ASTROCYTE_AUTH_MODE="jwt"), 500, "ASTROCYTE_JWT_SECRET is not set", bearer())


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
async def test_without_an_audience_the_gateway_warns_and_skips_it(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(ASTROCYTE_AUTH_MODE="jwt_hs256", ASTROCYTE_JWT_SECRET=SECRET)
    assert "ASTROCYTE_JWT_AUDIENCE" in caplog.text
    for audience in (None, "astrocyte", "another"):
        assert (await client.post("/v1/recall", headers=bearer(aud=audience), json=BODY)).status_code == 200


@pytest.fixture(scope="module")
def idp_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture
def jwks_url(idp_key: RSAPrivateKey) -> Iterator[str]:
    """An identity provider with one key, on loopback."""
    numbers = idp_key.public_key().public_numbers()
    parts = {name: jwt.utils.to_base64url_uint(getattr(numbers, name)).decode() for name in ("n", "e")}
    document = json.dumps({"keys": [{"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", **parts}]}).encode()

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
        server.shutdown()
        thread.join()


@pytest.fixture
def oidc(jwks_url: str) -> dict[str, str]:
    return {
        "ASTROCYTE_AUTH_MODE": "jwt_oidc",
        "ASTROCYTE_OIDC_JWKS_URL": jwks_url,
        "ASTROCYTE_OIDC_ISSUER": "https://auth.example.com",
        "ASTROCYTE_OIDC_AUDIENCE": "astrocyte",
    }


def rs256(key: RSAPrivateKey, **changes: Any) -> dict[str, str]:
    claims = {
        "sub": "abc-123",
        "iss": "https://auth.example.com",
        "aud": "astrocyte",
        "exp": int(time.time()) + 3600,
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return {"Authorization": f"Bearer {jwt.encode(kept, key, algorithm='RS256', headers={'kid': '1'})}"}


async def test_an_oidc_token_names_the_caller(
    serve: Serve, engine: Astrocyte, oidc: dict[str, str], idp_key: RSAPrivateKey
) -> None:
    headers = rs256(idp_key, astrocyte_actor_type="agent", tid="tenant-1", email="bot@example.com")
    answer = await serve(**oidc).post("/v1/retain", headers=headers, json={"content": "x", "bank_id": "b"})
    assert answer.status_code == 200
    (record,) = engine.audit.records("memory")
    assert record.event["principal"] == "agent:abc-123"


async def test_the_errors_of_jwt_oidc(serve: Serve, oidc: dict[str, str], idp_key: RSAPrivateKey) -> None:
    client = serve(**oidc)
    await answers(client, 401, "Bearer token required", {})
    await answers(client, 401, "Token missing sub", rs256(idp_key, sub=None))
    stranger = generate_private_key(65537, 2048)
    for headers in (
        rs256(stranger),
        rs256(idp_key, iss="https://evil.example"),
        rs256(idp_key, aud="another"),
        rs256(idp_key, exp=int(time.time()) - 1),
    ):
        answer = await client.post("/v1/recall", headers=headers, json=BODY)
        assert answer.status_code == 401
        assert answer.json()["detail"].startswith("Invalid OIDC token: ")
    token = rs256(idp_key)
    without_url = {name: value for name, value in oidc.items() if name != "ASTROCYTE_OIDC_JWKS_URL"}
    await answers(serve(**without_url), 500, "ASTROCYTE_OIDC_JWKS_URL is not set", token)
    for missing in ("ASTROCYTE_OIDC_ISSUER", "ASTROCYTE_OIDC_AUDIENCE"):
        client = serve(**{**oidc, missing: ""})
        await answers(client, 500, "ASTROCYTE_OIDC_ISSUER and ASTROCYTE_OIDC_AUDIENCE are required", token)


async def test_a_provider_that_is_down_is_a_503(serve: Serve, oidc: dict[str, str], idp_key: RSAPrivateKey) -> None:
    client = serve(**{**oidc, "ASTROCYTE_OIDC_JWKS_URL": "http://127.0.0.1:1/jwks.json"})
    await answers(client, 503, "the identity provider's keys are not available", rs256(idp_key))


def test_an_unknown_mode_does_not_start(serve: Serve) -> None:
    with pytest.raises(ConfigError, match="Unknown ASTROCYTE_AUTH_MODE: magic"):
        serve(ASTROCYTE_AUTH_MODE="magic")


@pytest.mark.parametrize("mode", ["dev", "api_key", "jwt_hs256", "jwt_oidc"])
async def test_the_admin_example_as_written_in_every_mode(serve: Serve, mode: str) -> None:
    client = serve(ASTROCYTE_AUTH_MODE=mode, ASTROCYTE_ADMIN_TOKEN="admin-secret-here")
    answer = await client.get("/v1/admin/sources", headers={"X-Admin-Token": "admin-secret-here"})
    assert (answer.status_code, answer.json()) == (200, {"sources": []})
    for headers in ({}, {"X-Admin-Token": "wrong"}):
        answer = await client.get("/v1/admin/sources", headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (401, "Invalid or missing X-Admin-Token")


@pytest.mark.parametrize("mode", ["dev", "api_key", "jwt_hs256", "jwt_oidc"])
async def test_without_an_admin_token_the_admin_routes_are_unprotected(serve: Serve, mode: str) -> None:
    assert (await serve(ASTROCYTE_AUTH_MODE=mode).get("/v1/admin/sources")).status_code == 200


GRANTS = """
storage:
  url: "sqlite:///{folder}/granted.db"
embedding:
  provider: none
access_control:
  enabled: true
  default_policy: {policy} # "owner_only" | "open" | "deny"
access_grants:
# Support bot can read and write to any shared bank
- bank_id: "shared-*"
  principal: "agent:support-bot"
  permissions: [read, write]
# Alice has full control of her bank
- bank_id: "user-alice"
  principal: "user:alice"
  permissions: [read, write, forget, admin]
# All users can read the public bank
- bank_id: "public"
  principal: "*"
  permissions: [read]
- bank_id: "starbank"
  principal: "user:root"
  permissions: ["*"]
banks:
  team-engineering:
    access:
    - principal: "agent:code-reviewer"
      permissions: [read]
    - principal: "user:*"
      permissions: [read, write]
{more}
"""
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "r": ("/v1/recall", {"query": "x"}),
    "w": ("/v1/retain", {"content": "x"}),
    "f": ("/v1/forget", {"memory_ids": ["0"]}),
    "a": ("/v1/forget", {"scope": "all"}),
}
NAMES = {"r": "read", "w": "write", "f": "forget", "a": "admin"}
# caller, bank, what the page's grants give ("" when some fit but give nothing), what the owner policy gives
TABLE = [
    ("user:alice", "user-alice", "rwfa", ""),
    ("alice", "user-alice", "rwfa", ""),
    ("agent:support-bot", "shared-1", "rw", ""),
    ("agent:support-bot", "shared", None, ""),
    ("user:alice", "shared-1", None, ""),
    ("user:bob", "user-bob", None, "rwfa"),
    ("user:bob", "user-alice", None, ""),
    ("user:bob", "public", "r", ""),
    ("agent:code-reviewer", "public", "r", ""),
    ("agent:code-reviewer", "team-engineering", "r", ""),
    ("user:bob", "team-engineering", "rw", ""),
    ("agent:x", "agent-x", None, "rwfa"),
    ("service:cron", "service-cron", None, "rwfa"),
    ("user:root", "starbank", "rwfa", ""),
    ("user:bob", "newbank", None, ""),
    ("", "public", "r", ""),
    ("", "user-alice", None, ""),
]


def configure(folder: Path, *, policy: str = "owner_only", more: str = "") -> Path:
    file = folder / "astrocyte.yaml"
    file.write_text(GRANTS.format(folder=folder, policy=policy, more=more))
    return file


@pytest.mark.parametrize("policy", ["owner_only", "open", "deny"])
async def test_the_page_s_grants_as_written(tmp_path: Path, policy: str) -> None:
    async with Astrocyte.from_config(configure(tmp_path, policy=policy)) as engine:
        transport = httpx.ASGITransport(app=create_gateway(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
            for caller, bank, granted, owned in TABLE:
                by_policy = {"owner_only": owned, "open": "rwfa", "deny": ""}[policy]
                expected = by_policy if granted is None else granted
                for letter, (route, body) in CALLS.items():
                    headers = {"X-Astrocyte-Principal": caller}
                    answer = await client.post(route, headers=headers, json={**body, "bank_id": bank})
                    assert answer.status_code == (200 if letter in expected else 403), (caller, bank, letter)
                    if answer.status_code == 403:
                        name = "anonymous" if not caller else caller if ":" in caller else f"user:{caller}"
                        detail = f"Principal '{name}' denied '{NAMES[letter]}' on bank '{bank}'"
                        assert answer.json() == {"detail": detail, "code": "ACCESS_DENIED"}
        assert engine.audit.verify("memory").valid
        denials = [one.event for one in engine.audit.records("memory", limit=1000) if one.event["action"] == "denied"]
        assert all(event["rule"] and event["reason"] for event in denials)


async def test_a_recall_of_several_banks_needs_all_of_them(tmp_path: Path) -> None:
    async with Astrocyte.from_config(configure(tmp_path)) as engine:
        transport = httpx.ASGITransport(app=create_gateway(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
            answer = await client.post(
                "/v1/recall",
                headers={"X-Astrocyte-Principal": "user:bob"},
                json={"query": "x", "banks": ["public", "user-alice"]},
            )
            assert answer.status_code == 403
            assert answer.json()["detail"] == "Principal 'user:bob' denied 'read' on bank 'user-alice'"


@pytest.mark.parametrize(("more", "status"), [("identity:\n  obo_enabled: true", 200), ("", 403)])
async def test_on_behalf_of_is_the_intersection_of_both(tmp_path: Path, more: str, status: int) -> None:
    async with Astrocyte.from_config(configure(tmp_path, more=more)) as engine:
        transport = httpx.ASGITransport(app=create_gateway(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
            headers = {"X-Astrocyte-Principal": "agent:code-reviewer", "X-Astrocyte-On-Behalf-Of": "user:bob"}
            for letter, expected in (("r", status), ("w", 403)):
                route, body = CALLS[letter]
                answer = await client.post(route, headers=headers, json={**body, "bank_id": "team-engineering"})
                assert answer.status_code == expected
            assert "'agent:code-reviewer obo user:bob' denied 'write'" in answer.json()["detail"]


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
async def test_a_token_s_act_claim_acts_on_behalf_of_its_sub(tmp_path: Path) -> None:
    file = configure(tmp_path, more="identity:\n  obo_enabled: true")
    async with Astrocyte.from_config(file) as engine:
        settings = resolve_settings(environ={"ASTROCYTE_AUTH_MODE": "jwt_hs256", **HS256})
        transport = httpx.ASGITransport(app=create_gateway(engine, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
            for subject, reads in (("user:bob", 200), ("agent:nobody", 403)):
                headers = bearer(sub=subject, act={"sub": "agent:code-reviewer"})
                for letter, expected in (("r", reads), ("w", 403)):
                    route, body = CALLS[letter]
                    answer = await client.post(route, headers=headers, json={**body, "bank_id": "team-engineering"})
                    assert answer.status_code == expected
                    assert expected == 200 or f"'agent:code-reviewer obo {subject}' denied" in answer.json()["detail"]


def test_the_page_s_import_is_quick() -> None:
    code = "import sys, astrocyte; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
