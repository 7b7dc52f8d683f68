"""The engine through its own door: what is retained is found, what is forgotten is gone, filters hold."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aster.foundation.errors import StorageCorrupt
from aster.foundation.sql import Connection
from astrocyte import AstrocyteContext, NewMemory
from astrocyte.errors import AstrocyteError, MemoryNotFound, ModelMismatch, NotOpen
from astrocyte.memory import Astrocyte
from astrocyte.models.minilm import MiniLm

STORES = ("sqlite", "postgres")

MAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


class OtherModel:
    """Another embedding space: what a user has after changing the provider."""

    model_id = "other"
    dimension = 8

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.full((len(texts), 8), 8**-0.5, np.float32)


async def test_what_is_retained_is_recalled_as_it_was(astrocyte: Astrocyte) -> None:
    result = await astrocyte.retain(
        "Alice likes dark mode",
        "user-alice",
        metadata={"k": 1, "f": 0.5, "none": None, "yes": True},
        tags=["ui", "ui", "taste"],
        occurred_at=MAY,
        session_id="s1",
        speaker="Alice",
        source="chat",
    )
    assert result.stored
    (hit,) = (await astrocyte.recall("which theme does she prefer?", "user-alice")).hits
    assert (hit.memory_id, hit.bank_id, hit.text) == (result.memory_id, "user-alice", "Alice likes dark mode")
    assert hit.metadata == {"k": 1, "f": 0.5, "none": None, "yes": True}
    assert hit.tags == ["ui", "taste"]
    assert (hit.occurred_at, hit.session_id, hit.speaker, hit.source) == (MAY, "s1", "Alice", "chat")
    assert hit.retained_at is not None
    assert hit.evidence == ["semantic"]


async def test_meaning_finds_what_words_do_not(astrocyte: Astrocyte) -> None:
    await astrocyte.retain_batch(
        "b",
        [NewMemory(content=text) for text in ("The cat sleeps all day", "Stocks fell sharply", "We paid the plumber")],
    )
    result = await astrocyte.recall("share prices went down", "b")
    assert result.hits[0].text == "Stocks fell sharply"
    assert result.trace.strategies_used == ["keyword", "semantic"]
    assert result.top_semantic_score == pytest.approx(result.hits[0].score, abs=0.5)


async def test_without_a_model_keywords_find_forms_of_a_word(plain: Astrocyte) -> None:
    await plain.retain_batch("b", [NewMemory(content="Bob was hiking"), NewMemory(content="Alice paints")])
    result = await plain.recall("who hikes?", "b")
    assert [hit.text for hit in result.hits] == ["Bob was hiking"]
    assert result.trace.strategies_used == ["keyword"]
    assert (plain.model_id, result.top_semantic_score) == (None, None)


async def test_a_hopeless_question_finds_nothing(astrocyte: Astrocyte) -> None:
    await astrocyte.retain_batch("b", [NewMemory(content=f"Alice planted {n} tomatoes") for n in range(20)])
    assert (await astrocyte.recall("quantum chromodynamics on the lattice", "b")).hits == []


async def test_scores_are_absolute_and_fall(astrocyte: Astrocyte) -> None:
    await astrocyte.retain_batch(
        "b", [NewMemory(content=text) for text in ("Alice adopted a beagle", "Bob has a cat", "It rained in Oslo")]
    )
    good = (await astrocyte.recall("Alice adopted a beagle", "b")).hits
    poor = (await astrocyte.recall("did anyone mention Norway?", "b")).hits
    assert good[0].score > 0.9
    assert poor[0].score < 0.6
    assert [hit.score for hit in good] == sorted((hit.score for hit in good), reverse=True)


async def test_the_answer_next_to_its_question_is_found(astrocyte: Astrocyte) -> None:
    turns = ["Where did you grow up, Bob?", "In a village near Turin.", "Nice! More coffee?", "Yes, please."]
    speakers = ["Alice", "Bob", "Alice", "Bob"]
    await astrocyte.retain_batch(
        "b", [NewMemory(content=text, speaker=who, session_id="s") for text, who in zip(turns, speakers, strict=True)]
    )
    others = ["The invoice is due.", "The server was moved.", "It rains again.", "A boat, a garden."]
    await astrocyte.retain_batch("b", [NewMemory(content=text, session_id="other") for text in others])
    hits = (await astrocyte.recall("Where did Bob grow up?", "b")).hits
    answer = next(hit for hit in hits[:2] if hit.text == turns[1])
    assert {"neighbour", "speaker"} <= set(answer.evidence)


async def test_filters_hold_for_every_kind_of_evidence(astrocyte: Astrocyte) -> None:
    await astrocyte.retain("red apples", "b", tags=["red"], session_id="s", speaker="Ann", occurred_at=MAY)
    await astrocyte.retain("blue apples", "b", tags=["blue"], session_id="s", speaker="Ann")
    await astrocyte.retain("both apples", "b", tags=["red", "blue"], session_id="s", speaker="Ann")
    await astrocyte.retain("untagged apples", "b", session_id="s", speaker="Ann")

    async def found(**filters: object) -> set[str]:
        return {hit.text.split()[0] for hit in (await astrocyte.recall("Ann's apples", "b", **filters)).hits}  # type: ignore[arg-type]  # filters vary

    assert await found(tags=["red"]) == {"red", "both"}
    assert await found(tags=["red", "blue"], tag_match="all") == {"both"}
    assert await found(tags=["red"], tag_match="none") == {"blue", "untagged"}
    assert await found(tags=["green"]) == set()
    assert await found(time_range=(MAY, MAY)) == {"red"}
    assert await found(time_range=(MAY + timedelta(microseconds=1), None)) == set()
    assert await found(as_of=MAY) == set()


async def test_a_bank_knows_nothing_of_another(astrocyte: Astrocyte) -> None:
    await astrocyte.retain("apples are red", "a")
    before = await astrocyte.recall("red apples", "a")
    for number in range(5):
        await astrocyte.retain(f"red apples {number}", "b")
    after = await astrocyte.recall("red apples", "a")
    assert after.hits == before.hits
    assert {hit.bank_id for hit in after.hits} == {"a"}


async def test_several_banks_are_searched_together_and_texts_shown_once(astrocyte: Astrocyte) -> None:
    await astrocyte.retain("apples are red", "a")
    await astrocyte.retain("apples are red", "b")
    await astrocyte.retain("some apples are green", "b")
    result = await astrocyte.recall("apples", banks=["a", "b", "missing"])
    assert [hit.text for hit in result.hits].count("apples are red") == 1
    assert result.total_available == 3


async def test_an_unknown_bank_is_an_empty_one(astrocyte: Astrocyte) -> None:
    result = await astrocyte.recall("anything", "nobody-wrote-here")
    assert (result.hits, result.total_available, result.truncated) == ([], 0, False)


async def test_results_are_cut_and_say_so(astrocyte: Astrocyte) -> None:
    await astrocyte.retain_batch("b", [NewMemory(content=f"apple number {n}") for n in range(12)])
    assert len((await astrocyte.recall("apple", "b", max_results=3)).hits) == 3
    assert (await astrocyte.recall("apple", "b", max_results=3)).truncated
    assert len((await astrocyte.recall("apple", "b", max_results=-5)).hits) == 1
    assert not (await astrocyte.recall("apple", "b", max_results=100)).truncated
    assert len((await astrocyte.recall("apple", "b", max_tokens=8)).hits) == 2


def _all_rows(connection: Connection, table: str) -> list[Any]:
    return connection.execute(f"SELECT * FROM {table}").fetchall()


async def test_forgetting_removes_row_search_data_and_vector(astrocyte: Astrocyte) -> None:
    kept = await astrocyte.retain("Alice keeps bees", "b", tags=["hobby"])
    gone = await astrocyte.retain("Alice's PIN is 4711", "b", tags=["secret"])
    assert gone.memory_id is not None
    assert (await astrocyte.recall("PIN 4711", "b")).hits
    assert (await astrocyte.forget("b", memory_ids=[gone.memory_id, "unknown"])).deleted_count == 1
    hits = (await astrocyte.recall("Alice PIN 4711", "b")).hits
    assert {hit.memory_id for hit in hits} <= {kept.memory_id}
    database = astrocyte._opened.database
    tables = ("memories", "memory_passages", "memory_tombstones", "memory_banks", "audit_records")
    rows = {table: database.read_now(partial(_all_rows, table=table)) for table in tables}
    assert [len(rows[table]) for table in tables[:3]] == [1, 1, 1]
    assert gone.memory_id in rows["memory_tombstones"][0]
    everything = str(rows)
    assert "4711" not in everything


async def test_a_long_memory_is_found_by_its_passages_and_forgotten_as_one(astrocyte: Astrocyte) -> None:
    sections = [f"## Part {n}\n\n" + f"Filler about topic {n}. " * 40 for n in range(6)]
    sections[4] = "## Brakes\n\nTo release the emergency brake pull the yellow lever twice. " + "Keep dry. " * 30
    manual = await astrocyte.retain("\n\n".join(sections), "b", content_type="markdown", tags=["manual"])
    await astrocyte.retain("The lever arm of history is long", "b")
    assert manual.memory_id is not None
    hit = (await astrocyte.recall("How do I release the emergency brake?", "b")).hits[0]
    assert hit.text.startswith("## Brakes")
    assert hit.memory_id == manual.memory_id
    assert hit.chunk_id is not None
    assert hit.chunk_id.startswith(f"{manual.memory_id}:")
    assert (await astrocyte.get_memory("b", manual.memory_id)).content == "\n\n".join(sections)
    assert (await astrocyte.forget("b", tags=["manual"])).deleted_count == 1
    remaining = (await astrocyte.recall("emergency brake lever", "b", max_results=50)).hits
    assert manual.memory_id not in {hit.memory_id for hit in remaining}


async def test_forgetting_by_tag_by_date_and_all(astrocyte: Astrocyte) -> None:
    await astrocyte.retain("one", "b", tags=["x"], occurred_at=MAY)
    await astrocyte.retain("two", "b", tags=["x", "y"])
    await astrocyte.retain("three", "b", occurred_at=MAY)
    later = MAY + timedelta(days=1)
    assert (await astrocyte.forget("b", tags=["x"], before_date=later)).deleted_count == 1
    assert (await astrocyte.forget("b", tags=["y", "z"])).deleted_count == 1
    assert (await astrocyte.forget("b", before_date=later)).deleted_count == 1
    await astrocyte.retain("four", "b")
    assert (await astrocyte.forget("b", scope="all")).deleted_count == 1
    assert (await astrocyte.forget("b", scope="all")).deleted_count == 0
    assert (await astrocyte.recall("one two three four", "b")).hits == []


async def test_forgetting_nothing_in_particular_is_refused(astrocyte: Astrocyte) -> None:
    await astrocyte.retain("one", "b")
    given: list[dict[str, Any]] = [{}, {"memory_ids": []}, {"tags": []}, {"scope": "some"}]
    given.append({"scope": "all", "reason": "r" * 1001})
    for arguments in given:
        with pytest.raises(AstrocyteError):
            await astrocyte.forget("b", **arguments)
    assert (await astrocyte.recall("one", "b")).hits


@pytest.mark.parametrize("empty", [{"memory_ids": [], "tags": ["t"]}, {"memory_ids": ["x"], "tags": []}])
async def test_an_empty_list_is_not_taken_for_no_condition(astrocyte: Astrocyte, empty: dict[str, Any]) -> None:
    await astrocyte.retain("one", "b", tags=["t"])
    with pytest.raises(AstrocyteError, match="is empty"):
        await astrocyte.forget("b", **empty)
    assert (await astrocyte.recall("one", "b")).hits


async def test_every_change_is_in_the_audit_log_without_its_text(astrocyte: Astrocyte) -> None:
    alice = AstrocyteContext("alice")
    result = await astrocyte.retain("my PIN is 4711", "b", context=alice)
    await astrocyte.forget("b", scope="all", reason="asked to")
    records = astrocyte.audit.records("memory")
    assert [(record.event["action"], record.event["principal"]) for record in records] == [
        ("retain", "user:alice"),
        ("forget", "anonymous"),
    ]
    assert records[0].event["memoryIds"] == records[1].event["memoryIds"] == [result.memory_id]
    assert "4711" not in str(records)
    assert astrocyte.audit.verify("memory").valid


async def test_a_bank_keeps_to_the_model_it_was_made_with(astrocyte: Astrocyte, url: str) -> None:
    await astrocyte.retain("one", "b")
    settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
    async with Astrocyte(settings, provider=OtherModel()) as other:
        with pytest.raises(ModelMismatch, match="'all-MiniLM-L6-v2/int8'"):
            await other.retain("two", "b")
        with pytest.raises(ModelMismatch):
            await other.recall("one", "b")
        await other.retain("two", "c")
    assert [hit.text for hit in (await astrocyte.recall("one", "b")).hits] == ["one"]


async def test_memories_without_vectors_live_beside_those_with(plain: Astrocyte, astrocyte: Astrocyte) -> None:
    await plain.retain("the boat is called Mermaid", "b")
    await astrocyte.retain("the house is yellow", "b")
    texts = [hit.text for hit in (await astrocyte.recall("what is the name of the boat?", "b")).hits]
    assert texts[0] == "the boat is called Mermaid"
    assert (await plain.recall("yellow house", "b")).hits[0].text == "the house is yellow"


async def test_another_engine_on_the_same_file_sees_every_change(astrocyte: Astrocyte, url: str, model: MiniLm) -> None:
    async with Astrocyte(astrocyte.settings, provider=model) as second:
        first_id = (await astrocyte.retain("the parrot is green", "b")).memory_id
        assert len((await second.recall("parrot", "b")).hits) == 1
        await second.retain("the parrot talks", "b")
        assert len((await astrocyte.recall("parrot", "b")).hits) == 2
        assert first_id is not None
        await second.forget("b", memory_ids=[first_id])
        assert [hit.text for hit in (await astrocyte.recall("parrot", "b")).hits] == ["the parrot talks"]


async def test_memories_survive_closing(url: str, model: MiniLm) -> None:
    settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
    async with Astrocyte(settings, provider=model) as engine:
        await engine.retain_batch("b", [NewMemory(content=f"fact {n}", session_id="s") for n in range(30)])
        before = (await engine.recall("fact 7", "b")).hits
    async with Astrocyte(settings, provider=model) as engine:
        assert (await engine.recall("fact 7", "b")).hits == before


async def test_retains_and_recalls_may_run_at_once(astrocyte: Astrocyte) -> None:
    async def write(writer: int) -> list[str]:
        results = [await astrocyte.retain(f"writer {writer} wrote {n}", "b", session_id=f"s{writer}") for n in range(8)]
        return [result.memory_id for result in results if result.memory_id]

    async def read() -> None:
        for _ in range(8):
            await astrocyte.recall("who wrote what?", "b")

    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(write(number)) for number in range(4)]
        for _ in range(4):
            group.create_task(read())
    expected = {memory_id for writer in writers for memory_id in writer.result()}
    found = (await astrocyte.recall("writer wrote", "b", max_results=100)).hits
    assert {hit.memory_id for hit in found} == expected


async def test_a_closed_engine_says_so(url: str) -> None:
    engine = Astrocyte.from_config_dict({"storage": {"url": url}, "embedding": {"provider": "none"}})
    with pytest.raises(NotOpen, match="async with"):
        await engine.recall("x", "b")
    assert not (await engine.health()).healthy
    async with engine:
        assert (await engine.health()).healthy
        with pytest.raises(NotOpen, match="open already"):
            await engine.__aenter__()


async def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "memory.db"
    file.write_bytes(b"not a database" * 100)
    engine = Astrocyte.from_config_dict({"storage": {"url": f"sqlite:///{file}"}, "embedding": {"provider": "none"}})
    with pytest.raises(StorageCorrupt, match=r"memory\.db"):
        await engine.__aenter__()
    assert file.read_bytes() == b"not a database" * 100


async def test_a_batch_is_all_or_nothing(astrocyte: Astrocyte) -> None:
    with pytest.raises(AstrocyteError, match=r"memories\[1\]"):
        await astrocyte.retain_batch("b", [NewMemory(content="good"), NewMemory(content=" ")])
    assert (await astrocyte.recall("good", "b")).total_available == 0


async def test_reflect_answers_in_the_memories_own_words(astrocyte: Astrocyte) -> None:
    await astrocyte.retain_batch(
        "b",
        [
            NewMemory(content="I adopted a beagle called Max", speaker="Ann", occurred_at=MAY),
            NewMemory(content="The printer is out of paper", speaker="Ben", occurred_at=MAY),
        ],
    )
    answer = await astrocyte.reflect("What is the name of Ann's dog?", "b")
    assert answer.method == "extractive"
    assert answer.answer.startswith("Ann: I adopted a beagle called Max (2023-05-08) [1]")
    assert [source.speaker for source in answer.sources][:1] == ["Ann"]
    assert (await astrocyte.reflect("What is the name of Ann's dog?", "b", include_sources=False)).sources == []
    nothing = await astrocyte.reflect("Who invented the transistor?", "b")
    assert (nothing.answer, nothing.confidence, nothing.sources) == ("Nothing in memory answers this.", 0.0, [])


async def test_history_shows_what_was_known_then(astrocyte: Astrocyte) -> None:
    first = await astrocyte.retain("the office is in Oslo", "b")
    known = (await astrocyte.recall("office", "b")).hits[0].retained_at
    assert known is not None
    await astrocyte.retain("the office moved to Bergen", "b")
    then = await astrocyte.history("where is the office?", "b", known)
    assert [hit.memory_id for hit in then.hits] == [first.memory_id]
    assert (then.as_of, then.bank_id, then.total_available) == (known, "b", 1)


async def test_memories_are_listed_page_by_page(plain: Astrocyte) -> None:
    await plain.retain_batch("b", [NewMemory(content=f"fact {n}", tags=["t"]) for n in range(5)])
    await plain.retain("elsewhere", "c")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = await plain.list_memories("b", cursor=cursor, limit=2)
        seen += [memory.content for memory in page.memories]
        cursor = page.next_cursor
    assert seen == [f"fact {n}" for n in range(5)]
    assert cursor is None
    assert (await plain.list_memories("nowhere")).memories == []


async def test_one_memory_is_found_in_its_bank_alone(plain: Astrocyte) -> None:
    kept = (await plain.retain("x", "b", metadata={"k": 1})).memory_id
    assert kept is not None
    assert (await plain.get_memory("b", kept)).metadata == {"k": 1}
    for bank, memory_id in (("c", kept), ("b", "0" * 16)):
        with pytest.raises(MemoryNotFound):
            await plain.get_memory(bank, memory_id)


async def test_a_bank_tells_what_it_holds(astrocyte: Astrocyte) -> None:
    assert await astrocyte.bank_info("b") is None
    await astrocyte.retain("x", "b")
    info = await astrocyte.bank_info("b")
    assert info is not None
    assert (info.bank_id, info.memories, info.model) == ("b", 1, astrocyte.model_id)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(min_size=1, max_size=200), query=st.text(min_size=1, max_size=100))
async def test_any_text_is_kept_exactly_or_refused_with_a_code(plain: Astrocyte, content: str, query: str) -> None:
    try:
        result = await plain.retain(content, "any")
        hits = (await plain.recall(query, "any", max_results=1000)).hits
        found = (await plain.recall(content, "any", max_results=1000)).hits
    except AstrocyteError as error:
        if error.code not in {"CONTENT_INVALID", "QUERY_INVALID"}:
            raise
        return
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert all(hit.text == content for hit in found if hit.memory_id == result.memory_id)
