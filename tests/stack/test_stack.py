import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from aster import AsterClient, AsterConfig, PermissionDeniedError
from aster.foundation.errors import AsterError, ConfigError, StorageBusy, StorageCorrupt
from aster.foundation.http.server import AddressUnavailable
from aster.policy.rpc_service import EvaluateSource, PolicyService
from aster.policy.service.signing import sign_request
from aster.stack.chains import verify_directory
from aster.stack.options import StackOptions
from aster.stack.stack import MEMORY_FILE, POLICY_FILE, Stack
from aster.trust.denials import DenyList
from aster.trust.keys import SigningKey
from aster.trust.nonces import CHAIN, StoredJournal
from astrocyte.requests import RecallRequest
from astrocyte.rpc_service import MemoryService

PING = {
    "source": 'Module demo.\n\nRule ping produce Text:\n  Return "pong".',
    "functionName": "ping",
    "context": {},
    "locale": "en-US",
}
EVALUATE = "/api/v1/policies/evaluate-source"


def options(data: Path, *, host: str = "127.0.0.1", port: int = 0) -> StackOptions:
    return StackOptions.from_environment({}, data=data, host=host, port=port)


def base(stack: Stack) -> str:
    return stack.addresses.url


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(options(tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base(stack), trust_env=False) as client:
        yield client


def signed(stack: Stack, body: bytes, target: str = EVALUATE, **who: Any) -> dict[str, str]:
    assert stack.policy_secret is not None
    headers = sign_request("POST", target, body, tenant=who.get("tenant", "acme-corp"), secret=stack.policy_secret)
    return {**headers, "Content-Type": "application/json"}


async def test_it_is_ready_when_it_is_open(http: httpx.AsyncClient) -> None:
    assert (await http.get("/livez")).status_code == 200
    ready = await http.get("/readyz")
    assert ready.status_code == 200
    assert {check["name"]: check["status"] for check in ready.json()["checks"]} == {"memory": "ok", "policy": "ok"}
    assert "aster_http_requests_total" in (await http.get("/metrics")).text


async def test_health_and_metrics_are_where_the_policy_service_documents_them(http: httpx.AsyncClient) -> None:
    for path in ("/q/health", "/q/health/ready"):
        answer = await http.get(path)
        assert (answer.status_code, answer.json()["status"]) == (200, "UP")
        assert answer.json()["checks"] == [{"name": "memory", "status": "UP"}, {"name": "policy", "status": "UP"}]
    assert (await http.get("/q/health/live")).json() == {"status": "UP", "checks": []}
    assert (await http.get("/healthz")).status_code == 200
    assert "aster_policy_cache_hits_total" in (await http.get("/q/metrics")).text
    assert (await http.get("/openapi")).json() == (await http.get("/openapi/policy.json")).json()
    viewer = await http.get("/q/swagger-ui")
    assert (viewer.status_code, viewer.headers["location"]) == (307, "/docs")


async def test_a_process_that_can_not_serve_is_down(stack: Stack, http: httpx.AsyncClient) -> None:
    async def lost() -> None:
        raise OSError("the disk is gone")

    stack.health.add_check("policy", lost)
    answer = await http.get("/q/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "DOWN")
    assert {"name": "policy", "status": "DOWN"} in answer.json()["checks"]
    assert "disk" not in answer.text
    assert (await http.get("/q/health/live")).json()["status"] == "UP"


async def test_metrics_can_be_kept_behind_a_token(tmp_path: Path) -> None:
    told = StackOptions.from_environment(
        {"ASTER_METRICS_TOKEN": "a token of the tests"}, data=tmp_path / "data", host="127.0.0.1", port=0
    )
    async with Stack(told) as stack, httpx.AsyncClient(base_url=base(stack), trust_env=False) as http:
        for path in ("/metrics", "/q/metrics"):
            refused = await http.get(path, headers={"Authorization": "Bearer another"})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert (await http.get(path)).status_code == 401
            assert (await http.get(path, headers={"Authorization": "Bearer a token of the tests"})).status_code == 200
        assert (await http.get("/readyz")).status_code == 200


async def test_what_is_retained_is_recalled_over_http_and_over_p2p(stack: Stack, http: httpx.AsyncClient) -> None:
    kept = await http.post("/v1/retain", json={"content": "Alice likes dark mode", "bank_id": "user-alice"})
    assert kept.json()["stored"] is True
    found = await http.post("/v1/recall", json={"query": "Which mode does Alice like?", "bank_id": "user-alice"})
    assert [hit["text"] for hit in found.json()["hits"]] == ["Alice likes dark mode"]
    config = AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled")
    async with AsterClient(address=stack.addresses.p2p or "", config=config) as client:
        memory = await client.client(MemoryService)
        answer = await memory.recall(RecallRequest(query="Which mode does Alice like?", bank_id="user-alice"))
        assert [hit.text for hit in answer.hits] == ["Alice likes dark mode"]
    page = (await http.get("/metrics")).text
    assert 'aster_rpc_handled_total{code="OK",method="recall",service="MemoryService"}' in page


async def test_the_contract_s_ping_is_answered_when_signed(stack: Stack, http: httpx.AsyncClient) -> None:
    body = json.dumps(PING).encode()
    answer = await http.post(EVALUATE, content=body, headers=signed(stack, body))
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"] == "pong"
    assert answer.json()["error"] is None


async def test_a_policy_is_decided_over_p2p_in_the_local_tenant(stack: Stack) -> None:
    config = AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled")
    async with AsterClient(address=stack.addresses.p2p or "", config=config) as client:
        policy = await client.client(PolicyService)
        outcome = await policy.evaluate_source(EvaluateSource(source=str(PING["source"]), function_name="ping"))
        assert outcome.result == "pong"


async def test_an_unsigned_request_gets_no_answer(http: httpx.AsyncClient) -> None:
    assert (await http.post(EVALUATE, json=PING)).status_code == 400
    assert (await http.post(EVALUATE, json=PING, headers={"X-Tenant-Id": "acme-corp"})).status_code == 401


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v2/retain", "/favicon.ico"])
async def test_an_unknown_route_is_a_json_404(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"


async def test_the_documents_describe_every_route(stack: Stack, http: httpx.AsyncClient) -> None:
    memory, policy = [(await http.get(url)).json() for url in stack.addresses.openapi]
    assert "/v1/retain" in memory["paths"]
    assert EVALUATE in policy["paths"]
    assert policy["openapi"].startswith("3.1")
    assert set(policy["components"]["securitySchemes"]) >= {"tenant", "signature", "role"}


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    async with Stack(options(tmp_path)) as stack, httpx.AsyncClient(base_url=base(stack), trust_env=False) as http:
        await http.post("/v1/retain", json={"content": "The key is under the mat", "bank_id": "home"})
    async with Stack(options(tmp_path)) as stack, httpx.AsyncClient(base_url=base(stack), trust_env=False) as http:
        found = await http.post("/v1/recall", json={"query": "Where is the key?", "bank_id": "home"})
    assert found.json()["hits"][0]["text"] == "The key is under the mat"


async def test_the_policy_service_can_be_served_alone(tmp_path: Path) -> None:
    async with Stack(replace(options(tmp_path), systems=frozenset({"policy"}))) as stack:
        assert stack.addresses.memory is None
        assert stack.addresses.p2p is None
        async with httpx.AsyncClient(base_url=base(stack), trust_env=False) as http:
            assert (await http.post("/v1/recall", json={"query": "?", "bank_id": "a"})).status_code == 404
            body = json.dumps(PING).encode()
            assert (await http.post(EVALUATE, content=body, headers=signed(stack, body))).json()["result"] == "pong"
    assert not (tmp_path / MEMORY_FILE).exists()


async def test_grants_of_a_configuration_file_hold_over_http(tmp_path: Path) -> None:
    (tmp_path / "astrocyte.yaml").write_text("access_control:\n  enabled: true\n  default_policy: owner_only\n")
    environ = {"ASTROCYTE_CONFIG_PATH": str(tmp_path / "astrocyte.yaml")}
    chosen = StackOptions.from_environment(environ, data=tmp_path / "data", host="127.0.0.1", port=0)
    async with Stack(chosen) as stack, httpx.AsyncClient(base_url=base(stack), trust_env=False) as http:
        body = {"content": "Alice likes dark mode", "bank_id": "user-alice"}
        alice, bob = ({"X-Astrocyte-Principal": f"user:{name}"} for name in ("alice", "bob"))
        assert (await http.post("/v1/retain", json=body, headers=alice)).status_code == 200
        refused = await http.post("/v1/retain", json=body, headers=bob)
        assert refused.status_code == 403
        assert refused.json()["detail"] == "Principal 'user:bob' denied 'write' on bank 'user-alice'"
    assert (tmp_path / "data" / MEMORY_FILE).exists()


async def test_a_configuration_file_that_is_wrong_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "astrocyte.yaml").write_text("access_control:\n  enable: true\n")
    environ = {"ASTROCYTE_CONFIG_PATH": str(tmp_path / "astrocyte.yaml")}
    chosen = StackOptions.from_environment(environ, data=tmp_path / "data", host="127.0.0.1", port=0)
    with pytest.raises(ConfigError, match="did you mean 'enabled'"):
        async with Stack(chosen):
            pass


async def test_a_second_stack_on_the_same_directory_is_refused(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(StorageBusy):
        async with Stack(options(tmp_path / "data")):
            pass
    async with httpx.AsyncClient(base_url=base(stack), trust_env=False) as http:
        assert (await http.get("/readyz")).status_code == 200


async def test_a_busy_port_leaves_the_directory_untouched(stack: Stack, tmp_path: Path) -> None:
    port = int(base(stack).rpartition(":")[2])
    with pytest.raises(AddressUnavailable):
        async with Stack(options(tmp_path / "other", port=port)):
            pass
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", [MEMORY_FILE, POLICY_FILE])
async def test_a_corrupt_database_is_named_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    garbage = b"this is not a database, whatever its name says" * 100
    (tmp_path / name).write_bytes(garbage)
    with pytest.raises(StorageCorrupt, match=name):
        async with Stack(options(tmp_path)):
            pass
    assert (tmp_path / name).read_bytes() == garbage


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with Stack(options(tmp_path)):
        pass
    with sqlite3.connect(tmp_path / POLICY_FILE) as database:
        database.execute("UPDATE migrations SET version = version + 1000 WHERE component = 'policy'")
    database.close()
    with pytest.raises(AsterError, match="newer version"):
        async with Stack(options(tmp_path)):
            pass


def test_dev_mode_does_not_listen_where_strangers_are(tmp_path: Path) -> None:
    async def start() -> None:
        async with Stack(options(tmp_path, host="0.0.0.0")):
            pass

    with pytest.raises(ConfigError, match="dev"):
        asyncio.run(start())


@pytest.mark.parametrize("variable", [("ASTER_BIND_ADDR", "0.0.0.0:0"), ("ASTER_RELAY_MODE", "default")])
def test_dev_mode_does_not_believe_strangers_over_p2p(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]
) -> None:
    monkeypatch.setenv(*variable)
    with pytest.raises(ConfigError, match="P2P gate admits everybody"):
        options(tmp_path)
    for allowed in ({"ASTROCYTE_ALLOW_DEV_AUTH": "true"}, {"ASTROCYTE_AUTH_MODE": "api_key"}):
        StackOptions.from_environment(allowed, data=tmp_path, host="127.0.0.1", port=0)
    monkeypatch.setenv("ASTER_ROOT_PUBKEY", "ab" * 32)
    options(tmp_path)


@pytest.mark.parametrize(("address", "tenant"), [("127.0.0.1:0", "local"), ("0.0.0.0:0", None)])
def test_peers_without_a_credential_decide_nothing_where_strangers_can_reach_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, tenant: str | None
) -> None:
    monkeypatch.setenv("ASTER_BIND_ADDR", address)
    environ = {"ASTROCYTE_ALLOW_DEV_AUTH": "true"}
    chosen = StackOptions.from_environment(environ, data=tmp_path, host="127.0.0.1", port=0)
    assert chosen.open_tenant == tenant


async def test_the_deny_list_is_kept_in_the_data_directory(tmp_path: Path) -> None:
    data, key = tmp_path / "data", SigningKey.generate()
    config = AsterConfig(bind_addr="127.0.0.1:0", relay_mode="disabled", secret_key=key.seed)
    async with Stack(options(data)) as stack:
        async with AsterClient(address=stack.addresses.p2p or "", config=config) as client:
            assert client.endpoint_id == key.public.hex()
        journal = StoredJournal.open(str(data))
        await DenyList(journal.database, journal.audit).deny(key.public.hex())
        await journal.close()
        turned_away = AsterClient(address=stack.addresses.p2p or "", config=config)
        with pytest.raises(PermissionDeniedError):
            await turned_away.connect()
        await turned_away.close()
    assert CHAIN in {result.chain for result in verify_directory(data)}
