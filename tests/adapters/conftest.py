"""A gateway on a real socket for the frameworks; run with `make frameworks`, in an environment that has them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aster.foundation.http.server import HttpServer
from astrocyte.client import AsyncAstrocyteClient, Credentials
from astrocyte.gateway.app import create_gateway
from astrocyte.memory import Astrocyte

BANK = "agent-bot"
BOT = Credentials(principal="agent:bot")


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    engine = Astrocyte.from_config_dict(
        {
            "storage": {"url": f"sqlite:///{tmp_path / 'memory.db'}"},
            "embedding": {"provider": "none"},
            "access_control": {"enabled": True},
        }
    )
    server = HttpServer(host="127.0.0.1", port=0)
    async with engine:
        await server.start(create_gateway(engine))
        yield server.url
        await server.close()


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncAstrocyteClient]:
    async with AsyncAstrocyteClient(url, credentials=BOT) as client:
        yield client
