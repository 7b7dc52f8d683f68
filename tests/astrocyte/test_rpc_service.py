"""Memory over RPC, in process: the protocol, codec and errors are the same over QUIC."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from aster.foundation.errors import ConfigError
from aster.rpc import (
    InvalidArgumentError,
    LocalClient,
    PermissionDeniedError,
    RpcError,
    StatusCode,
    UnauthenticatedError,
)
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import GatewaySettings, resolve_settings
from astrocyte.mcp.tools import TOOLS, Headers, call_tool
from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.requests import (
    ForgetRequest,
    HistoryRequest,
    RecallRequest,
    ReflectRequest,
    RetainBatchRequest,
    RetainRequest,
)
from astrocyte.rpc_service import MemoryService


@pytest.fixture
async def client(plain: Astrocyte) -> AsyncIterator[LocalClient]:
    async with LocalClient([MemoryService(plain)]) as client:
        yield client


async def test_retain_recall_and_forget_over_rpc(client: LocalClient, plain: Astrocyte) -> None:
    memory = await client.client(MemoryService)
    alice = {"x-astrocyte-principal": "user:alice"}
    kept = await memory.retain(RetainRequest(content="Alice likes dark mode", bank_id="b"), metadata=alice)
    batch = [NewMemory(content="It rained"), NewMemory(content="The sun came out")]
    assert len((await memory.retain_batch(RetainBatchRequest(bank_id="b", memories=batch))).results) == 2
    (hit,) = (await memory.recall(RecallRequest(query="dark mode", bank_id="b"))).hits
    assert (hit.text, hit.memory_id) == ("Alice likes dark mode", kept.memory_id)
    assert (await memory.forget(ForgetRequest(bank_id="b", scope="all"), metadata=alice)).deleted_count == 3
    principals = [record.event["principal"] for record in plain.audit.records("memory")]
    assert principals == ["user:alice", "anonymous", "user:alice"]


async def test_bad_requests_have_a_status_and_a_code(client: LocalClient) -> None:
    memory = await client.client(MemoryService)
    with pytest.raises(InvalidArgumentError, match="'a b'") as caught:
        await memory.retain(RetainRequest(content="x", bank_id="a b"))
    assert caught.value.details == {"code": "BANK_ID_INVALID"}
    with pytest.raises(InvalidArgumentError, match="nothing is selected"):
        await memory.forget(ForgetRequest(bank_id="b"))
    with pytest.raises(InvalidArgumentError) as refused:
        await memory.recall(RecallRequest(query="x", bank_id="b"), metadata={"x-astrocyte-principal": "a" * 300})
    assert refused.value.details == {"code": "PRINCIPAL_INVALID"}


async def test_a_store_that_fails_is_unavailable_without_file_names(client: LocalClient, plain: Astrocyte) -> None:
    memory = await client.client(MemoryService)
    await plain._opened.database.close()
    with pytest.raises(RpcError, match="the memory store is not available") as caught:
        await memory.retain(RetainRequest(content="x", bank_id="b"))
    assert caught.value.status is StatusCode.UNAVAILABLE


async def test_the_gateway_s_limit_on_results_holds_over_rpc(plain: Astrocyte) -> None:
    for number in range(3):
        await plain.retain(f"tea {number}", "b")
    async with LocalClient([MemoryService(plain, GatewaySettings(max_result_limit=1))]) as client:
        memory = await client.client(MemoryService)
        found = await memory.recall(RecallRequest(query="tea", bank_id="b", max_results=100))
        then = await memory.history(
            HistoryRequest(query="tea", bank_id="b", as_of=datetime(9999, 1, 1, tzinfo=UTC), max_results=9)
        )
    assert (len(found.hits), len(then.hits)) == (1, 1)


async def test_an_unknown_mode_refuses_to_serve(plain: Astrocyte) -> None:
    with pytest.raises(ConfigError, match="Unknown ASTROCYTE_AUTH_MODE"):
        MemoryService(plain, GatewaySettings(auth_mode="trust"))


async def test_a_mode_asks_for_the_same_over_rpc(plain: Astrocyte) -> None:
    settings = resolve_settings(environ={"ASTROCYTE_AUTH_MODE": "api_key", "ASTROCYTE_API_KEY": "k" * 16})
    async with LocalClient([MemoryService(plain, settings)]) as local:
        memory = await local.client(MemoryService)
        claimed = {"x-astrocyte-principal": "user:alice"}
        for metadata in ({}, claimed, {**claimed, "x-api-key": "wrong"}):
            with pytest.raises(UnauthenticatedError, match="Invalid or missing API key"):
                await memory.recall(RecallRequest(query="x", bank_id="b"), metadata=metadata)
        found = await memory.recall(RecallRequest(query="x", bank_id="b"), metadata={**claimed, "x-api-key": "k" * 16})
        assert found.hits == []


AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
DENIED: dict[str, Any] = {
    "retain": RetainRequest(content="x", bank_id="user-ann"),
    "retain_batch": RetainBatchRequest(bank_id="user-ann", memories=[NewMemory(content="x")]),
    "recall": RecallRequest(query="x", bank_id="user-ann"),
    "reflect": ReflectRequest(query="x", bank_id="user-ann"),
    "history": HistoryRequest(query="x", bank_id="user-ann", as_of=AS_OF),
    "forget": ForgetRequest(bank_id="user-ann", memory_ids=["0"]),
}


@pytest.fixture
async def guarded(url: str) -> AsyncIterator[Astrocyte]:
    """An engine in which nobody but ann may touch her bank; nothing was touched when the test is over."""
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}, "access_control": {"enabled": True}}
    async with Astrocyte.from_config_dict(values) as engine:
        yield engine
        assert await engine.list_banks() == ([], False)
        assert {record.event["action"] for record in engine.audit.records("memory")} == {"denied"}


async def test_no_method_lets_a_caller_through_who_has_no_grant(guarded: Astrocyte) -> None:
    methods = {name for name in vars(MemoryService) if not name.startswith("_")}
    assert methods == DENIED.keys(), "a new method needs a request here"
    async with LocalClient([MemoryService(guarded)]) as client:
        memory: Any = await client.client(MemoryService)
        for name, request in DENIED.items():
            with pytest.raises(PermissionDeniedError):
                await getattr(memory, name)(request, metadata={"x-astrocyte-principal": "user:mallory"})


async def test_no_tool_lets_a_caller_through_who_has_no_grant(guarded: Astrocyte) -> None:
    transport = httpx.ASGITransport(app=create_gateway(guarded))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:

        async def ask(method: str, path: str, body: bytes | None, headers: Headers) -> tuple[int, bytes]:
            answer = await http.request(method, path, content=body, headers=dict(headers))
            return answer.status_code, answer.content

        for name, tool in TOOLS.items():
            request = msgspec.to_builtins(DENIED[name.removeprefix("memory_")])
            done, answer = await call_tool(tool, request, ask, {"x-astrocyte-principal": "user:mallory"})
            assert (done, answer["code"]) == (False, "ACCESS_DENIED"), name
