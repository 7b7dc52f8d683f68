"""Forgotten is forgotten: no leg, list, answer, export, table or audit record still knows it."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.astrocyte.deriving import derive
from tests.astrocyte.rows import every_row

from aster.foundation.sql import Connection
from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.models.minilm import MiniLm
from astrocyte.stores import segments
from astrocyte.stores.segments import unpack_columns

STORES = ("sqlite", "postgres")

CANARY = "zanzibar"
TOPICS = ("the garden", "the boat", "a holiday", "dinner", "the office")

memory = st.builds(
    lambda topic, secret, session, tag: NewMemory(
        content=f"We talked about {topic}" + (f" and the word is {CANARY}, says Mr {CANARY.title()}" if secret else ""),
        tags=[tag, *(["secret", CANARY] if secret else [])],
        session_id=CANARY if secret and tag == "x" else session,
        speaker=CANARY if secret and tag == "y" else "Ann",
        metadata={CANARY: CANARY} if secret else {},
        source=CANARY if secret else None,
    ),
    st.sampled_from(TOPICS),
    st.booleans(),
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(["x", "y"]),
)
OTHERS = [NewMemory(content=f"Ben knows about {topic}", session_id="s1", speaker="Ben") for topic in TOPICS]
"""Enough that is kept for search indexes to follow what is forgotten, instead of being built anew."""

FORGET: tuple[dict[str, Any], ...] = ({"tags": ["secret"]}, {"scope": "all"})


LEFTOVERS = {
    "memory_passages": "memory NOT IN (SELECT id FROM memories)",
    "memory_fresh_vectors": "passage NOT IN (SELECT id FROM memory_passages)",
    "memory_neighbours": "passage NOT IN (SELECT id FROM memory_passages)",
    "memory_sources": "derived NOT IN (SELECT id FROM memories) OR source NOT IN (SELECT id FROM memories)",
}
"""Rows made from memories, and when they are of none that is there."""


def leftovers(connection: Connection) -> int:
    """Rows and parts of segments that were made from what is no longer there."""
    components = connection.execute("SELECT component FROM migrations").fetchall()
    found = 0
    for name, is_gone in LEFTOVERS.items():
        if name != "memory_neighbours" or ("memory-vectors",) in components:
            found += connection.execute(f"SELECT count(*) FROM {name} WHERE {is_gone}").fetchone()[0]
    living = {row for (row,) in connection.execute("SELECT id FROM memory_passages").fetchall()}
    for (content,) in connection.execute("SELECT content FROM memory_segments WHERE content IS NOT NULL").fetchall():
        found += len(set(unpack_columns(content, None).rows.tolist()) - living)
    return int(found)


def held_beyond(engine: Astrocyte, bank: str) -> int:
    """Word vectors that are held of places which are forgotten."""
    index = engine._opened.indexes.current(bank)
    return 0 if index is None else sum(not index.alive[place] for place in index.words._packed)


async def traces(engine: Astrocyte, bank: str, url: str, tmp_path: Path) -> dict[str, bool]:
    """Where the canary can still be seen."""
    recalled = await engine.recall(f"what is the word? {CANARY}", bank, max_results=1000, trace=True)
    gone = {one.memory_id for one in recalled.trace.hits} - {one.memory_id for one in recalled.hits}
    filtered = await engine.recall("the word", bank, tags=["secret"], max_results=1000)
    answered = await engine.reflect(f"is the word {CANARY}?", bank)
    listed = await engine.list_memories(bank, limit=1000)
    known = await engine.history(CANARY, bank, datetime.now(UTC), max_results=1000)
    previewed = await engine.preview_forget(bank, query=f"{CANARY} the word", min_score=0.0)
    counted = await engine.bank_statistics(bank)
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
        "history": any(CANARY in hit.text for hit in known.hits),
        "preview": any(CANARY in one.content for one in previewed.memories),
        "counts": CANARY in counted.tags,
        "rows": await engine._opened.database.read(leftovers) > 0,
        "held words": held_beyond(engine, bank) > 0,
    }


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "PASSAGES", 3)
    monkeypatch.setattr(segments, "LOOKED_FOR_EVERY", 1)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(memory, max_size=8), after=st.lists(memory, max_size=3), how=st.sampled_from(FORGET))
async def test_no_trace_is_left(
    astrocyte: Astrocyte, url: str, tmp_path: Path, before: list[NewMemory], after: list[NewMemory], how: dict[str, Any]
) -> None:
    bank = "b"
    await astrocyte.forget(bank, scope="all")
    told = [*OTHERS, *before, NewMemory(content=f"The word is {CANARY}", tags=["secret"])]
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


async def retained_in_parts(engine: Astrocyte, told: list[NewMemory]) -> None:
    """In several transactions, with others in between, so that pages are split and cells move."""
    for start in range(0, len(told), 5):
        await engine.retain_batch("b", [*told[start : start + 5], NewMemory(content=f"other {start}")])


async def test_a_backup_taken_before_is_the_store_of_that_time_and_one_taken_after_knows_nothing(
    tmp_path: Path, model: MiniLm
) -> None:
    values = Astrocyte.from_config_dict({"storage": {"url": f"sqlite:///{tmp_path}/memory.db"}}).settings
    async with Astrocyte(values, provider=model) as engine:
        await retained_in_parts(engine, [NewMemory(content=f"{n} {CANARY} " * 60, tags=["secret"]) for n in range(40)])
        before = await engine.back_up(tmp_path / "before.db")
        await engine.forget("b", tags=["secret"])
        after = await engine.back_up(tmp_path / "after.db")
        with sqlite3.connect(before) as old, sqlite3.connect(after) as new:
            query = "SELECT count(*) FROM memories WHERE content LIKE ?"
            assert old.execute(query, (f"%{CANARY}%",)).fetchone() == (40,)
            assert new.execute(query, (f"%{CANARY}%",)).fetchone() == (0,)
            (tombstones,) = new.execute("SELECT count(*) FROM memory_tombstones").fetchone()
        assert tombstones == 40  # by which the two are told apart
    assert CANARY.encode() in before.read_bytes()
    assert CANARY.encode() not in after.read_bytes()


async def test_an_erasure_leaves_no_byte_in_the_file_its_log_or_its_free_pages(tmp_path: Path, model: MiniLm) -> None:
    values = Astrocyte.from_config_dict({"storage": {"url": f"sqlite:///{tmp_path}/memory.db"}}).settings
    async with Astrocyte(values, provider=model) as engine:
        told = [NewMemory(content=f"{n} {CANARY} " * 60, speaker="Ann", tags=[f"{CANARY}-{n}"]) for n in range(40)]
        await retained_in_parts(engine, told)
        await engine.recall(CANARY, "b")
        vectors = engine._opened.database.read_now(
            lambda connection: connection.execute(
                "SELECT vector, words FROM memory_passages WHERE id % 3 = 1"
            ).fetchall()
        )
        report = await engine.erase("user:ann", names=["Ann"])
        assert (report.memories, report.is_scrubbed) == (40, True)
        files = b"".join(file.read_bytes() for file in tmp_path.glob("memory.db*"))
        free = engine._opened.database.read_now(
            lambda connection: connection.execute("PRAGMA freelist_count").fetchone()
        )
        living = engine._opened.database.read_now(
            lambda connection: connection.execute("SELECT vector FROM memory_passages").fetchall()
        )
    assert free == (0,)
    assert CANARY.encode() not in files
    gone = {vector for vector, _ in vectors} - {vector for (vector,) in living}
    assert gone
    assert not [vector for vector in gone if vector[:64] in files]
    assert not [words for _, words in vectors if words and words[:64] in files and len(words) > 64 * 20]
