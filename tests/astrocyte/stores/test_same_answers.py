"""Whatever is retained, both engines answer a question with the same hits, scores and evidence."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from astrocyte import Astrocyte, NewMemory
from astrocyte.memories import MemoryHit
from astrocyte.models.minilm import MiniLm

MAY = datetime(2023, 5, 8, tzinfo=UTC)
SAID = (
    ("Ann", "I adopted a beagle called Max last Friday"),
    ("Ben", "A beagle! Does he get on with your parrot?"),
    ("Ann", "They ignore each other. Max prefers the garden"),
    ("Ben", "We painted the boat in May, it is called Mermaid"),
    ("Ann", "The harbour in Oslo must be windy"),
    ("Ben", "Naïve café, 5 €, \u2028 and 東京"),
    ("Ann", "Mermaid leaks, says Carla from the yard"),
)
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Which beagle was adopted in May 2023?", {}),
    ("What did Ben say about the boat?", {"tags": ["even"]}),
    ("What did Ben say about the boat?", {"tags": ["even", "odd"], "tag_match": "all"}),
    ("Where is it windy?", {"time_range": (MAY, MAY + timedelta(days=3))}),
    ("café 東京", {}),
    ("Who is Carla?", {"max_results": 2, "diversity": 0.5}),
    ("the garden", {"max_tokens": 12}),
    ("quantum chromodynamics", {}),
)


@pytest.fixture
async def both(tmp_path: Path, postgres_schema: str, model: MiniLm) -> AsyncIterator[list[Astrocyte]]:
    async with AsyncExitStack() as stack:
        engines = []
        for url in (f"sqlite:///{tmp_path}/memory.db", postgres_schema):
            settings = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
            engines.append(await stack.enter_async_context(Astrocyte(settings, provider=model)))
        yield engines


def shown(hits: list[MemoryHit]) -> list[tuple[Any, ...]]:
    return [(hit.text, round(hit.score, 3), hit.evidence, hit.tags, hit.occurred_at, hit.speaker) for hit in hits]


async def test_both_engines_answer_alike(both: list[Astrocyte]) -> None:
    told = [
        NewMemory(
            content=text,
            speaker=speaker,
            session_id=f"s{number // 3}",
            occurred_at=MAY + timedelta(days=number),
            tags=["even" if number % 2 == 0 else "odd"],
        )
        for number, (speaker, text) in enumerate(SAID)
    ]
    long = NewMemory(content="# Log\n\n" + "The tide was low. The garden grew. " * 80, content_type="markdown")
    for engine in both:
        await engine.retain_batch("b", [*told, long])
        await engine.forget("b", memory_ids=[(await engine.list_memories("b")).memories[4].memory_id])
    for question, how in ASKED:
        file, server = [shown((await engine.recall(question, "b", **how)).hits) for engine in both]
        assert file == server, question
    answers = [(await engine.reflect("What is the boat called?", "b")).answer for engine in both]
    assert answers[0] == answers[1]
