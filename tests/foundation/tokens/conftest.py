from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from tests.foundation.tokens.key_server import Provider, jwk, running_key_server


@pytest.fixture(scope="session")
def running_provider() -> Iterator[Provider]:
    with running_key_server() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: Provider) -> Iterator[Provider]:
    running_provider.reset()
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
