"""Derived knowledge: made in the background over the real protocol, with provenance, gone with its sources."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.astrocyte.openai_server import OpenAiServer, calls, openai_server
from tests.astrocyte.rows import every_row

from aster.foundation.errors import ConfigError
from astrocyte import Astrocyte, NewMemory
from astrocyte.memories import MemoryRecord

STORES = ("sqlite", "postgres")

CANARY = "zanzibar"


def recorded(*pieces: tuple[str, list[str]]) -> dict[str, Any]:
    return calls(("record", {"pieces": [{"text": text, "memories": memories} for text, memories in pieces]}))


def repeating(request: Mapping[str, Any]) -> dict[str, Any]:
    """Derives one piece that repeats every memory it is shown, as a careless model would."""
    lines = [line for line in request["messages"][1]["content"].splitlines() if line.startswith("{")]
    return recorded((" / ".join(lines), [f"m{number}" for number in range(1, len(lines) + 1)]))


@asynccontextmanager
async def engine(url: str, server: OpenAiServer, **derive: Any) -> AsyncIterator[Astrocyte]:
    values = {
        "storage": {"url": url},
        "embedding": {"provider": "none"},
        "llm": {"model": "m", "base_url": server.url, "retries": 0},
        "derive": {"delay_seconds": 3600, "in_background": False, **derive},
    }
    async with Astrocyte.from_config_dict(values) as opened:
        yield opened


def runs(*contents: str, speaker: str = "Ann", tags: tuple[str, ...] = ()) -> list[NewMemory]:
    return [NewMemory(content=content, speaker=speaker, tags=list(tags)) for content in contents]


async def derived(memory: Astrocyte, layer: str) -> list[MemoryRecord]:
    return [one for one in (await memory.list_memories("b", limit=100)).memories if one.layer == layer]


async def test_observations_are_made_of_what_a_speaker_said_and_found_like_anything(url: str) -> None:
    with openai_server(recorded(("Ann runs every week.", ["m1", "m2", "m9"]), ("Made up.", ["m9"]))) as server:
        async with engine(url, server, observations=True) as memory:
            await memory.retain_batch("b", runs("I ran on Monday", "I ran on Tuesday", "I like tea"))
            assert [(one.kind, one.subject) for one in await memory.waiting("b")] == [("observation", "Ann")]
            assert server.requests == []
            await memory.refresh_derived("b")
            await memory.derive_due()
            (found,) = await derived(memory, "observation")
            sources = await memory.provenance("b", found.memory_id)
            hit = (await memory.recall("who runs every week?", "b")).hits[0]
            facts = (await memory.recall("who ran every week?", "b", layers=["fact"])).hits
            waiting = await memory.waiting("b")
    assert [source.content for source in sources] == ["I ran on Monday", "I ran on Tuesday"]
    assert (hit.text, hit.memory_layer) == ("Ann runs every week.", "observation")
    assert {one.memory_layer for one in facts} == {"fact"}
    assert waiting == []


async def test_too_few_facts_make_no_observation(url: str) -> None:
    with openai_server(500) as server:
        async with engine(url, server, observations=True, delay_seconds=0) as memory:
            await memory.retain_batch("b", runs("I ran"))
            await memory.derive_due()
            assert await memory.waiting("b") == []
    assert server.requests == []


async def test_a_page_is_kept_for_each_tag_and_a_model_for_each_standing_question(url: str, tmp_path: Path) -> None:
    with openai_server(repeating) as server:
        async with engine(url, server, pages=True, models=["What is the boat called?"]) as memory:
            told = runs("the boat is called Mermaid", "the boat is blue", "the boat leaks", tags=("boat",))
            await memory.retain_batch("b", told)
            await memory.refresh_derived("b")
            assert await memory.derive_due() == 2
            (page,), (model,) = await derived(memory, "page"), await derived(memory, "model")
            assert (page.content_type, page.metadata) == ("markdown", {"subject": "boat"})
            assert "Mermaid" in model.content
            await memory.retain_batch("b", runs("the boat is for sale", tags=("boat",)))
            await memory.refresh_derived("b")
            await memory.derive_due()
            (newer,) = await derived(memory, "page")
            assert "for sale" in newer.content
            assert newer.memory_id != page.memory_id
            assert (await memory.bank_statistics("b")).derived == 2
            assert await memory.export_bank("b", tmp_path / "out.jsonl") == 6


async def test_nobody_waits_for_it_and_the_background_does_it_by_itself(url: str) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(request: Mapping[str, Any]) -> Mapping[str, Any]:
        loop.call_soon_threadsafe(asked.set)
        return repeating(request)

    with openai_server(told) as server:
        async with engine(url, server, observations=True, delay_seconds=0, in_background=True) as memory:
            await memory.retain_batch("b", runs("one", "two", "three"))
            await asyncio.wait_for(asked.wait(), 60)


async def test_what_is_forgotten_takes_with_it_what_was_derived_and_the_rest_is_made_anew(url: str) -> None:
    with openai_server(repeating) as server:
        async with engine(url, server, observations=True, pages=True, models=["what is the word?"]) as memory:
            secret = (await memory.retain(f"the word is {CANARY}", "b", speaker="Ann", tags=["t"])).memory_id
            await memory.retain_batch("b", runs("the sky is blue", "the tea is hot", "the word is out", tags=("t",)))
            await memory.refresh_derived("b")
            await memory.derive_due()
            assert len([one for one in await derived(memory, "observation") if CANARY in one.content]) == 1
            assert secret is not None
            await memory.forget("b", memory_ids=[secret])
            for layer in ("observation", "page", "model"):
                assert await derived(memory, layer) == []
            assert (await memory.recall(CANARY, "b")).hits == []
            assert {one.kind for one in await memory.waiting("b")} == {"observation", "page", "model"}
            await memory.derive_due()
            for layer in ("observation", "page", "model"):
                (left,) = await derived(memory, layer)
                assert CANARY not in left.content
            assert CANARY not in every_row(url)
            await memory.forget("b", scope="all")
            assert await memory.waiting("b") == []
            assert all(finding.is_well for finding in await memory.doctor() if finding.check == "integrity")


async def test_what_is_forgotten_while_the_model_writes_is_not_derived_from(url: str) -> None:
    holder: list[Astrocyte] = []
    loop = asyncio.get_running_loop()

    def forgetting(request: Mapping[str, Any]) -> Mapping[str, Any]:
        asyncio.run_coroutine_threadsafe(holder[0].forget("b", tags=["gone"]), loop).result(60)
        return recorded(("from both", ["m1", "m3"]), ("from what is left", ["m2", "m3"]))

    with openai_server(forgetting) as server:
        async with engine(url, server, observations=True) as memory:
            holder.append(memory)
            await memory.retain("one", "b", speaker="Ann", tags=["gone"])
            await memory.retain_batch("b", runs("two", "three"))
            await memory.refresh_derived("b")
            await memory.derive_due()
            assert [one.content for one in await derived(memory, "observation")] == ["from what is left"]


async def test_a_changed_source_has_what_was_derived_made_anew(url: str) -> None:
    with openai_server(repeating) as server:
        async with engine(url, server, observations=True) as memory:
            first = (await memory.retain_batch("b", runs("the code is 1111", "two", "three")))[0].memory_id
            await memory.refresh_derived("b")
            await memory.derive_due()
            assert first is not None
            await memory.update_memory("b", first, content="the code is 2222")
            await memory.derive_due()
            (found,) = await derived(memory, "observation")
            assert "2222" in found.content
            assert "1111" not in found.content


async def test_a_failing_model_is_asked_again_later_and_the_work_survives_a_restart(url: str) -> None:
    with openai_server(500, 500, repeating) as server:
        async with engine(url, server, observations=True) as memory:
            await memory.retain_batch("b", runs("one", "two", "three"))
            await memory.refresh_derived("b")
            await memory.derive_due()
            (waiting,) = await memory.waiting("b")
            assert (waiting.failure, waiting.attempts) == ("LLM_UNAVAILABLE", 1)
        async with engine(url, server, observations=True) as memory:
            assert len(await memory.waiting("b")) == 1
            for _ in range(2):
                await memory.refresh_derived("b")
                await memory.derive_due()
            assert len(await derived(memory, "observation")) == 1


async def test_deriving_without_a_language_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[derive\] needs a language model"):
        Astrocyte.from_config_dict({"derive": {"observations": True}})
