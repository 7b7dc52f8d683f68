"""The contract's page on authentication, line by line, over HTTP.

Only ``dev`` acts so far; what the page says of the other modes is checked as "refuses to start".
"""

import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

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


@pytest.mark.parametrize("mode", ["api_key", "jwt_hs256", "jwt", "jwt_oidc"])
async def test_the_other_modes_refuse_to_start_rather_than_trust_everybody(engine: Astrocyte, mode: str) -> None:
    with pytest.raises(ConfigError, match=mode):
        create_gateway(engine, resolve_settings(environ={"ASTROCYTE_AUTH_MODE": mode, "ASTROCYTE_API_KEY": "sk-x"}))


async def test_access_control_refuses_to_be_configured_rather_than_be_ignored(tmp_path: Path) -> None:
    file = tmp_path / "astrocyte.yaml"
    file.write_text(
        textwrap.dedent(
            """
            access_control:
              enabled: true
              default_policy: owner_only
            access_grants:
              - bank_id: "public"
                principal: "*"
                permissions: [read]
            """
        )
    )
    with pytest.raises(ConfigError):
        Astrocyte.from_config(file)


def test_the_page_s_import_is_quick() -> None:
    code = "import sys, astrocyte; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
