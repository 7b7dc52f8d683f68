"""The `curl` lines of the page, run by the real program as they are written; the port and the full token are ours."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

from aster.foundation.http.server import HttpServer
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import resolve_settings
from astrocyte.memory import Astrocyte

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

ADDRESS = "http://localhost:8080"
ABBREVIATED = "eyJhbGci..."
SECRET = "your-256-bit-secret"

DEV = r"""
curl -X POST http://localhost:8080/v1/retain \
-H "Content-Type: application/json" \
-H "X-Astrocyte-Principal: user:alice" \
-d '{"content": "Alice likes dark mode", "bank_id": "user-alice"}'
"""
API_KEY = r"""
curl -X POST http://localhost:8080/v1/recall \
-H "Content-Type: application/json" \
-H "X-Api-Key: sk-your-secret-key-here" \
-H "X-Astrocyte-Principal: agent:support-bot" \
-d '{"query": "user preferences", "bank_id": "shared"}'
"""
JWT = r"""
curl -X POST http://localhost:8080/v1/recall \
-H "Content-Type: application/json" \
-H "Authorization: Bearer eyJhbGci..." \
-d '{"query": "user preferences", "bank_id": "user-alice"}'
"""
ADMIN = r"""
curl http://localhost:8080/v1/admin/sources \
-H "X-Admin-Token: admin-secret-here"
"""

Run = Callable[..., Any]


@asynccontextmanager
async def gateway(tmp_path: Path, **environ: str) -> AsyncIterator[Run]:
    """What a command prints, with the page's environment."""
    values = {"storage": {"url": f"sqlite:///{tmp_path / 'memory.db'}"}, "embedding": {"provider": "none"}}
    server = HttpServer(host="127.0.0.1", port=0)

    async def run(command: str, **replaced: str) -> Any:
        for old, new in {ADDRESS: server.url, **replaced}.items():
            command = command.replace(old, new)
        done = await asyncio.to_thread(
            subprocess.run, ["sh", "-c", command.strip()], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    async with Astrocyte.from_config_dict(values) as engine:
        await server.start(create_gateway(engine, resolve_settings(environ=environ)))
        yield run
        await server.close()


async def test_the_line_of_dev(tmp_path: Path) -> None:
    async with gateway(tmp_path, ASTROCYTE_AUTH_MODE="dev") as run:
        assert (await run(DEV))["stored"] is True


async def test_the_line_of_api_key(tmp_path: Path) -> None:
    async with gateway(tmp_path, ASTROCYTE_AUTH_MODE="api_key", ASTROCYTE_API_KEY="sk-your-secret-key-here") as run:
        assert (await run(API_KEY))["hits"] == []
        assert (await run(API_KEY, **{"sk-your": "sk-another"}))["detail"] == "Invalid or missing API key"


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("mode", ["jwt_hs256", "jwt"])
async def test_the_line_of_jwt_with_the_page_s_token(tmp_path: Path, mode: str) -> None:
    claims = {"sub": "user:alice", "aud": "astrocyte", "iat": int(time.time()), "exp": int(time.time()) + 3600}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    environ = {"ASTROCYTE_JWT_SECRET": SECRET, "ASTROCYTE_JWT_AUDIENCE": "astrocyte"}
    async with gateway(tmp_path, ASTROCYTE_AUTH_MODE=mode, **environ) as run:
        assert (await run(JWT, **{ABBREVIATED: token}))["hits"] == []
        assert (await run(JWT))["detail"] == "Invalid token"


@pytest.mark.parametrize("mode", ["dev", "api_key"])
async def test_the_line_of_the_admin_token_in_another_mode_too(tmp_path: Path, mode: str) -> None:
    environ = {"ASTROCYTE_ADMIN_TOKEN": "admin-secret-here", "ASTROCYTE_API_KEY": "sk-your-secret-key-here"}
    async with gateway(tmp_path, ASTROCYTE_AUTH_MODE=mode, **environ) as run:
        assert await run(ADMIN) == {"sources": []}
        assert (await run(ADMIN, **{"admin-secret": "guess"}))["detail"] == "Invalid or missing X-Admin-Token"
