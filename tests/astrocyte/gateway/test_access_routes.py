"""Who am I, may I, and: no route lets somebody through who may not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from astrocyte.access.grants import PERMISSIONS
from astrocyte.gateway.app import create_gateway
from astrocyte.memory import Astrocyte

BODIES: dict[str, dict[str, Any]] = {
    "/v1/debug/recall": {"query": "x", "bank_id": "b"},
    "/v1/banks": {"bank_id": "b"},
    "/v1/banks/{bank_id}": {},
    "/v1/banks/{bank_id}/memories/{memory_id}": {"content": "x"},
    "/v1/erase": {"principal": "user:ann", "banks": ["b"]},
    "/v1/retain": {"content": "x", "bank_id": "b"},
    "/v1/retain/batch": {"bank_id": "b", "memories": [{"content": "x"}]},
    "/v1/recall": {"query": "x", "bank_id": "b"},
    "/v1/reflect": {"query": "x", "bank_id": "b"},
    "/v1/history": {"query": "x", "bank_id": "b", "as_of": "2026-01-01T00:00:00Z"},
    "/v1/forget": {"bank_id": "b", "memory_ids": ["0"]},
    "/v1/forget/preview": {"bank_id": "b", "memory_ids": ["0"]},
}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Astrocyte]:
    settings = {
        "storage": {"url": f"sqlite:///{tmp_path}/memory.db"},
        "embedding": {"provider": "none"},
        "access_control": {"enabled": True},
        "identity": {"obo_enabled": True},
        "access_grants": [{"bank_id": "public", "principal": "*", "permissions": ["read"]}],
    }
    async with Astrocyte.from_config_dict(settings) as engine:
        yield engine


@pytest.fixture
async def guarded(engine: Astrocyte) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_gateway(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def test_who_am_i(guarded: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    headers = {"X-Astrocyte-Principal": "agent:bot", "X-Astrocyte-On-Behalf-Of": "alice"}
    assert (await guarded.get("/v1/whoami", headers=headers)).json() == {
        "principal": "agent:bot",
        "actor": {"type": "agent", "id": "bot", "claims": None},
        "on_behalf_of": {"type": "user", "id": "alice", "claims": None},
        "tenant_id": None,
        "auth_mode": "dev",
        "default_policy": "owner_only",
    }
    nobody = (await client.get("/v1/whoami")).json()
    assert (nobody["principal"], nobody["actor"], nobody["default_policy"]) == ("anonymous", None, None)


@pytest.mark.parametrize(
    ("caller", "body", "allowed", "rule"),
    [
        ("alice", {"operation": "forget_all", "bank_id": "user-alice"}, True, "owner_only"),
        ("alice", {"operation": "recall", "bank_id": "public"}, True, "grant"),
        ("alice", {"operation": "retain", "bank_id": "public"}, False, "grant"),
        ("alice", {"operation": "recall", "banks": ["public", "user-bob"]}, False, "owner_only"),
        ("alice", {"operation": "fly", "bank_id": "public"}, False, "unlisted"),
        ("", {"operation": "recall", "bank_id": "public"}, True, "grant"),
        ("", {"operation": "recall", "bank_id": "user-"}, False, "owner_only"),
    ],
)
async def test_may_i(
    guarded: httpx.AsyncClient, engine: Astrocyte, caller: str, body: dict[str, Any], allowed: bool, rule: str
) -> None:
    answer = await guarded.post("/v1/authz/check", headers={"X-Astrocyte-Principal": caller}, json=body)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["allowed"], said["rule"]) == (allowed, rule)
    assert said["reason"]
    assert said["principal"] == (f"user:{caller}" if caller else "anonymous")
    assert engine.audit.records("memory") == []


@pytest.mark.parametrize(
    "body", [{}, {"operation": "recall"}, {"operation": "recall", "bank_id": "a b"}, {"operation": 7, "bank_id": "b"}]
)
async def test_a_question_must_be_whole(guarded: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await guarded.post("/v1/authz/check", json=body)).status_code == 400


async def test_no_route_lets_a_caller_through_who_has_no_grant(guarded: httpx.AsyncClient, engine: Astrocyte) -> None:
    routes = [route for route in create_gateway(engine).routes if route.access in PERMISSIONS]
    assert {route.path for route in routes if route.body} == BODIES.keys(), "a new route needs a body here"
    for route in routes:
        for caller in ("", "user:mallory", "agent:b"):
            answer = await guarded.request(
                route.method,
                route.path.format(bank_id="b", memory_id="m"),
                headers={"X-Astrocyte-Principal": caller},
                json=BODIES.get(route.path),
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "ACCESS_DENIED"), route.path
    events = [record.event for record in engine.audit.records("memory")]
    assert len(events) == 3 * len(routes)
    assert {event["action"] for event in events} == {"denied"}
    assert (await guarded.get("/v1/admin/banks")).json()["banks"] == []
