"""An identity provider on loopback that rotates, fails, delays and lies, and the ways to ask a mode who is calling."""

import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from tests.foundation.tokens.key_server import Provider, jwk, running_key_server

from astrocyte.access.identity import AstrocyteContext
from astrocyte.gateway.auth import create_authenticator
from astrocyte.gateway.settings import resolve_settings

ISSUER = "https://auth.example.com"
AUDIENCE = "astrocyte"

Ask = Callable[..., Awaitable[AstrocyteContext | None]]


@pytest.fixture(scope="session")
def running_provider() -> Iterator[Provider]:
    with running_key_server() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: Provider, signing_key: RSAPrivateKey) -> Iterator[Provider]:
    running_provider.reset()
    running_provider.publish(jwk(signing_key, "k1"))
    yield running_provider
    running_provider.gate.set()


@pytest.fixture(scope="session")
def signing_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def other_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture
def publish_form() -> Callable[..., dict[str, Any]]:
    return jwk


@pytest.fixture
def ask_mode() -> Callable[..., Ask]:
    """``ask_mode(mode, variable=...)`` gives ``ask(header=...)``: the mode's own answer to a request's headers."""

    def make(mode: str, **variables: str) -> Ask:
        environ = {"ASTROCYTE_AUTH_MODE": mode} | {f"ASTROCYTE_{name}": value for name, value in variables.items()}
        authenticate = create_authenticator(resolve_settings(environ=environ))

        async def ask(**headers: str | bytes) -> AstrocyteContext | None:
            given = {
                name.replace("_", "-").encode(): value.encode() if isinstance(value, str) else value
                for name, value in headers.items()
            }
            return await authenticate(lambda name: [given[name]] if name in given else [])

        return ask

    return make


@pytest.fixture
def ask_oidc(ask_mode: Callable[..., Ask], provider: Provider) -> Ask:
    return ask_mode("jwt_oidc", OIDC_JWKS_URL=provider.url, OIDC_ISSUER=ISSUER, OIDC_AUDIENCE=AUDIENCE)


@pytest.fixture
def issue(signing_key: RSAPrivateKey) -> Callable[..., str]:
    """A token as the provider would issue it; keywords change claims, None removes one."""

    def make(*, key: Any = signing_key, kid: str | None = "k1", alg: str = "RS256", **claims: Any) -> str:
        said = {"sub": "abc-123", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 3600, **claims}
        payload = {name: value for name, value in said.items() if value is not None}
        header = {} if kid is None else {"kid": kid}
        return jwt.api_jws.encode(json.dumps(payload).encode(), key, algorithm=alg, headers=header)

    return make
