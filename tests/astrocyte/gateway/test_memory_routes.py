"""Single memories and whole banks over HTTP."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import GatewaySettings
from astrocyte.memory import Astrocyte


async def retain(client: httpx.AsyncClient, *contents: str, bank: str = "b") -> list[str]:
    body = {"bank_id": bank, "memories": [{"content": content} for content in contents]}
    answer = await client.post("/v1/retain/batch", json=body)
    return [result["memory_id"] for result in answer.json()["results"]]


async def test_memories_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    ids = await retain(client, "one", "two", "three")
    first = (await client.get("/v1/banks/b/memories", params={"limit": 2})).json()
    second = (await client.get("/v1/banks/b/memories", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [memory["memory_id"] for memory in (*first["memories"], *second["memories"])] == ids
    assert second["next_cursor"] is None


async def test_one_memory_is_read_and_forgotten(client: httpx.AsyncClient) -> None:
    (memory_id,) = await retain(client, "one")
    assert (await client.get(f"/v1/banks/b/memories/{memory_id}")).json()["content"] == "one"
    assert (await client.delete(f"/v1/banks/b/memories/{memory_id}")).json()["deleted_count"] == 1
    gone = await client.get(f"/v1/banks/b/memories/{memory_id}")
    assert (gone.status_code, gone.json()["code"]) == (404, "MEMORY_NOT_FOUND")


async def test_a_bank_tells_what_it_holds_and_can_be_emptied(client: httpx.AsyncClient) -> None:
    await retain(client, "one", "two")
    assert (await client.get("/v1/banks/b")).json()["memories"] == 2
    assert (await client.delete("/v1/banks/b")).json()["deleted_count"] == 2
    unknown = await client.get("/v1/banks/never")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "BANK_NOT_FOUND")


async def test_a_memory_is_changed_put_away_and_brought_back(client: httpx.AsyncClient) -> None:
    (memory_id,) = await retain(client, "the sky is green")
    path = f"/v1/banks/b/memories/{memory_id}"
    changed = await client.patch(path, json={"content": "the sky is blue", "speaker": "ann"})
    assert (changed.json()["content"], changed.json()["speaker"]) == ("the sky is blue", "ann")
    assert (await client.patch(path, json={"speaker": None})).json()["speaker"] is None
    assert (await client.patch(path, json={})).status_code == 400
    ask = {"query": "blue sky", "bank_id": "b"}
    assert (await client.post(f"{path}/archive")).json()["archived_at"] is not None
    assert (await client.post("/v1/recall", json=ask)).json()["hits"] == []
    assert (await client.post(f"{path}/restore")).json()["archived_at"] is None
    assert (await client.post("/v1/debug/recall", json=ask)).json()["result_count"] == 1
    assert (await client.patch("/v1/banks/b/memories/none", json={"content": "x"})).status_code == 404


async def test_a_bank_is_made_set_up_and_counted(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/banks", json={"bank_id": "b", "settings": {"description": "ours"}})
    assert (made.json()["memories"], made.json()["settings"]["description"]) == (0, "ours")
    again = await client.post("/v1/banks", json={"bank_id": "b"})
    assert (again.status_code, again.json()["code"]) == (409, "BANK_EXISTS")
    assert (await client.put("/v1/banks/b", json={"pii": "reject"})).json()["settings"] == {"pii": "reject"}
    refused = await client.post("/v1/retain", json={"bank_id": "b", "content": "mail ann@example.com"})
    assert (refused.status_code, refused.json()["code"]) == (422, "PII_REJECTED")
    await retain(client, "one")
    assert (await client.get("/v1/banks/b/statistics")).json()["memories"] == 1
    assert (await client.put("/v1/banks/never", json={})).status_code == 404


async def test_a_person_is_erased_after_a_look(client: httpx.AsyncClient) -> None:
    await retain(client, "ann's secret", bank="user-ann")
    wanted = {"principal": "user:ann", "dry_run": True}
    assert (await client.post("/v1/erase", json=wanted)).json()["memories"] == 1
    report = (await client.post("/v1/erase", json=wanted | {"dry_run": False})).json()
    assert (report["memories"], report["is_scrubbed"]) == (1, True)
    assert (await client.get("/v1/banks/user-ann/memories")).json()["memories"] == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=many", "'limit' must be a whole number"),
        ("limit=1&limit=2", "'limit' is given twice"),
        ("limits=1", "unknown query parameter 'limits'"),
        ("cursor=nonsense", "cursor"),
        ("a=%ff", "query string"),
    ],
)
async def test_a_query_that_is_not_understood_is_refused(client: httpx.AsyncClient, query: str, says: str) -> None:
    answer = await client.get(f"/v1/banks/b/memories?{query}")
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


async def test_a_bank_goes_out_and_comes_in_as_json_lines(client: httpx.AsyncClient) -> None:
    ids = await retain(client, "one", "two")
    exported = await client.get("/v1/banks/b/export")
    assert exported.headers["content-type"] == "application/jsonl"
    assert exported.headers["content-disposition"] == 'attachment; filename="b.jsonl"'
    header, *lines, end = map(json.loads, exported.text.splitlines())
    assert (header["format"], [line["memory"]["memory_id"] for line in lines]) == ("astrocyte-bank", ids)
    assert end == {"end": {"lines": 2}}
    imported = await client.post("/v1/banks/c/import", content=exported.content)
    assert imported.json() == {"imported": 2, "skipped": 0, "forgotten": 0}
    listed = (await client.get("/v1/banks/c/memories")).json()["memories"]
    assert [memory["content"] for memory in listed] == ["one", "two"]


async def test_half_an_import_imports_nothing(client: httpx.AsyncClient) -> None:
    await retain(client, "one", "two")
    exported = (await client.get("/v1/banks/b/export")).content
    answer = await client.post("/v1/banks/c/import", content=exported[:-5])
    assert (answer.status_code, answer.json()["code"]) == (400, "EXPORT_INVALID")
    assert "/tmp" not in answer.json()["detail"]
    assert (await client.get("/v1/banks/c")).status_code == 404


@pytest.fixture
async def narrow(plain: Astrocyte) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that takes small imports only."""
    app = create_gateway(plain, GatewaySettings(max_import_bytes=2048))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
        yield client


async def test_an_import_has_a_limit_that_holds_for_chunked_bodies(narrow: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100

    assert (await narrow.post("/v1/banks/c/import", content=pieces())).status_code == 413
    assert (await narrow.post("/v1/banks/c/import", content=b"x" * 3000)).status_code == 413


async def test_who_may_not_export_or_import_is_refused_in_the_audit_log_too(plain: Astrocyte, url: str) -> None:
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}, "access_control": {"enabled": True}}
    async with Astrocyte.from_config_dict(values) as engine:
        transport = httpx.ASGITransport(app=create_gateway(engine))
        bob = {"X-Astrocyte-Principal": "user:bob"}
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=bob) as client:
            assert (await client.get("/v1/banks/user-ann/export")).status_code == 403
            assert (await client.post("/v1/banks/user-ann/import", content=b"x")).status_code == 403
        events = [record.event["operation"] for record in engine.audit.records("memory")]
    assert events == ["export", "import"]


async def test_a_recall_tells_which_evidence_found_each_hit(client: httpx.AsyncClient) -> None:
    await retain(client, "the boat is called Mermaid", "the printer is out of paper")
    asked = {"query": "boat", "bank_id": "b", "trace": True}
    told = (await client.post("/v1/recall", json=asked)).json()
    (hit,) = told["trace"]["hits"]
    assert hit["memory_id"] == told["hits"][0]["memory_id"]
    assert (hit["legs"][0]["leg"], hit["legs"][0]["rank"]) == ("keyword", 1)
    assert (await client.post("/v1/debug/recall", json={"query": "boat", "bank_id": "b"})).json()["trace"]["hits"]
    assert (await client.post("/v1/recall", json={"query": "boat", "bank_id": "b"})).json()["trace"]["hits"] == []


async def test_a_forget_can_be_looked_at_before(client: httpx.AsyncClient) -> None:
    ids = await retain(client, "the boat is called Mermaid", "the printer is out of paper")
    seen = (await client.post("/v1/forget/preview", json={"bank_id": "b", "query": "boat Mermaid"})).json()
    assert (seen["total"], [one["memory_id"] for one in seen["memories"]]) == (1, ids[:1])
    assert (await client.post("/v1/forget/preview", json={"bank_id": "b", "scope": "all"})).json()["total"] == 2
    assert (await client.post("/v1/forget/preview", json={"bank_id": "b"})).status_code == 400
    assert len((await client.get("/v1/banks/b/memories")).json()["memories"]) == 2
