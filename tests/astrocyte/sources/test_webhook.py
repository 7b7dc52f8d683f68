"""Webhooks over HTTP: the signature is the identity, in every auth mode; what comes twice is taken once."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from aster.foundation.errors import ConfigError
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import resolve_settings
from astrocyte.memory import Astrocyte
from astrocyte.sources.opening import running_sources
from astrocyte.sources.webhook import WINDOW_SECONDS

SECRET = "a-secret-that-is-long-enough"
PATH = "/v1/ingest/webhook/crm"


def values(tmp_path: Path, **webhook: Any) -> dict[str, Any]:
    return {
        "storage": {"url": f"sqlite:///{tmp_path / 'memory.db'}"},
        "embedding": {"provider": "none"},
        "access_control": {"enabled": True},
        "sources": {
            "crm": {"type": "webhook", "target_bank": "service-crm", "secret_env": "CRM_SECRET", **webhook},
        },
    }


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("CRM_SECRET", SECRET)
    settings = resolve_settings(
        environ={"ASTROCYTE_AUTH_MODE": "api_key", "ASTROCYTE_API_KEY": "k" * 32, "ASTROCYTE_ADMIN_TOKEN": "t" * 32}
    )
    async with Astrocyte.from_config_dict(values(tmp_path)) as engine, running_sources(engine) as sources:
        transport = httpx.ASGITransport(app=create_gateway(engine, settings, sources=sources))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield client


def signed(body: bytes, *, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Astrocyte-Signature": f"sha256={digest}", "X-Astrocyte-Timestamp": stamp}


BODY = json.dumps({"content": "Ann moved to Bern", "metadata": {"ticket": 7}}).encode()


async def test_a_signed_delivery_is_remembered_and_a_repetition_is_known(client: httpx.AsyncClient) -> None:
    first = (await client.post(PATH, content=BODY, headers=signed(BODY))).json()
    assert first["stored"] is True
    again = (await client.post(PATH, content=BODY, headers=signed(BODY, at=time.time() + 5))).json()
    assert (again["stored"], again["deduplicated"], again["memory_id"]) == (False, True, first["memory_id"])
    headers = {"X-Api-Key": "k" * 32, "X-Astrocyte-Principal": "service:crm"}
    found = await client.post("/v1/recall", json={"query": "Bern", "bank_id": "service-crm"}, headers=headers)
    assert found.json()["hits"][0]["metadata"] == {"ticket": 7}
    (source,) = (await client.get("/v1/admin/sources", headers={"X-Admin-Token": "t" * 32})).json()["sources"]
    assert (source["id"], source["type"], source["healthy"]) == ("crm", "webhook", True)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "missing signature header"),
        ({"X-Astrocyte-Signature": "00"}, "missing timestamp header"),
        (signed(BODY, secret="another"), "invalid signature"),
        (signed(BODY + b" "), "invalid signature"),
        (signed(BODY, at=time.time() - WINDOW_SECONDS - 60), "the timestamp is out of the window"),
        ({**signed(BODY), "X-Astrocyte-Timestamp": "soon"}, "invalid signature"),
        ({"X-Api-Key": "k" * 32, "X-Astrocyte-Principal": "service:crm"}, "missing signature header"),
    ],
)
async def test_what_is_not_signed_as_it_must_be_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], says: str
) -> None:
    answer = await client.post(PATH, content=BODY, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"detail": says, "code": "WEBHOOK_REFUSED"})


async def test_bytes_in_the_signature_are_a_refusal_and_no_failure(client: httpx.AsyncClient) -> None:
    headers = [(b"X-Astrocyte-Signature", b"\xff\xfe"), (b"X-Astrocyte-Timestamp", b"1")]
    assert (await client.post(PATH, content=BODY, headers=headers)).status_code == 401


async def test_an_unknown_source_and_a_body_that_is_none_are_told(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/ingest/webhook/none", content=BODY)).json()["detail"] == "unknown source"
    for body in (b"[]", b"{", b'{"contents": "x"}'):
        assert (await client.post(PATH, content=body, headers=signed(body))).status_code == 400


async def test_a_source_without_its_secret_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for secret in ("", "short"):
        monkeypatch.setenv("CRM_SECRET", secret)
        async with Astrocyte.from_config_dict(values(tmp_path)) as engine:
            with pytest.raises(ConfigError, match="CRM_SECRET must hold a secret"):
                async with running_sources(engine):
                    pass
