"""Both clients against a gateway on a real socket: the engine's types come back, and the engine's errors."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from aster.foundation.errors import ConfigError
from aster.foundation.http.server import HttpServer
from astrocyte.client import AstrocyteClient, AsyncAstrocyteClient, Credentials, GatewayRefused, GatewayUnreachable
from astrocyte.client import calls as requests
from astrocyte.client import clients as module
from astrocyte.errors import AccessDenied, BankNotFound, InvalidContent, InvalidInput, MemoryNotFound
from astrocyte.gateway.app import create_gateway
from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte

ALICE = Credentials(principal="user:alice")


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    engine = Astrocyte.from_config_dict(
        {
            "storage": {"url": f"sqlite:///{tmp_path / 'memory.db'}"},
            "embedding": {"provider": "none"},
            "access_control": {"enabled": True, "default_policy": "owner_only"},
        }
    )
    server = HttpServer(host="127.0.0.1", port=0)
    async with engine:
        await server.start(create_gateway(engine))
        yield server.url
        await server.close()


async def test_the_awaited_client_does_what_the_engine_does(url: str, tmp_path: Path) -> None:
    async with AsyncAstrocyteClient(url, credentials=ALICE) as client:
        retained = await client.retain("Alice likes dark mode", "user-alice", tags=["ui"], metadata={"k": 1})
        assert retained.stored
        batch = await client.retain_batch("user-alice", [NewMemory(content="It rains"), NewMemory(content="It pours")])
        assert [result.stored for result in batch.results] == [True, True]
        (hit, *_) = (await client.recall("dark mode", "user-alice", tags=["ui"])).hits
        assert (hit.memory_id, hit.metadata) == (retained.memory_id, {"k": 1})
        assert "dark mode" in (await client.reflect("what does Alice like?", "user-alice")).answer
        memory = await client.get_memory("user-alice", hit.memory_id)
        assert memory.content == "Alice likes dark mode"
        page = await client.list_memories("user-alice", limit=2)
        rest = await client.list_memories("user-alice", limit=2, cursor=page.next_cursor)
        assert [len(page.memories), len(rest.memories), rest.next_cursor] == [2, 1, None]
        assert (await client.history("dark mode", "user-alice", memory.retained_at)).hits[0].memory_id == hit.memory_id
        assert (await client.bank_info("user-alice")).memories == 3
        assert (await client.whoami()).principal == "user:alice"
        assert (await client.check_access("retain", "user-bob")).allowed is False
        assert (await client.forget("user-alice", memory_ids=[hit.memory_id])).deleted_count == 1
        with pytest.raises(MemoryNotFound):
            await client.get_memory("user-alice", hit.memory_id)


async def test_the_blocking_client_does_the_same(url: str, tmp_path: Path) -> None:
    def use() -> None:
        with AstrocyteClient(url, credentials=ALICE) as client:
            client.retain("Alice likes dark mode", "user-alice")
            assert client.recall("dark mode", "user-alice").hits
            assert client.export_bank("user-alice", tmp_path / "bank.jsonl") > 0
            client.forget("user-alice", scope="all")
            assert client.import_bank("user-alice", tmp_path / "bank.jsonl").forgotten == 1
            imported = client.import_bank("user-alice", tmp_path / "bank.jsonl", bring_back_forgotten=True)
            assert (imported.imported, imported.skipped, imported.forgotten) == (1, 0, 0)
            assert client.import_bank("user-alice", tmp_path / "bank.jsonl").skipped == 1

    await asyncio.to_thread(use)


async def test_a_client_looks_after_banks(url: str) -> None:
    async with AsyncAstrocyteClient(url, credentials=ALICE) as client:
        kept = (await client.retain("Alice likes dark mode", "user-alice")).memory_id or ""
        assert (await client.archive_memory("user-alice", kept)).archived_at is not None
        assert (await client.restore_memory("user-alice", kept)).archived_at is None
        assert (await client.place_hold("user-alice", "case-7", "a court asked")).reason == "a court asked"
        assert [hold.hold_id for hold in (await client.legal_holds("user-alice")).holds] == ["case-7"]
        assert (await client.lift_hold("user-alice", "case-7")).released
        assert (await client.run_lifecycle("user-alice", dry_run=True)).is_dry_run
        assert (await client.list_derived("user-alice", "observation")).memories == []
        assert (await client.provenance("user-alice", kept)).sources == []
        assert (await client.waiting("user-alice")).waiting == []
        with pytest.raises(InvalidInput, match="nothing is derived"):
            await client.refresh_derived("user-alice")
        with pytest.raises(InvalidInput, match="no embedding model"):
            await client.reembed("user-alice")
        assert {finding.check for finding in (await client.doctor()).findings} >= {"integrity", "audit chain"}


async def test_the_engines_errors_come_back_as_they_are(url: str) -> None:
    async with AsyncAstrocyteClient(url, credentials=ALICE) as client:
        with pytest.raises(AccessDenied, match="denied 'write' on bank 'user-bob'"):
            await client.retain("mine now", "user-bob")
        with pytest.raises(InvalidContent):
            await client.retain("", "user-alice")
        with pytest.raises(BankNotFound):
            await client.bank_info("user-alice")
        with pytest.raises(GatewayRefused) as refused:
            await client.send(requests.Call("GET", "/v1/nowhere", dict))
        assert refused.value.details["status"] == 404


async def test_a_refused_export_leaves_no_file(url: str, tmp_path: Path) -> None:
    with AstrocyteClient(url, credentials=ALICE) as client, pytest.raises(AccessDenied):
        await asyncio.to_thread(client.export_bank, "user-bob", tmp_path / "bank.jsonl")
    assert [path.name for path in tmp_path.iterdir() if "jsonl" in path.name] == []


async def test_nobody_at_the_address_is_said_plainly() -> None:
    async with AsyncAstrocyteClient("http://127.0.0.1:1", credentials=Credentials()) as client:
        with pytest.raises(GatewayUnreachable, match="can't be reached"):
            await client.retain("a", "b")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a client waited before each sending, without waiting."""
    seen: list[float] = []
    monkeypatch.setattr("astrocyte.client.clients.time.sleep", seen.append)
    return seen


@contextmanager
def answering(*answers: httpx.Response | Exception) -> Iterator[AstrocyteClient]:
    """A client whose network gives these answers in order."""
    rest = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        found = rest.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    client = AstrocyteClient("http://gateway", credentials=Credentials())
    client._http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://gateway")
    with client:
        yield client
    assert rest == []


def busy(seconds: str) -> httpx.Response:
    return httpx.Response(429, headers={"Retry-After": seconds}, json={"detail": "slow", "code": "RATE_LIMITED"})


FOUND = httpx.Response(200, json={"deleted_count": 0, "archived_count": 0})
STORED = httpx.Response(200, json={"stored": True, "memory_id": "x"})
LOST = httpx.ReadError("gone")


def test_a_busy_gateway_is_asked_again_when_it_says(pauses: list[float]) -> None:
    with answering(busy("3"), STORED) as client:
        assert client.retain("a", "b").stored
    assert pauses == [0.0, 3.0]


def test_a_lost_answer_is_asked_for_again_only_where_nothing_happens_twice(pauses: list[float]) -> None:
    with answering(LOST, LOST, FOUND) as client:
        assert client.forget("b", memory_ids=["x"]).deleted_count == 0
    assert all(0 < pause <= module.LONGEST_PAUSE for pause in pauses[1:])
    with answering(LOST) as client, pytest.raises(GatewayUnreachable):
        client.retain("a", "b")


def test_asking_again_ends(pauses: list[float]) -> None:
    with answering(*[busy("1")] * module.ATTEMPTS) as client, pytest.raises(GatewayRefused) as refused:
        client.retain("a", "b")
    assert (refused.value.details["status"], len(pauses)) == (429, module.ATTEMPTS)


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"[]", b"\xff"])
def test_what_a_proxy_says_is_not_repeated(body: bytes) -> None:
    with answering(httpx.Response(502, content=body)) as client, pytest.raises(GatewayRefused) as refused:
        client.retain("a", "b")
    assert refused.value.message == "the gateway answered 502"


def test_credentials_come_from_the_environment_and_are_not_shown() -> None:
    who = Credentials.from_environment({"ASTROCYTE_API_KEY": "sk-1", "ASTROCYTE_PRINCIPAL": "agent:bot"})
    assert who.headers() == {"X-Astrocyte-Principal": "agent:bot", "X-Api-Key": "sk-1"}
    assert "sk-1" not in repr(who)
    with pytest.raises(ConfigError) as refused:
        Credentials(token="line\nbreak").headers()
    assert "break" not in str(refused.value)
