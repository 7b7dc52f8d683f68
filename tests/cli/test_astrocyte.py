"""The `astrocyte` command: the same words for a gateway and for a data directory of one's own."""

import json
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import httpx2
import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from tests.cli.processes import Start, addresses
from typer.testing import CliRunner

from aster.cli.astrocyte import app
from aster.foundation.errors import AsterError, ConfigError, StorageBusy, StorageError
from aster.stack.data import DataDirectory

ROOT = ["-c", "from aster.cli.astrocyte import run; run()"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a command prints; its error is raised."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "astrocyte.yaml").write_text("embedding: {provider: none}\n")
    monkeypatch.setenv("ASTROCYTE_CONFIG_PATH", str(tmp_path / "astrocyte.yaml"))

    def invoke(*arguments: str, stdin: str | None = None) -> str:
        result = CliRunner().invoke(app, arguments, input=stdin)
        if isinstance(result.exception, AsterError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke


def test_a_fact_is_remembered_found_reflected_on_and_forgotten(run: Callable[..., str]) -> None:
    fact = ("retain", "-b", "user-alice", "Alice likes dark mode", "--at", "2026-01-02", "--tag", "ui")
    memory_id = run(*fact).strip()
    found = run("recall", "dark mode", "-b", "user-alice")
    assert f"2026-01-02  user-alice/{memory_id}  Alice likes dark mode" in found
    assert "Alice likes dark mode" in run("reflect", "what does Alice like?", "-b", "user-alice")
    (hit,) = json.loads(run("recall", "mode", "-b", "user-alice", "--tag", "ui", "--json"))["hits"]
    assert hit["memory_id"] == memory_id
    assert json.loads(run("recall", "mode", "-b", "user-alice", "--since", "2026-01-03", "--json"))["hits"] == []
    assert run(*fact) == f"{memory_id}  (there already)\n"
    assert run("banks") == "user-alice\n"
    assert run("forget", "-b", "user-alice", memory_id) == "1 forgotten\n"


def test_a_recall_tells_what_found_each_hit(run: Callable[..., str]) -> None:
    run("retain", "-b", "b", "the boat is called Mermaid", "--speaker", "Ann")
    run("retain", "-b", "b", "the printer is out of paper")
    told = run("recall", "What did Ann call the boat?", "-b", "b", "--trace")
    assert re.search(r"^      place 1 in the bank by a sum of \d", told, re.MULTILINE)
    assert re.search(r"^      keyword +rank 1 +BM25 [\d.]+ +\+[\d.]+$", told, re.MULTILINE)
    assert re.search(r"^      speaker +rank 1 +\+[\d.]+$", told, re.MULTILINE)
    assert re.search(r"^searched 2 memories in [\d.]+ ms", told, re.MULTILINE)
    (hit,) = json.loads(run("recall", "boat", "-b", "b", "--trace", "--json"))["trace"]["hits"]
    assert hit["legs"][0]["leg"] == "keyword"
    assert json.loads(run("recall", "boat", "-b", "b", "--as-of", "2020-01-01", "--json"))["hits"] == []
    assert json.loads(run("recall", "boat", "-b", "b", "--layer", "page", "--json"))["hits"] == []


def test_lines_are_remembered_in_order_and_a_bad_line_is_named(run: Callable[..., str]) -> None:
    lines = "\n".join(json.dumps({"content": f"fact {number}"}) for number in range(100))
    assert run("retain", "-b", "b", "--lines", "-", stdin=lines).endswith("100 remembered, 0 there already\n")
    with pytest.raises(ConfigError, match="line 2"):
        run("retain", "-b", "b", "--lines", "-", stdin='{"content": "x"}\n{"contents": "y"}\n')
    with pytest.raises(ConfigError, match="one thing to remember"):
        run("retain", "-b", "b")


def test_a_bank_goes_out_and_comes_in(run: Callable[..., str], tmp_path: Path) -> None:
    run("retain", "-b", "a", "-", stdin="from a pipe")
    assert "bytes in" in run("export", "a", str(tmp_path / "a.jsonl"))
    assert run("import", "b", str(tmp_path / "a.jsonl")) == "1 imported, 0 there already\n"
    assert run("forget", "-b", "a", "--all", "--yes") == "1 forgotten\n"
    assert json.loads(run("recall", "pipe", "-b", "b", "--json"))["hits"][0]["text"] == "from a pipe"


def test_a_whole_bank_goes_only_after_a_yes(run: Callable[..., str]) -> None:
    run("retain", "-b", "a", "x")
    assert CliRunner().invoke(app, ["forget", "-b", "a", "--all"], input="n\n").exit_code == 1
    assert json.loads(run("recall", "x", "-b", "a", "--json"))["hits"]


def test_what_would_be_forgotten_is_shown_first(run: Callable[..., str]) -> None:
    run("retain", "-b", "a", "the boat is called Mermaid", "--at", "2026-01-02", "--tag", "boat")
    run("retain", "-b", "a", "the printer is out of paper", "--at", "2026-03-04")
    assert run("forget", "-b", "a", "--tag", "boat", "--dry-run").endswith("1 would be forgotten\n")
    assert run("forget", "-b", "a", "--since", "2026-02-01", "--dry-run").startswith("2026-03-04  ")
    assert json.loads(run("forget", "-b", "a", "--all", "--dry-run", "--json"))["total"] == 2
    assert "0 would be" in run("forget", "-b", "a", "--query", "quantum chromodynamics", "--dry-run")
    asked = CliRunner().invoke(app, ["forget", "-b", "a", "--query", "boat Mermaid"], input="n\n")
    assert asked.exit_code == 1
    assert "the boat is called Mermaid" in asked.stderr
    assert run("forget", "-b", "a", "--query", "boat Mermaid", "--yes") == "1 forgotten\n"
    assert run("forget", "-b", "a", "--since", "2026-02-01") == "1 forgotten\n"


def test_banks_are_made_set_up_told_of_and_deleted(run: Callable[..., str]) -> None:
    assert "pii                  redact" in run("banks", "create", "a", "--pii", "redact", "--exempt-tag", "keep")
    run("retain", "-b", "a", "write to ann@example.org", "--tag", "mail")
    changed = json.loads(run("banks", "configure", "a", "--delete-after", "30", "--json"))
    assert changed["settings"] == {"pii": "redact", "delete_after_days": 30, "exempt_tags": ["keep"]}
    assert json.loads(run("banks", "configure", "a", "--anew", "--json"))["settings"] == {}
    told = run("banks", "show", "a")
    assert re.search(r"^memories +1$", told, re.MULTILINE)
    assert re.search(r"^tags +mail \(1\)$", told, re.MULTILINE)
    assert json.loads(run("banks", "--json")) == json.loads(run("banks", "list", "--json")) == {"banks": ["a"]}
    with pytest.raises(AsterError, match="pii"):
        run("banks", "configure", "a", "--pii", "hide")
    assert CliRunner().invoke(app, ["banks", "delete", "a"], input="n\n").exit_code == 1
    assert run("banks", "delete", "a", "--yes").startswith("1 forgotten")
    assert run("banks") == ""


def test_a_hold_is_placed_with_a_reason_told_and_lifted(run: Callable[..., str]) -> None:
    run("retain", "-b", "a", "x")
    placed = run("holds", "place", "a", "case-7", "--reason", "a court asked")
    assert placed.endswith("case-7  service:admin  a court asked\n")
    assert run("holds", "list", "a") == placed
    with pytest.raises(AsterError, match="legal hold: case-7"):
        run("forget", "-b", "a", "--all", "--yes")
    assert run("holds", "lift", "a", "case-7") == "lifted\n"
    with pytest.raises(AsterError, match="no hold 'case-7'"):
        run("holds", "lift", "a", "case-7")
    assert json.loads(run("holds", "list", "a", "--json")) == {"holds": []}


def test_one_memory_is_shown_changed_put_away_and_brought_back(run: Callable[..., str]) -> None:
    one = run("retain", "-b", "a", "the code is 1111", "--tag", "code").strip()
    assert "  tags           code" in run("show", "-b", "a", one)
    assert "the code is 2222" in run("update", "-b", "a", one, "--content", "the code is 2222")
    with pytest.raises(ConfigError, match="nothing is changed"):
        run("update", "-b", "a", one)
    assert "[archived]" in run("archive", "-b", "a", one)
    assert json.loads(run("recall", "code", "-b", "a", "--json"))["hits"] == []
    assert "[archived]" not in run("restore", "-b", "a", one)
    assert "the code is 2222" in run("history", "code", "-b", "a", "--as-of", "2100-01-01")
    assert run("history", "code", "-b", "a", "--as-of", "2020-01-01") == ""


def test_a_sweep_is_shown_before_it_happens(run: Callable[..., str]) -> None:
    run("banks", "create", "a", "--delete-after", "1")
    run("retain", "-b", "a", "x")
    assert run("lifecycle", "a", "--dry-run") == "a: 0 would be put away, 0 would be forgotten\n"
    assert json.loads(run("lifecycle", "--all", "--json"))["banks"]["a"]["deleted_count"] == 0
    with pytest.raises(ConfigError, match="--all"):
        run("lifecycle")


def test_what_is_derived_is_listed_and_what_waits_told(run: Callable[..., str]) -> None:
    one = run("retain", "-b", "a", "x").strip()
    assert json.loads(run("derived", "list", "a", "--json")) == {"memories": []}
    assert run("derived", "sources", "a", one) == ""
    assert json.loads(run("derived", "waiting", "a", "--json")) == {"waiting": []}
    with pytest.raises(ConfigError, match="'facts' is not derived"):
        run("derived", "list", "a", "--kind", "facts")
    with pytest.raises(AsterError, match="nothing is derived"):
        run("derived", "refresh", "a")


def test_an_import_says_what_it_left_out_and_how_to_have_it(run: Callable[..., str], tmp_path: Path) -> None:
    one = run("retain", "-b", "a", "x").strip()
    run("export", "a", str(tmp_path / "a.jsonl"))
    run("forget", "-b", "a", one)
    told = CliRunner().invoke(app, ["import", "a", str(tmp_path / "a.jsonl")])
    assert told.stdout == "0 imported, 0 there already\n"
    assert "--bring-back-forgotten" in told.stderr
    assert run("import", "a", str(tmp_path / "a.jsonl"), "--bring-back-forgotten").startswith("1 imported")


def test_a_bank_without_vectors_is_embedded_by_the_model_that_is_configured(
    run: Callable[..., str], tmp_path: Path
) -> None:
    lines = "\n".join(json.dumps({"content": f"fact {number}"}) for number in range(520))
    run("retain", "-b", "a", "--lines", "-", stdin=lines)
    with pytest.raises(AsterError, match="no embedding model"):
        run("reembed", "a")
    (tmp_path / "astrocyte.yaml").write_text("embedding: {provider: minilm}\n")
    assert re.search(r"^advice bank vectors: .*a \(520\)", run("doctor"), re.MULTILINE)
    assert run("reembed", "--all", "--dry-run").startswith("a: 520 of 520 passages to embed")
    with DataDirectory(tmp_path / "astrocyte-data"):  # as a server has it
        told = json.loads(run("reembed", "a", "--json"))["banks"]
        with pytest.raises(StorageBusy):
            run("lifecycle", "a")
    assert [(one["embedded"], one["remaining"], one["is_finished"]) for one in told] == [(520, 0, True)]
    assert run("reembed", "a").startswith("a: nothing to do")
    assert "advice" not in run("doctor")


def test_a_bank_is_listed_page_by_page(run: Callable[..., str]) -> None:
    lines = "\n".join(json.dumps({"content": f"fact {number}", "speaker": "Ann"}) for number in range(600))
    run("retain", "-b", "a", "--lines", "-", stdin=lines)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d  \w{16}  Ann: fact 0", run("list", "-b", "a").splitlines()[0])
    told = json.loads(run("list", "-b", "a", "--max", "550", "--json"))
    assert (len(told["memories"]), told["more"]) == (550, True)
    assert [one["content"] for one in told["memories"]] == [f"fact {number}" for number in range(550)]
    assert "fact 1" in run("reflect", "which fact is 1?", "-b", "a", "--extractive")


def test_a_directory_that_is_served_says_by_whom(run: Callable[..., str], tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "astrocyte-data"), pytest.raises(StorageBusy, match="in use by process"):
        run("banks")


def test_serve_answers_the_contract_s_first_request_and_the_other_commands(
    start: Start, tmp_path: Path, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(command=[*ROOT, "serve", "--port", "0", "--data", str(tmp_path / "data"), "--json"])
    url = addresses(process)["url"]
    body = {"content": "Alice likes dark mode", "bank_id": "user-alice"}
    headers = {"X-Astrocyte-Principal": "user:alice"}
    assert httpx.post(f"{url}/v1/retain", json=body, headers=headers).json()["stored"] is True
    assert [httpx.get(f"{url}/{probe}").status_code for probe in ("live", "ready", "metrics")] == [200] * 3
    monkeypatch.setenv("ASTROCYTE_URL", url)
    assert "dark mode" in run("recall", "mode", "-b", "user-alice", "--as", "user:alice")
    assert run("whoami", "--as", "agent:bot").startswith("agent:bot  (auth mode dev")


# MCP


def text(result: types.CallToolResult) -> str:
    return cast("types.TextContent", result.content[0]).text


@asynccontextmanager
async def agent(folder: Path, *options: str) -> AsyncIterator[Client]:
    """The SDK's own client, and `astrocyte mcp` as its server over standard input and output."""
    config = folder / "astrocyte.yaml"
    config.write_text("embedding: {provider: none}\naccess_control: {enabled: true}\n")
    arguments = [*ROOT, "mcp", "--config", str(config), "--data", str(folder / "data"), *options]
    async with Client(StdioServerParameters(command=sys.executable, args=arguments, cwd=str(folder))) as client:
        yield client


async def test_an_agent_remembers_and_recalls_over_standard_input(tmp_path: Path) -> None:
    async with agent(tmp_path, "--as", "agent:bot") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert sorted(tools) == ["memory_forget", "memory_recall", "memory_reflect", "memory_retain"]
        assert tools["memory_retain"].input_schema["required"] == ["content", "bank_id"]
        hints = tools["memory_forget"].annotations
        assert hints is not None
        assert hints.destructive_hint is True
        fact = {"content": "The deploy key is in the vault", "bank_id": "agent-bot"}
        assert (await client.call_tool("memory_retain", fact)).structured_content["stored"] is True
        found = await client.call_tool("memory_recall", {"query": "deploy key", "bank_id": "agent-bot"})
        assert found.structured_content["hits"][0]["text"] == fact["content"]
        refused = await client.call_tool("memory_recall", {"query": "x", "bank_id": "user-alice"})
        assert refused.is_error
        assert text(refused) == "ACCESS_DENIED: Principal 'agent:bot' denied 'read' on bank 'user-alice'"
        wrong = await client.call_tool("memory_recall", {"query": "x", "bank": "user-alice"})
        assert text(wrong).startswith("VALIDATION_ERROR")


async def test_over_http_every_request_says_who_is_calling(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTROCYTE_AUTH_MODE", "api_key")
    monkeypatch.setenv("ASTROCYTE_API_KEY", "sk-long-enough-to-be-a-secret-here")
    config = tmp_path / "astrocyte.yaml"
    config.write_text("embedding: {provider: none}\naccess_control: {enabled: true}\n")
    options = ["--transport", "http", "--port", "0", "--config", str(config), "--data", str(tmp_path / "data")]
    process = start(command=[*ROOT, "mcp", *options])
    assert process.stdout is not None
    url = process.stdout.readline().split()[3].rstrip(";")
    assert httpx.post(url, json={}).status_code == 401
    assert httpx.post(url, json={}, headers={"X-Api-Key": "wrong"}).json()["detail"] == "Invalid or missing API key"

    async def retain(principal: str, bank: str) -> Any:
        headers = {"X-Api-Key": "sk-long-enough-to-be-a-secret-here", "X-Astrocyte-Principal": principal}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return await client.call_tool("memory_retain", {"content": "x", "bank_id": bank})

    assert (await retain("agent:bot", "agent-bot")).structured_content["stored"] is True
    assert "ACCESS_DENIED" in text(await retain("agent:bot", "user-alice"))


# care


def test_a_doctor_says_what_is_well(run: Callable[..., str]) -> None:
    run("retain", "-b", "a", "x")
    findings = {found["check"]: found["is_well"] for found in json.loads(run("doctor", "--json"))}
    assert findings["integrity"] is True
    assert findings["audit chain"] is True


def test_a_backup_is_a_store_of_its_own(run: Callable[..., str], tmp_path: Path) -> None:
    run("retain", "-b", "a", "kept twice")
    (tmp_path / "copy").mkdir()
    with DataDirectory(tmp_path / "astrocyte-data"):  # as a server holds it
        assert "bytes in" in run("backup", str(tmp_path / "copy" / "memory.db"))
    with pytest.raises(StorageError, match="there is no store"):
        run("backup", str(tmp_path / "none.db"), "--data", str(tmp_path / "nowhere"))
    assert "kept twice" in run("recall", "kept", "-b", "a", "--data", str(tmp_path / "copy"))


def test_a_person_is_erased_after_a_yes(run: Callable[..., str]) -> None:
    run("retain", "-b", "user-ann", "ann's secret")
    assert "1 would be erased" in run("erase", "user:ann", "--dry-run")
    refused = CliRunner().invoke(app, ["erase", "user:ann"], input="n\n")
    assert refused.exit_code == 1
    assert "1 erased" in run("erase", "user:ann", "--yes")
    assert json.loads(run("recall", "secret", "-b", "user-ann", "--json"))["hits"] == []


# setup


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".codex").mkdir(parents=True)
    (home / ".cursor").mkdir()
    (home / ".claude.json").write_text('{\n    "theme": "dark",\n    "mcpServers": {"other": {"command": "x"}}\n}\n')
    (home / ".cursor" / "mcp.json").write_text("// comments are kept by hand\n{}\n")
    (home / ".codex" / "config.toml").write_text('model = "m"\n\n[mcp_servers.other]\ncommand = "x"\n')
    monkeypatch.setenv("HOME", str(home))
    return home


def test_setup_shows_each_change_and_asks(home: Path) -> None:
    before = {path: path.read_text() for path in home.rglob("*") if path.is_file()}
    result = CliRunner().invoke(app, ["setup", "claude-code"], input="n\n")
    added = [line[1:].strip() for line in result.output.splitlines() if line.startswith("+")]
    assert '"ASTROCYTE_PRINCIPAL": "agent:claude-code"' in added
    assert {path: path.read_text() for path in home.rglob("*") if path.is_file()} == before


def test_setup_changes_what_it_understands_and_leaves_the_rest(home: Path) -> None:
    result = CliRunner().invoke(app, ["setup", "--yes", "--url", "http://127.0.0.1:8080"])
    assert result.exit_code == 1, "Cursor's file has comments and must be told"
    assert "is not plain JSON" in result.output
    assert (home / ".cursor" / "mcp.json").read_text().startswith("//")
    claude = json.loads((home / ".claude.json").read_text())
    assert (claude["theme"], sorted(claude["mcpServers"])) == ("dark", ["astrocyte", "other"])
    assert claude["mcpServers"]["astrocyte"]["args"][-2:] == ["--url", "http://127.0.0.1:8080"]
    codex = tomllib.loads((home / ".codex" / "config.toml").read_text())
    assert codex["mcp_servers"]["astrocyte"]["env"] == {"ASTROCYTE_PRINCIPAL": "agent:codex"}
    assert codex["mcp_servers"]["other"] == {"command": "x"}
    again = CliRunner().invoke(app, ["setup", "codex", "claude-code", "--url", "http://127.0.0.1:8080"])
    assert again.output.count("nothing to do") == 2


def test_setup_takes_back_what_it_did(home: Path) -> None:
    for name in ("claude-code", "codex"):
        path = home / {"claude-code": ".claude.json", "codex": ".codex/config.toml"}[name]
        before = path.read_text()
        CliRunner().invoke(app, ["setup", name, "--yes"])
        assert path.read_text() != before
        assert CliRunner().invoke(app, ["setup", name, "--yes", "--remove"]).exit_code == 0
        load = tomllib.loads if path.suffix == ".toml" else json.loads
        assert load(path.read_text()) == load(before)


def test_setup_without_an_agent_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="no coding agent was found"):
        CliRunner().invoke(app, ["setup"], catch_exceptions=False)
