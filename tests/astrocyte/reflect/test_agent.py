"""Reflecting with a language model, over the real protocol: it looks things up, cites, and is held to what it cites."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.astrocyte.openai_server import HANG, OpenAiServer, answered, calls, openai_server

from aster.foundation.errors import ConfigError
from astrocyte import Astrocyte, NewMemory
from astrocyte.errors import InvalidInput, LanguageModelUnavailable

KEY = "sk-canary-4711-do-not-show"
TOLD = [
    NewMemory(content="I moved to Oslo in May", speaker="Ann", tags=["home"]),
    NewMemory(content="My new flat in Oslo has a balcony", speaker="Ann", tags=["home"]),
    NewMemory(content="The secret word is zanzibar", speaker="Ben", tags=["secret"]),
]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_LLM_KEY", KEY)


@asynccontextmanager
async def engine(url: str, server: OpenAiServer, **sections: Mapping[str, Any]) -> AsyncIterator[Astrocyte]:
    llm = {"model": "test-model", "base_url": server.url, "api_key_env": "TEST_LLM_KEY", **sections.pop("llm", {})}
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}, "llm": llm, **sections}
    async with Astrocyte.from_config_dict(values) as opened:
        await opened.retain_batch("b", TOLD)
        yield opened


async def test_the_answer_cites_memories_that_say_what_is_quoted(url: str) -> None:
    with openai_server(answered("Ann moved to Oslo [m1].", ("m1", "moved to Oslo"))) as server:
        async with engine(url, server) as memory:
            result = await memory.reflect("Where did Ann move? Oslo?", "b")
    assert result.answer == "Ann moved to Oslo [1]."
    assert (result.method, result.model, result.fallback_reason) == ("language_model", "test-model", None)
    assert [source.text for source in result.sources] == ["I moved to Oslo in May"]
    assert result.confidence == result.sources[0].score
    request = server.requests[0]
    assert request["model"] == "test-model"
    assert not request.get("stream")
    assert [tool["function"]["name"] for tool in request["tools"]] == ["search_memory", "answer"]
    assert server.keys == [f"Bearer {KEY}"]


async def test_it_searches_again_and_may_cite_what_it_finds(url: str) -> None:
    with openai_server(
        calls(("search_memory", {"query": "secret word"}), ("search_memory", "no json"), ("delete_all", {})),
        answered("It is zanzibar [m3], said Ben. [m1, m3]", ("m3", "The secret word is  ZANZIBAR"), ("m1", "x")),
    ) as server:
        async with engine(url, server) as memory:
            result = await memory.reflect("What is in Oslo?", "b")
    tools = [message["content"] for message in server.requests[1]["messages"] if message["role"] == "tool"]
    assert "zanzibar" in tools[0]
    assert tools[1].startswith("error")
    assert tools[2].startswith("error")
    assert result.answer == "It is zanzibar [1], said Ben. [1]"
    assert [source.speaker for source in result.sources] == ["Ben"]


@pytest.mark.parametrize(
    "final",
    [
        answered("Ann lives on the moon [m9].", ("m9", "on the moon")),
        answered("Ann lives in Rome [m1].", ("m1", "lives in Rome")),
        answered("Ann moved to Oslo."),
        answered("[m1]", ("m1", "moved to Oslo")),
        answered(""),
        calls(("answer", {"text": 7})),
        calls(("answer", "not json")),
    ],
)
async def test_without_a_citation_that_holds_there_is_no_answer(url: str, final: Mapping[str, Any]) -> None:
    with openai_server(final) as server:
        async with engine(url, server) as memory:
            result = await memory.reflect("Where did Ann move? Oslo?", "b")
    assert (result.answer, result.sources, result.confidence) == ("Nothing in memory answers this.", [], 0.0)
    assert result.method == "language_model"


async def test_nothing_is_asked_of_it_when_nothing_is_known(url: str) -> None:
    with openai_server(500) as server:
        async with engine(url, server) as memory:
            result = await memory.reflect("quantum chromodynamics", "b")
    assert result.answer == "Nothing in memory answers this."
    assert server.requests == []


async def test_what_it_searches_stays_within_the_caller_s_filters(url: str) -> None:
    def steal(request: Mapping[str, Any]) -> Mapping[str, Any]:
        is_first = len(request["messages"]) == 2
        return (
            calls(("search_memory", {"query": "secret word zanzibar", "tags": ["secret"]}))
            if is_first
            else (answered("zanzibar [m3]", ("m3", "zanzibar")))
        )

    with openai_server(steal) as server:
        async with engine(url, server) as memory:
            result = await memory.reflect("What about Oslo?", "b", tags=["home"])
    sent = str([message for request in server.requests for message in request["messages"] if message["role"] == "tool"])
    assert "The secret word" not in sent
    assert result.sources == []


async def test_steps_and_tokens_are_bounded(url: str) -> None:
    search = calls(("search_memory", {"query": "Oslo"}))
    with openai_server(search) as server:
        async with engine(url, server, reflect={"max_steps": 3}) as memory:
            result = await memory.reflect("What about Oslo?", "b")
    assert len(server.requests) == 3
    assert [tool["function"]["name"] for tool in server.requests[2]["tools"]] == ["answer"]
    assert result.sources == []
    with openai_server(search) as server:
        async with engine(url, server, reflect={"max_total_tokens": 1500}) as memory:
            await memory.reflect("What about Oslo?", "b", max_tokens=33)
    assert len(server.requests) == 3
    assert [len(request["tools"]) for request in server.requests] == [2, 2, 1]
    assert server.requests[0]["max_tokens"] == 33


@pytest.mark.parametrize(
    ("failure", "words"), [(429, "refuses more requests"), (500, "status 500"), (401, "status 401"), (HANG, "too long")]
)
async def test_a_failing_model_leaves_the_memories_own_words(
    url: str, failure: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with openai_server(failure) as server:
        async with engine(
            url, server, llm={"timeout_seconds": 1, "retries": 1 if failure in (429, 500) else 0}
        ) as memory:
            result = await memory.reflect("Where did Ann move? Oslo?", "b")
    assert (result.method, result.model) == ("extractive", None)
    assert result.fallback_reason is not None
    assert words in result.fallback_reason
    assert "Oslo" in result.answer
    assert len(server.requests) == (2 if failure in (429, 500) else 1)
    assert KEY not in caplog.text + result.fallback_reason


async def test_a_failure_for_the_moment_is_overcome(url: str) -> None:
    with openai_server(429, 500, answered("Oslo [m1]", ("m1", "Oslo"))) as server:
        async with engine(url, server) as memory:
            assert (await memory.reflect("Where is Oslo?", "b")).answer == "Oslo [1]"
    assert len(server.requests) == 3


async def test_its_error_is_raised_where_that_is_wanted(url: str, tmp_path: Path) -> None:
    with openai_server(500) as server:
        async with engine(url, server, llm={"retries": 0}, reflect={"fall_back": False}) as memory:
            with pytest.raises(LanguageModelUnavailable, match="500") as failure:
                await memory.reflect("Where is Oslo?", "b")
            assert KEY not in str(failure.value)
            quoted = await memory.reflect("Where is Oslo?", "b", method="extractive")
            assert (quoted.method, quoted.fallback_reason) == ("extractive", None)
            with pytest.raises(InvalidInput, match="method"):
                await memory.reflect("Where is Oslo?", "b", method="magic")  # type: ignore[arg-type]  # a caller's word


async def test_the_whole_of_it_has_a_time_limit(url: str) -> None:
    with openai_server(HANG) as server:
        async with engine(url, server, reflect={"max_seconds": 1}, llm={"retries": 0}) as memory:
            result = await memory.reflect("Where is Oslo?", "b")
    assert result.fallback_reason == "no answer within 1 seconds"


async def test_a_model_without_a_key_or_a_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}}
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        await Astrocyte.from_config_dict({**values, "llm": {"model": "m"}}).__aenter__()
    async with Astrocyte.from_config_dict(values) as memory:
        with pytest.raises(InvalidInput, match="no language model"):
            await memory.reflect("x", "b", method="language_model")
