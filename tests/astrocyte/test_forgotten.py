"""Forgotten is forgotten: no leg, list, answer, export, table or audit record still knows it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.astrocyte.deriving import derive
from tests.astrocyte.rows import every_row

from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.models.minilm import MiniLm

STORES = ("sqlite", "postgres")

CANARY = "zanzibar"
TOPICS = ("the garden", "the boat", "a holiday", "dinner", "the office")

memory = st.builds(
    lambda topic, secret, session, tag: NewMemory(
        content=f"We talked about {topic}" + (f" and the word is {CANARY}" if secret else ""),
        tags=[tag, *(["secret"] if secret else [])],
        session_id=session,
        speaker="Ann",
    ),
    st.sampled_from(TOPICS),
    st.booleans(),
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(["x", "y"]),
)
FORGET: tuple[dict[str, Any], ...] = ({"tags": ["secret"]}, {"scope": "all"})


async def traces(engine: Astrocyte, bank: str, url: str, tmp_path: Path) -> dict[str, bool]:
    """Where the canary can still be seen."""
    recalled = await engine.recall(f"what is the word? {CANARY}", bank, max_results=1000, trace=True)
    gone = {one.memory_id for one in recalled.trace.hits} - {one.memory_id for one in recalled.hits}
    filtered = await engine.recall("the word", bank, tags=["secret"], max_results=1000)
    answered = await engine.reflect(f"is the word {CANARY}?", bank)
    listed = await engine.list_memories(bank, limit=1000)
    await engine.export_bank(bank, tmp_path / "export.jsonl")
    tables = every_row(url)
    return {
        "recall": any(CANARY in hit.text for hit in recalled.hits),
        "keyword": any("keyword" in hit.evidence for hit in recalled.hits if hit.tags == ["secret"]),
        "tags": bool(filtered.hits),
        "reflect": CANARY in answer if (answer := answered.answer) else False,
        "list": any(CANARY in one.content for one in listed.memories),
        "export": CANARY in (tmp_path / "export.jsonl").read_text(),
        "tables": CANARY in tables or CANARY.encode().hex() in tables,
        "trace": bool(gone) or CANARY in str(recalled.trace),
        "derived": any(one.layer != "fact" for one in listed.memories),
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(memory, max_size=8), after=st.lists(memory, max_size=3), how=st.sampled_from(FORGET))
async def test_no_trace_is_left(
    astrocyte: Astrocyte, url: str, tmp_path: Path, before: list[NewMemory], after: list[NewMemory], how: dict[str, Any]
) -> None:
    bank = "b"
    await astrocyte.forget(bank, scope="all")
    told = [*before, NewMemory(content=f"The word is {CANARY}", tags=["secret"])]
    await astrocyte.retain_batch(bank, told)
    await derive(astrocyte, bank, "page", "secret", f"# The word\n\nIt is {CANARY}", [len(told) - 1])
    seen = await traces(astrocyte, bank, url, tmp_path)
    assert seen["recall"]
    assert seen["derived"]
    await astrocyte.forget(bank, **how)
    quiet = [one for one in after if CANARY not in one.content]
    if quiet:
        await astrocyte.retain_batch(bank, quiet)
    assert not any((await traces(astrocyte, bank, url, tmp_path)).values())
    if await astrocyte._opened.store.scrub():
        files = b"".join(file.read_bytes() for file in tmp_path.glob("memory.db*"))
        assert CANARY.encode() not in files


async def test_what_is_forgotten_no_longer_sways_the_scores_of_others(url: str, model: MiniLm) -> None:
    values = Astrocyte.from_config_dict({"storage": {"url": url}}).settings
    kept = [NewMemory(content=f"Ann saw bird number {n}", session_id="s", speaker="Ann") for n in range(6)]
    async with Astrocyte(values, provider=model) as engine:
        await engine.retain_batch("touched", kept)
        await engine.retain_batch("untouched", kept)
        extra = [NewMemory(content="birds birds birds", tags=["gone"], session_id="s") for _ in range(4)]
        await engine.retain_batch("touched", extra)
        await engine.recall("which birds?", "touched")
        await engine.forget("touched", tags=["gone"])
        touched = (await engine.recall("which bird is number 3?", "touched")).hits
        untouched = (await engine.recall("which bird is number 3?", "untouched")).hits
    assert [hit.text for hit in touched] == [hit.text for hit in untouched]
    assert [hit.score for hit in touched] == pytest.approx([hit.score for hit in untouched], abs=1e-3)
