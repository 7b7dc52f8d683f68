"""Re-embedding: a bank gets vectors of the model in use, while it is read, and whatever happens on the way."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from tests.astrocyte.letters import Letters
from tests.astrocyte.rows import execute

from astrocyte import Astrocyte, NewMemory
from astrocyte.engine import reembedding
from astrocyte.errors import BankNotFound, InvalidInput, ModelMismatch
from astrocyte.memories import MemoryHit
from astrocyte.models.minilm import MiniLm
from astrocyte.stores import segments

STORES = ("sqlite", "postgres")


@asynccontextmanager
async def opened(url: str, provider: Letters | MiniLm | None) -> AsyncIterator[Astrocyte]:
    values = {"storage": {"url": url}, "embedding": {"provider": "none"}, "retain": {"duplicates": "keep"}}
    async with Astrocyte(Astrocyte.from_config_dict(values).settings, provider=provider) as engine:
        yield engine


def birds(count: int) -> list[NewMemory]:
    return [
        NewMemory(content=f"Ann saw bird number {n} {'eh' * n}", session_id="s", speaker="Ann") for n in range(count)
    ]


def told(hits: Sequence[MemoryHit]) -> list[tuple[str, float, list[str]]]:
    return [(hit.text, round(hit.score, 3), hit.evidence) for hit in hits]


async def vectors(engine: Astrocyte) -> set[tuple[int, bytes | None]]:
    """The bytes of every vector, and how many."""
    rows = await engine._opened.database.read(
        lambda connection: connection.execute("SELECT id, vector FROM memory_passages").fetchall()
    )
    return {(row, None if vector is None else bytes(vector)) for row, vector in rows}


async def waiting(engine: Astrocyte) -> int:
    rows = await engine._opened.database.read(
        lambda connection: connection.execute("SELECT count(*) FROM memory_fresh_vectors").fetchone()
    )
    return int(rows[0])


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reembedding, "BATCH", 4)
    monkeypatch.setattr(segments, "PASSAGES", 4)
    monkeypatch.setattr(segments, "LOOKED_FOR_EVERY", 1)


async def test_a_bank_of_another_model_is_as_if_the_new_one_had_made_it(url: str) -> None:
    long = NewMemory(content="# Log\n\n" + "The tide was low. " * 120, content_type="markdown", speaker="Ben")
    async with opened(url, Letters("eh")) as old:
        await old.retain_batch("b", [*birds(10), long])
    new = Letters("abe")
    async with opened(url, new) as engine:
        with pytest.raises(ModelMismatch) as refused:
            await engine.recall("which bird?", "b")
        assert "astrocyte reembed b" in (refused.value.hint or "")
        done = await engine.reembed("b")
        assert (done.previous_model, done.model) == ("letters:eh", "letters:abe")
        assert (done.embedded, done.remaining, done.is_finished) == (done.passages, 0, True)
        await engine.retain_batch("c", [*birds(10), long])
        made_anew, made = [told((await engine.recall("which bird is 7?", bank)).hits) for bank in ("b", "c")]
        assert made_anew == made
        assert sorted(new.asked[: done.passages]) == sorted(new.asked[done.passages : 2 * done.passages])
        assert [finding.detail for finding in await engine.doctor() if finding.hint] == []
        assert await waiting(engine) == 0
        (event,) = [row for row in engine.audit.records("memory") if row.event["action"] == "reembed"]
        assert event.event["before"] == "letters:eh"


async def test_readers_find_what_they_found_until_all_is_there_and_then_find_the_new(url: str) -> None:
    async with opened(url, Letters("eh")) as old, opened(url, Letters("abe")) as new:
        await old.retain_batch("b", birds(10))
        before = told((await old.recall("bird 3", "b")).hits)
        part = await new.reembed("b", limit=6)
        assert (part.embedded, part.remaining, part.is_finished) == (6, 4, False)
        assert told((await old.recall("bird 3", "b")).hits) == before
        (late,) = await old.retain_batch("b", [NewMemory(content="late")])
        whole = await new.reembed("b")
        assert (whole.embedded, whole.is_finished) == (5, True)
        assert late.memory_id in {hit.memory_id for hit in (await new.recall("late", "b")).hits}
        with pytest.raises(ModelMismatch):
            await old.retain("x", "b")
        with pytest.raises(ModelMismatch):
            await old.recall("bird 3", "b")


async def test_an_interrupted_run_goes_on_where_it_stopped(url: str) -> None:
    async with opened(url, Letters("eh")) as old:
        await old.retain_batch("b", birds(10))
    first, second = Letters("abe"), Letters("abe")
    async with opened(url, first) as engine:
        await engine.reembed("b", limit=7)
    async with opened(url, second) as engine:
        assert (await engine.reembed("b", dry_run=True)).remaining == 3
        assert (await engine.reembed("b")).is_finished
    assert (len(first.asked), len(second.asked)) == (7, 3)


async def test_vectors_that_wait_are_dropped_for_those_of_a_third_model(url: str) -> None:
    async with opened(url, Letters("eh")) as old:
        await old.retain_batch("b", birds(6))
    async with opened(url, Letters("abe")) as engine:
        await engine.reembed("b", limit=4)
    async with opened(url, Letters("xyzb")) as engine:
        assert (await engine.reembed("b")).embedded == 6
        assert {len(vector or b"") for _, vector in await vectors(engine)} == {8}
        assert [finding.detail for finding in await engine.doctor() if not finding.is_well] == []


async def test_what_is_forgotten_meanwhile_takes_its_fresh_vector_along(url: str) -> None:
    async with opened(url, Letters("eh")) as old, opened(url, Letters("abe")) as new:
        ids = [one.memory_id for one in await old.retain_batch("b", birds(8))]
        await new.reembed("b", limit=8)
        assert await waiting(new) == 8
        await old.forget("b", memory_ids=[one for one in ids[:3] if one])
        await old.update_memory("b", str(ids[4]), content="a fox")
        assert await waiting(new) == 4
        await new.reembed("b")
        assert {hit.text for hit in (await new.recall("fox bird", "b")).hits} >= {"a fox"}
        assert len(await vectors(new)) == 5
        assert [finding.detail for finding in await new.doctor() if not finding.is_well] == []


async def test_memories_retained_without_a_model_get_vectors_and_keep_those_they_have(url: str, model: MiniLm) -> None:
    async with opened(url, None) as plain:
        await plain.retain_batch("b", birds(5))
    async with opened(url, model) as engine:
        await engine.retain("The pottery class starts on Monday", "b")
        kept = {one for one in await vectors(engine) if one[1] is not None}
        (advice,) = [finding for finding in await engine.doctor() if finding.check == "bank vectors"]
        assert "b (5)" in advice.detail
        assert advice.is_well
        await engine.recall("birds", "b")
        assert (await engine.reembed("b")).embedded == 5
        assert kept < await vectors(engine)
        found = (await engine.recall("Who watched an animal that flies?", "b")).hits
        assert "semantic" in found[0].evidence
        assert "bird" in found[0].text


async def test_memories_of_an_earlier_version_get_word_vectors_and_nothing_else_changes(
    url: str, model: MiniLm
) -> None:
    async with opened(url, model) as engine:
        await engine.retain_batch("b", [*birds(3), NewMemory(content="The pottery class starts on Monday")])
        kept = await vectors(engine)
        execute(url, "UPDATE memory_passages SET words = NULL")
        assert not any("wording" in hit.evidence for hit in (await engine.recall("which birds?", "b")).hits)
        (advice,) = [finding for finding in await engine.doctor() if finding.check == "bank vectors"]
        assert "b (4)" in advice.detail
        assert advice.hint == "astrocyte reembed BANK"
        assert (await engine.reembed("b")).embedded == 4
        assert await vectors(engine) == kept
        assert any("wording" in hit.evidence for hit in (await engine.recall("which birds?", "b")).hits)
        assert (await engine.reembed("b")).embedded == 0


async def test_what_indexes_read_quickly_is_packed_again(url: str) -> None:
    def packed(engine: Astrocyte) -> int:
        query = "SELECT count(*) FROM memory_segments WHERE content IS NOT NULL"
        return int(engine._opened.database.read_now(lambda link: link.execute(query).fetchone())[0])

    async with opened(url, Letters("eh")) as old:
        await old.retain_batch("b", birds(30))
        before = packed(old)
    async with opened(url, Letters("abe")) as engine:
        await engine.reembed("b")
        assert packed(engine) >= before > 3
        assert [finding.detail for finding in await engine.doctor() if not finding.is_well] == []


async def test_a_dry_run_changes_nothing_and_a_hold_does_not_forbid_it(url: str) -> None:
    async with opened(url, Letters("eh")) as old:
        await old.retain_batch("b", birds(3))
        await old.place_hold("b", "case", "a court asked")
        assert (await old.reembed("b", dry_run=True)).is_finished
    async with opened(url, Letters("abe")) as engine:
        kept = await vectors(engine)
        seen = await engine.reembed("b", dry_run=True)
        assert (seen.remaining, seen.embedded, seen.is_finished, seen.is_dry_run) == (3, 0, False, True)
        assert await vectors(engine) == kept
        assert (await engine.reembed("b")).is_finished


async def test_it_says_what_it_needs(url: str) -> None:
    async with opened(url, None) as engine:
        with pytest.raises(InvalidInput, match="no embedding model"):
            await engine.reembed("b")
    async with opened(url, Letters("eh")) as engine:
        with pytest.raises(BankNotFound):
            await engine.reembed("b")
        with pytest.raises(InvalidInput, match="limit"):
            await engine.reembed("b", limit=0)
