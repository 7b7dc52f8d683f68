"""Whatever a stranger sends, in every mode: never a failure of ours, and never a secret in the logs."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aster.foundation.logs import configure_logging
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import resolve_settings
from astrocyte.memory import Astrocyte

SECRETS = {
    "ASTROCYTE_API_KEY": "hunter2-api-key-hunter2",
    "ASTROCYTE_JWT_SECRET": "hunter2-jwt-secret-hunter2-hunter2",
    "ASTROCYTE_ADMIN_TOKEN": "hunter2-admin-token-hunter2",
}
NAMES = (b"authorization", b"x-api-key", b"x-admin-token", b"x-astrocyte-principal", b"x-astrocyte-on-behalf-of")
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PATHS = st.sampled_from(["/v1/whoami", "/v1/admin/banks", "/v1/nothing"])


@pytest.fixture(params=["dev", "api_key", "jwt_hs256", "jwt_oidc"])
async def client(request: pytest.FixtureRequest, plain: Astrocyte, provider: Any) -> AsyncIterator[httpx.AsyncClient]:
    environ = {
        "ASTROCYTE_AUTH_MODE": request.param,
        "ASTROCYTE_OIDC_JWKS_URL": provider.url,
        "ASTROCYTE_OIDC_ISSUER": "https://auth.example.com",
        "ASTROCYTE_OIDC_AUDIENCE": "astrocyte",
        **SECRETS,
    }
    transport = httpx.ASGITransport(app=create_gateway(plain, resolve_settings(environ=environ)))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


@FUZZ
@given(path=PATHS, headers=st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=60)), max_size=5))
async def test_no_headers_make_the_gateway_fail(
    client: httpx.AsyncClient, path: str, headers: list[tuple[bytes, bytes]]
) -> None:
    answer = await client.get(path, headers=headers)
    assert answer.status_code in {200, 400, 401, 404}
    assert set(answer.json()) >= {"detail", "code"} or answer.status_code == 200


@FUZZ
@given(value=st.binary(max_size=60))
async def test_no_bearer_makes_the_gateway_fail(client: httpx.AsyncClient, value: bytes) -> None:
    answer = await client.get("/v1/whoami", headers=[(b"authorization", b"Bearer " + value)])
    assert answer.status_code in {200, 401}


async def test_two_different_proofs_are_refused(client: httpx.AsyncClient) -> None:
    for name in NAMES:
        headers = [(one, b"a") for one in NAMES] + [(name, b"b")]
        for path in ("/v1/whoami", "/v1/admin/banks"):
            assert (await client.get(path, headers=headers)).status_code in {200, 400, 401}
    doubled = await client.get("/v1/admin/banks", headers=[(b"x-admin-token", b"a"), (b"x-admin-token", b"b")])
    assert doubled.status_code == 400


async def test_no_secret_and_no_token_is_logged(
    client: httpx.AsyncClient, issue: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"sub": "user:alice", "exp": int(time.time()) + 60}
    tokens = [issue(), issue(exp=1), issue(kid="k9"), jwt.encode(said, SECRETS["ASTROCYTE_JWT_SECRET"]), "x.y.z"]
    configure_logging(format="json", level="debug")
    try:
        for token in tokens:
            for extra in ({}, {"X-Api-Key": "hunter2-wrong"}, {"X-Api-Key": SECRETS["ASTROCYTE_API_KEY"]}):
                headers = {"Authorization": f"Bearer {token}", "X-Admin-Token": "hunter2-wrong", **extra}
                for path in ("/v1/whoami", "/v1/admin/banks"):
                    answer = await client.get(path, headers=headers)
                    assert "hunter2" not in answer.text
                    assert token not in answer.text
    finally:
        for name in ("aster", "astrocyte"):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.NOTSET)
    logged = capsys.readouterr().err
    assert '"msg":"request"' in logged
    assert "hunter2" not in logged
    assert not any(token in logged or token.rpartition(".")[2] in logged for token in tokens[:-1])
