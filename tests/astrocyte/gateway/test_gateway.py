"""The memory routes over HTTP: what they answer, and how they refuse."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aster.foundation.http.openapi import openapi_document
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.bodies import ErrorBody
from astrocyte.memory import Astrocyte
from astrocyte.models.minilm import MiniLm

ROUTES = ("/v1/retain", "/v1/retain/batch", "/v1/recall", "/v1/reflect", "/v1/history", "/v1/forget")


async def test_retain_recall_and_forget(client: httpx.AsyncClient) -> None:
    body = {"content": "Alice likes dark mode", "bank_id": "user-alice", "tags": ["ui"], "metadata": {"k": 1}}
    retained = await client.post("/v1/retain", json=body)
    assert retained.status_code == 200
    memory_id = retained.json()["memory_id"]
    assert retained.json() == {
        "stored": True,
        "memory_id": memory_id,
        "deduplicated": False,
        "error": None,
        "retention_action": "add",
        "curated": False,
        "memory_layer": None,
        "personal_data": [],
    }
    recalled = (await client.post("/v1/recall", json={"query": "dark mode", "bank_id": "user-alice"})).json()
    (hit,) = recalled["hits"]
    assert (hit["text"], hit["memory_id"], hit["tags"], hit["metadata"]) == (
        body["content"],
        memory_id,
        ["ui"],
        {"k": 1},
    )
    assert 0 < hit["score"] <= 1
    assert (recalled["total_available"], recalled["truncated"]) == (1, False)
    forgotten = await client.post("/v1/forget", json={"bank_id": "user-alice", "memory_ids": [memory_id]})
    assert forgotten.json() == {"deleted_count": 1, "archived_count": 0}
    assert (await client.post("/v1/recall", json={"query": "dark mode", "bank_id": "user-alice"})).json()["hits"] == []


async def test_a_batch_keeps_speakers_sessions_and_times(client: httpx.AsyncClient) -> None:
    turn = {
        "content": "I went hiking",
        "speaker": "Bob",
        "session_id": "s1",
        "occurred_at": "2026-01-31T09:30:00+01:00",
        "source": "call",
    }
    answer = await client.post("/v1/retain/batch", json={"bank_id": "b", "memories": [turn, {"content": "Rain fell"}]})
    assert [result["stored"] for result in answer.json()["results"]] == [True, True]
    within = {"start": "2026-01-31T08:00:00Z", "end": "2026-01-31T09:00:00Z"}
    body = {"query": "who hiked?", "banks": ["b"], "time_range": within}
    (hit,) = (await client.post("/v1/recall", json=body)).json()["hits"]
    assert (hit["speaker"], hit["session_id"], hit["source"]) == ("Bob", "s1", "call")
    assert hit["occurred_at"] == "2026-01-31T08:30:00Z"


async def test_reflect_and_history(client: httpx.AsyncClient) -> None:
    await client.post("/v1/retain", json={"content": "The key is under the mat", "bank_id": "b"})
    answer = (await client.post("/v1/reflect", json={"query": "where is the key?", "bank_id": "b"})).json()
    assert answer["answer"] == "The key is under the mat [1]"
    assert (answer["method"], len(answer["sources"])) == ("extractive", 1)
    asked = {"query": "key", "bank_id": "b", "as_of": "2020-01-01T00:00:00Z"}
    then = (await client.post("/v1/history", json=asked)).json()
    assert (then["hits"], then["as_of"]) == ([], "2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "words"),
    [
        ("/v1/retain", b"{", 400, "BAD_JSON", "not valid JSON"),
        ("/v1/retain", b"\xff\xfe", 400, "BAD_JSON", "not valid JSON"),
        ("/v1/retain", b"[" * 10_000, 400, "VALIDATION_ERROR", "Expected `object`"),
        ("/v1/retain", b"", 400, "BAD_JSON", "JSON"),
        ("/v1/retain", b"[]", 400, "VALIDATION_ERROR", "Expected `object`"),
        ("/v1/retain", b'{"content": "x"}', 400, "VALIDATION_ERROR", "bank_id"),
        ("/v1/retain", b'{"content": 7, "bank_id": "b"}', 400, "VALIDATION_ERROR", "content: Expected `str`"),
        ("/v1/retain", b'{"content": "x", "bank_id": "b", "tag": []}', 400, "VALIDATION_ERROR", "`tag`"),
        ("/v1/retain", b'{"content": "x", "bank_id": "a b"}', 400, "BANK_ID_INVALID", "'a b'"),
        ("/v1/retain", b'{"content": "", "bank_id": "b"}', 400, "CONTENT_INVALID", "Content is empty"),
        ("/v1/retain", b'{"content": "\\ud800", "bank_id": "b"}', 400, None, ""),
        ("/v1/retain", b'{"content": "x", "bank_id": "b", "metadata": {"a": {}}}', 400, "VALIDATION_ERROR", "metadata"),
        ("/v1/retain", b'{"content": "x", "bank_id": "b", "occurred_at": "now"}', 400, "VALIDATION_ERROR", "occurred"),
        ("/v1/recall", b'{"query": "x"}', 400, "BANK_REQUIRED", "bank_id or banks is required"),
        ("/v1/recall", b'{"query": "x", "banks": []}', 400, "BANK_REQUIRED", "bank_id or banks is required"),
        ("/v1/recall", b'{"query": " ", "bank_id": "b"}', 400, "QUERY_INVALID", "query"),
        ("/v1/recall", b'{"query": "x", "bank_id": "b", "max_results": "1"}', 400, "VALIDATION_ERROR", "max_results"),
        ("/v1/forget", b'{"bank_id": "b"}', 400, "NOTHING_SELECTED", "nothing is selected"),
        ("/v1/forget", b'{"bank_id": "b", "scope": "some"}', 400, "VALIDATION_ERROR", "scope"),
        ("/v1/retain/batch", b'{"bank_id": "b", "memories": []}', 400, "INVALID_INPUT", "memories"),
    ],
)
async def test_bad_bodies_are_named(
    client: httpx.AsyncClient, path: str, body: bytes, status: int, code: str | None, words: str
) -> None:
    answer = await client.post(path, content=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"detail", "code"}
    assert code in (None, answer.json()["code"])
    assert words in answer.json()["detail"]


async def test_an_oversized_body_is_refused_by_its_length(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/retain", json={"content": "x" * 70_000, "bank_id": "b"})
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_an_oversized_chunked_body_is_refused_while_it_comes(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1024
            yield b" " * 1024

    answer = await client.post("/v1/retain", content=endless(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (
        413,
        {"detail": "Request body too large", "code": "BODY_TOO_LARGE"},
    )


async def test_unknown_routes_and_methods(client: httpx.AsyncClient) -> None:
    missing = await client.post("/v1/remember", json={})
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found", "code": "NOT_FOUND"})
    wrong = await client.get("/v1/retain")
    assert (wrong.status_code, wrong.json()["detail"]) == (405, "Method Not Allowed")
    assert wrong.headers["allow"] == "POST"


async def test_another_content_type_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/retain", content=b"content=x", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_max_results_is_brought_into_its_bounds(client: httpx.AsyncClient) -> None:
    memories = [{"content": f"apple {number}"} for number in range(4)]
    await client.post("/v1/retain/batch", json={"bank_id": "b", "memories": memories})
    for asked, expected in ((-1, 1), (0, 1), (2, 2), (10**9, 4)):
        answer = await client.post("/v1/recall", json={"query": "apple", "bank_id": "b", "max_results": asked})
        assert len(answer.json()["hits"]) == expected


async def test_a_principal_of_other_bytes_is_refused_not_a_failure(client: httpx.AsyncClient) -> None:
    for value in (b"us\xe9r", b"\xff\xff", b"a" * 300, b"a\x01b"):
        headers = [(b"x-astrocyte-principal", value)]
        answer = await client.post("/v1/recall", json={"query": "x", "bank_id": "b"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "PRINCIPAL_INVALID")


async def test_two_different_principals_are_refused(client: httpx.AsyncClient) -> None:
    headers = [(b"x-astrocyte-principal", b"alice"), (b"x-astrocyte-principal", b"bob")]
    answer = await client.post("/v1/recall", json={"query": "x", "bank_id": "b"}, headers=headers)
    assert answer.status_code == 400


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([b"x-astrocyte-principal", b"content-type", b"x-request-id"]), value=st.binary(max_size=40))
async def test_no_header_makes_the_gateway_fail(client: httpx.AsyncClient, name: bytes, value: bytes) -> None:
    answer = await client.post("/v1/recall", content=b'{"query": "x", "bank_id": "b"}', headers=[(name, value)])
    assert answer.status_code in {200, 400, 415}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(ROUTES), body=st.binary(max_size=60))
async def test_no_body_makes_the_gateway_fail(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    assert (await client.post(path, content=body)).status_code in {200, 400}


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("content", "bank_id", "banks", "query", "tags", "metadata", "memories", "max_results", "as_of", "scope")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(ROUTES), body=st.dictionaries(st.sampled_from(KEYS), json_values))
async def test_no_json_makes_the_gateway_fail(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    answer = await client.post(path, json=body)
    assert answer.status_code in {200, 400}
    if answer.status_code == 400:
        assert set(answer.json()) == {"detail", "code"}


async def test_a_store_that_fails_is_a_503_without_file_names(client: httpx.AsyncClient, plain: Astrocyte) -> None:
    await plain._opened.database.close()
    answer = await client.post("/v1/retain", json={"content": "x", "bank_id": "b"})
    assert answer.status_code == 503
    assert answer.json() == {"detail": "the memory store is not available", "code": "STORAGE_FAILED"}


async def test_a_damaged_model_is_a_503_that_tells_the_way_out(url: str, tmp_path: Path) -> None:
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(b"damaged")
    settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
    async with Astrocyte(settings, provider=MiniLm(damaged)) as engine:
        transport = httpx.ASGITransport(app=create_gateway(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            answer = await client.post("/v1/retain", json={"content": "x", "bank_id": "b"})
    assert (answer.status_code, answer.json()["code"]) == (503, "MODEL_UNAVAILABLE")
    assert "astrocyte model prepare" in answer.json()["detail"]
    assert str(tmp_path) not in answer.text


async def test_the_table_of_routes_makes_an_openapi_document(plain: Astrocyte) -> None:
    document = openapi_document(create_gateway(plain).routes, title="Memory", version="1", error=ErrorBody)
    assert document["paths"].keys() >= {*ROUTES, "/v1/banks/{bank_id}", "/v1/whoami", "/v1/admin/sources"}
    assert document["paths"]["/v1/retain"]["post"]["x-access"] == "write"
