"""One memory at a time: changed, put away, brought back."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from astrocyte import Astrocyte, AstrocyteContext
from astrocyte.errors import ContentTooLong, InvalidInput, MemoryNotFound

STORES = ("sqlite", "postgres")
MAY = datetime(2023, 5, 8, tzinfo=UTC)


async def kept(engine: Astrocyte, content: str, **fields: object) -> str:
    memory_id = (await engine.retain(content, "b", **fields)).memory_id  # type: ignore[arg-type]  # fields vary
    assert memory_id is not None
    return memory_id


async def test_an_update_changes_what_is_given_and_nothing_else(astrocyte: Astrocyte) -> None:
    one = await kept(astrocyte, "Ann lives in Oslo", tags=["home"], speaker="Ann", occurred_at=MAY)
    await kept(astrocyte, "Ben likes tea")
    before = await astrocyte.get_memory("b", one)
    await astrocyte.recall("Where does Ann live?", "b")
    after = await astrocyte.update_memory("b", one, content="Ann lives in Bergen")
    assert (after.memory_id, after.retained_at, after.tags, after.speaker) == (one, before.retained_at, ["home"], "Ann")
    assert after.updated_at is not None
    assert after.updated_at > before.retained_at
    hits = (await astrocyte.recall("Where does Ann live?", "b")).hits
    assert hits[0].text == "Ann lives in Bergen"
    assert "Oslo" not in str(hits)
    cleared = await astrocyte.update_memory("b", one, occurred_at=None, tags=[])
    assert (cleared.occurred_at, cleared.tags, cleared.content) == (None, [], "Ann lives in Bergen")
    assert (await astrocyte.bank_statistics("b")).forgotten == 0


async def test_history_does_not_know_what_was_changed_later(plain: Astrocyte) -> None:
    one = await kept(plain, "the door code is 1111")
    known = (await plain.get_memory("b", one)).retained_at
    assert (await plain.history("door code", "b", known)).hits
    changed = await plain.update_memory("b", one, content="the door code is 2222")
    assert (await plain.history("door code", "b", known)).hits == []
    assert changed.updated_at is not None
    assert [hit.text for hit in (await plain.history("door code", "b", changed.updated_at)).hits] == [changed.content]


async def test_a_change_is_checked_as_anything_new(plain: Astrocyte) -> None:
    one = await kept(plain, "x")
    with pytest.raises(InvalidInput, match="nothing is changed"):
        await plain.update_memory("b", one)
    with pytest.raises(ContentTooLong):
        await plain.update_memory("b", one, content="x" * 50_001)
    with pytest.raises(MemoryNotFound):
        await plain.update_memory("b", "0" * 16, content="y")
    assert (await plain.get_memory("b", one)).content == "x"


async def test_an_archived_memory_is_kept_and_not_found(astrocyte: Astrocyte, tmp_path: Path) -> None:
    one = await kept(astrocyte, "the boat is called Mermaid", tags=["t"])
    assert (await astrocyte.recall("boat", "b")).hits
    assert await astrocyte.archive_memories("b", [one, "unknown"]) == 1
    assert await astrocyte.archive_memories("b", [one]) == 0
    assert (await astrocyte.recall("What is the boat called?", "b", tags=["t"])).hits == []
    assert (await astrocyte.get_memory("b", one)).archived_at is not None
    await astrocyte.export_bank("b", tmp_path / "b.jsonl")
    await astrocyte.import_bank("c", tmp_path / "b.jsonl")
    assert (await astrocyte.get_memory("c", one)).archived_at is not None
    assert (await astrocyte.recall("boat", "c")).hits == []
    assert (await astrocyte.retain("the boat is called Mermaid", "b", tags=["t"])).stored
    restored = await astrocyte.restore_memory("b", one)
    assert (restored.archived_at, restored.updated_at) == (None, None)
    assert len((await astrocyte.recall("What is the boat called?", "b")).hits) == 2
    assert (await astrocyte.restore_memory("b", one)) == restored
    assert (await astrocyte.forget("b", tags=["t"])).deleted_count == 2


async def test_who_retained_it_is_kept_and_exported(plain: Astrocyte, tmp_path: Path) -> None:
    await plain.retain("x", "b", context=AstrocyteContext("ann"))
    await plain.retain("y", "b")
    await plain.export_bank("b", tmp_path / "b.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()[1:]]
    assert [line["memory"]["retained_by"] for line in lines if "memory" in line] == ["user:ann", None]


async def test_a_forget_can_be_looked_at_before(astrocyte: Astrocyte) -> None:
    ids = [await kept(astrocyte, f"Ann's parrot number {n}", tags=["bird"], occurred_at=MAY) for n in range(3)]
    await kept(astrocyte, "Ben likes tea", tags=["drink"])
    seen = await astrocyte.preview_forget("b", tags=["bird"], limit=2)
    assert (seen.total, [one.memory_id for one in seen.memories], seen.holds) == (3, ids[:2], [])
    found = await astrocyte.preview_forget("b", query="parrot number 2", min_score=0.9)
    assert found.memories[0].memory_id == ids[2]
    both = await astrocyte.preview_forget("b", query="parrots", min_score=0.0, tags=["drink"])
    assert {one.content for one in both.memories} <= {"Ben likes tea"}
    await astrocyte.place_hold("b", "case", "why")
    assert (await astrocyte.preview_forget("b", scope="all")).holds == ["case"]
    await astrocyte.lift_hold("b", "case")
    assert (await astrocyte.bank_statistics("b")).memories == 4
    assert (await astrocyte.forget("b", memory_ids=[found.memories[0].memory_id])).deleted_count == 1


async def test_a_forget_may_name_both_ends_of_a_time(plain: Astrocyte) -> None:
    for day in (1, 2, 3):
        await kept(plain, f"day {day}", occurred_at=MAY.replace(day=day))
    gone = await plain.forget("b", since_date=MAY.replace(day=2), before_date=MAY.replace(day=3))
    assert gone.deleted_count == 1
    assert {one.content for one in (await plain.list_memories("b")).memories} == {"day 1", "day 3"}
