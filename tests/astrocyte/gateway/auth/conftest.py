"""An identity provider on loopback that rotates, fails, delays and lies, and the ways to ask a mode who is calling."""

import asyncio
import base64
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from astrocyte.access.identity import AstrocyteContext
from astrocyte.gateway.auth import create_authenticator
from astrocyte.gateway.settings import resolve_settings

ISSUER = "https://auth.example.com"
AUDIENCE = "astrocyte"

Ask = Callable[..., Awaitable[AstrocyteContext | None]]


def jwk(key: RSAPrivateKey, kid: str | None, **fields: Any) -> dict[str, Any]:
    """The public half as a provider publishes it."""
    numbers = key.public_key().public_numbers()

    def text(value: int) -> str:
        return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()

    named = {} if kid is None else {"kid": kid}
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "n": text(numbers.n), "e": text(numbers.e), **named, **fields}


class Server(uvicorn.Server):
    """Says when it is ready; uvicorn itself can only be asked."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class Provider:
    """Serves ``document`` with ``status``, once ``gate`` is open; counts what it was asked. Lives in another thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.gate = threading.Event()
        self.asked = threading.Event()
        self.reset()

    def reset(self) -> None:
        self.document: bytes = b"{}"
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.requests = 0
        self.asked.clear()
        self.gate.set()

    def publish(self, *keys: Mapping[str, Any]) -> None:
        self.document = json.dumps({"keys": keys}).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        self.asked.set()
        await asyncio.to_thread(self.gate.wait)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.document})


@pytest.fixture(scope="session")
def running_provider() -> Iterator[Provider]:
    listener = socket.create_server(("127.0.0.1", 0))
    provider = Provider(f"http://127.0.0.1:{listener.getsockname()[1]}/jwks.json")
    server = Server(uvicorn.Config(provider, ws="none", lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    server.ready.wait()
    yield provider
    server.should_exit = True
    thread.join()
    listener.close()


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
