from collections.abc import Iterator

import pytest
from tests.foundation.tokens.key_server import Provider, jwk, running, running_key_server
from tests.trust.instance.clouds import Sts, rsa_key


@pytest.fixture(scope="session")
def running_sts() -> Iterator[Sts]:
    with running(Sts) as sts:
        yield sts


@pytest.fixture
def sts(running_sts: Sts) -> Sts:
    running_sts.reset()
    return running_sts


@pytest.fixture(scope="session")
def running_provider() -> Iterator[Provider]:
    with running_key_server() as provider:
        yield provider


@pytest.fixture
def keys(running_provider: Provider) -> Iterator[Provider]:
    """The published keys of a cloud: one, called k1."""
    running_provider.reset()
    running_provider.publish(jwk(rsa_key("cloud"), "k1"))
    yield running_provider
    running_provider.gate.set()
