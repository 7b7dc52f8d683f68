"""A client that speaks to the gateway in process."""

from collections.abc import AsyncIterator

import httpx
import pytest

from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import GatewaySettings
from astrocyte.memory import Astrocyte


@pytest.fixture
async def client(plain: Astrocyte) -> AsyncIterator[httpx.AsyncClient]:
    app = create_gateway(plain, GatewaySettings(max_request_body_bytes=64 * 1024))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
