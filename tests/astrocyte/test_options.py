"""Every option of `astrocyte.yaml` has an effect: one case an option, and none is left out of the table."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.astrocyte.openai_server import OpenAiServer, answered, calls, openai_server

from aster.foundation.errors import AsterError
from astrocyte import Astrocyte, AstrocyteContext, NewMemory
from astrocyte.config import SETTINGS
from astrocyte.errors import AstrocyteError

ANN = AstrocyteContext("user:ann")
OUTSIDE = {
    "max_query_length": "tests/astrocyte/test_limits.py",
    "max_label_length": "tests/astrocyte/test_limits.py",
    "max_reason_length": "tests/astrocyte/test_limits.py",
    "max_tag_length": "tests/astrocyte/test_limits.py",
    "max_metadata_bytes": "tests/astrocyte/test_limits.py",
    "max_banks": "tests/astrocyte/test_limits.py",
    "cache_dir": "tests/astrocyte/models/test_minilm.py",
    "policy_file": "tests/astrocyte/access",
    "policy_locale": "tests/astrocyte/access",
    "rerank": "tests/astrocyte/recall/test_evidence.py",
    "rerank_model": "tests/astrocyte/recall/test_evidence.py",
    "rerank_candidates": "tests/astrocyte/recall/test_evidence.py",
    "recogniser": "tests/astrocyte/retain/test_presidio.py",
    "presidio_model": "tests/astrocyte/retain/test_presidio.py",
    "fall_back": "tests/astrocyte/reflect/test_agent.py",
    "retries": "tests/astrocyte/reflect/test_agent.py",
    "timeout_seconds": "tests/astrocyte/reflect/test_agent.py",
    "max_seconds": "tests/astrocyte/reflect/test_agent.py",
    "max_steps": "tests/astrocyte/reflect/test_agent.py",
    "max_total_tokens": "tests/astrocyte/reflect/test_agent.py",
}
"""Options whose effect another file shows."""

Effect = Callable[[Astrocyte, Path, OpenAiServer], Awaitable[Any]]


async def code_of(work: Awaitable[Any]) -> str:
    try:
        await work
    except AstrocyteError as error:
        return error.code
    return "ok"


async def kept_in(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    return sorted(file.name for file in folder.glob("*.db"))


async def fsyncs(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    database = engine._opened.database
    return database.write_now(lambda connection: connection.execute("PRAGMA synchronous").fetchone()[0])


async def model_in_use(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    return engine.model_id


async def long_content(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    return await code_of(engine.retain("x" * 100, "b"))


async def many_tags(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    return await code_of(engine.retain("x", "b", tags=["a", "b"]))


async def large_batch(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    return await code_of(engine.retain_batch("b", [NewMemory(content="a"), NewMemory(content="b")]))


async def results(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    await engine.retain_batch("b", [NewMemory(content=f"apple {n}") for n in range(3)])
    return len((await engine.recall("apple", "b", max_results=100)).hits)


async def index_room(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    return engine._opened.searcher._indexes._cache_bytes


async def retained_twice(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    await engine.retain("same", "b")
    return (await engine.retain("same", "b")).stored


async def mail(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    await engine.retain("write to ann@example.com", "b")
    return (await engine.list_memories("b")).memories[0].content


async def old_memories(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    await engine.retain("old", "b", tags=["dear"])
    past = int((datetime.now(UTC) - timedelta(days=50)).timestamp() * 1_000_000)
    engine._opened.database.write_now(
        lambda connection: connection.execute("UPDATE memories SET retained_at = ?", (past,)).rowcount
    )
    swept = await engine.run_lifecycle("b")
    return (swept.archived_count, swept.deleted_count)


async def workers(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    return len(engine._workers)


async def written_by_ann(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    return await code_of(engine.retain("x", "strange", context=ANN))


async def on_behalf(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    from astrocyte.access.identity import parse_principal

    context = AstrocyteContext("user:ann", on_behalf_of=parse_principal("user:ann"))
    return await code_of(engine.retain("x", "user-ann", context=context))


async def asked_model(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    await engine.retain("Ann lives in Oslo", "b")
    result = await engine.reflect("Where does Ann live? Oslo", "b")
    return (result.model, len(server.requests), server.keys[:1])


async def derived(engine: Astrocyte, folder: Path, server: OpenAiServer) -> Any:
    await engine.retain("one", "b", speaker="Ann", tags=["t"])
    waiting = await engine.waiting("b")
    soon = {one.due_at - datetime.now(UTC) < timedelta(seconds=20) for one in waiting}
    return ([one.kind for one in waiting], soon)


BY_HAND = {"sweep_minutes": 0}
"""No sweep in the background that could come first."""

LLM = {"model": "m", "base_url": "SERVER"}
EFFECTS: Mapping[str, tuple[Mapping[str, Any], Effect, Any]] = {
    "storage_url": ({"storage": {"url": "sqlite:///FOLDER/other.db"}}, kept_in, ["other.db"]),
    "durability": ({"storage": {"durability": "normal"}}, fsyncs, 1),
    "provider": ({"embedding": {"provider": "none"}}, model_in_use, None),
    "max_content_length": ({"limits": {"max_content_length": 99}}, long_content, "CONTENT_TOO_LONG"),
    "max_tags": ({"limits": {"max_tags": 1}}, many_tags, "TAGS_INVALID"),
    "max_batch": ({"limits": {"max_batch": 1}}, large_batch, "BATCH_TOO_LARGE"),
    "max_results": ({"limits": {"max_results": 2}}, results, 2),
    "index_megabytes": ({"limits": {"index_megabytes": 16}}, index_room, 16 * 1024 * 1024),
    "duplicates": ({"retain": {"duplicates": "keep"}}, retained_twice, True),
    "pii": ({"barriers": {"pii": "redact"}}, mail, "write to [EMAIL_REDACTED]"),
    "archive_after_days": ({"lifecycle": {**BY_HAND, "archive_after_days": 10}}, old_memories, (1, 0)),
    "delete_after_days": ({"lifecycle": {**BY_HAND, "delete_after_days": 10}}, old_memories, (0, 1)),
    "exempt_tags": (
        {"lifecycle": {**BY_HAND, "delete_after_days": 10, "exempt_tags": ["dear"]}},
        old_memories,
        (0, 0),
    ),
    "sweep_minutes": ({"lifecycle": {"sweep_minutes": 0}}, workers, 0),
    "enabled": ({"access_control": {"enabled": True}}, written_by_ann, "ACCESS_DENIED"),
    "default_policy": ({"access_control": {"enabled": True, "default_policy": "open"}}, written_by_ann, "ok"),
    "obo_enabled": ({"access_control": {"enabled": True}, "identity": {"obo_enabled": True}}, on_behalf, "ok"),
    "model": ({"llm": LLM}, asked_model, ("m", 2, ["Bearer none"])),
    "base_url": ({"llm": LLM}, asked_model, ("m", 2, ["Bearer none"])),
    "api_key_env": ({"llm": {**LLM, "api_key_env": "OTHER_KEY"}}, asked_model, ("m", 2, ["Bearer other"])),
    "observations": ({"llm": LLM, "derive": {"observations": True}}, derived, (["observation"], {False})),
    "pages": ({"llm": LLM, "derive": {"pages": True}}, derived, (["page"], {False})),
    "models": ({"llm": LLM, "derive": {"models": ["why?"]}}, derived, (["model"], {False})),
    "delay_seconds": (
        {"llm": LLM, "derive": {"pages": True, "delay_seconds": 1, "in_background": False}},
        derived,
        (["page"], {True}),
    ),
    "in_background": ({"llm": LLM, "derive": {"pages": True, "in_background": False}}, workers, 1),
}
"""For each option: settings with it, what is looked at, and what is then seen."""


def filled(value: Any, folder: Path, server: OpenAiServer) -> Any:
    if isinstance(value, Mapping):
        return {key: filled(inner, folder, server) for key, inner in value.items()}
    if isinstance(value, str):
        return server.url if value == "SERVER" else value.replace("FOLDER", str(folder))
    return value


async def seen(sections: Mapping[str, Any], effect: Effect, folder: Path) -> Any:
    folder.mkdir()
    with openai_server(calls(("record", {"pieces": []})), answered("")) as server:
        base: dict[str, Any] = {"storage": {"url": f"sqlite:///{folder}/memory.db"}, "embedding": {"provider": "none"}}
        for section, keys in filled(sections, folder, server).items():
            base[section] = {**base.get(section, {}), **keys}
        async with Astrocyte.from_config_dict(base) as engine:
            return await effect(engine, folder, server)


@pytest.mark.parametrize("name", EFFECTS)
async def test_the_option_has_its_effect(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "other")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    sections, effect, expected = EFFECTS[name]
    assert await seen(sections, effect, tmp_path / "with") == expected
    setting = SETTINGS.by_name[name]
    without = {
        section: {
            key: value for key, value in keys.items() if (section, key) != (setting.section, setting.document_key)
        }
        for section, keys in sections.items()
    }
    if name in ("provider", "model", "base_url"):
        return  # without it there is another model, or none to ask
    with suppress(AsterError):  # without it the rest may be refused: an effect as well
        assert await seen(without, effect, tmp_path / "without") != expected


def test_no_option_is_left_out() -> None:
    assert {setting.name for setting in SETTINGS.settings} == EFFECTS.keys() | OUTSIDE.keys()
    assert not EFFECTS.keys() & OUTSIDE.keys()
    for file in OUTSIDE.values():
        assert Path(__file__).parents[2].joinpath(file).exists()
