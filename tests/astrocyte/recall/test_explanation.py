"""A trace says for each hit what found it, and its numbers add up."""

import math
from typing import Any

import pytest

from astrocyte import Astrocyte, NewMemory
from astrocyte.memories import HitTrace, RecallResult
from astrocyte.models.minilm import MiniLm
from astrocyte.recall.legs import keyword_scores

STORES = ("sqlite", "postgres")

TOLD = [
    NewMemory(content="I adopted a beagle called Max", speaker="Ann", session_id="s"),
    NewMemory(content="He sleeps in the kitchen", speaker="Ben", session_id="s"),
    NewMemory(content="The stock market fell on Friday", speaker="Ben", session_id="t"),
    NewMemory(content="Max was afraid of thunder in May 2023, said Ben", session_id="u"),
]


def legs(hit: HitTrace) -> dict[str, Any]:
    return {leg.leg: leg for leg in hit.legs}


async def traced(engine: Astrocyte, question: str, **how: Any) -> RecallResult:
    await engine.retain_batch("b", TOLD)
    found = await engine.recall(question, "b", trace=True, **how)
    assert [one.memory_id for one in found.trace.hits] == [one.memory_id for one in found.hits]
    return found


async def test_nothing_is_told_unless_it_is_asked_for(plain: Astrocyte) -> None:
    await plain.retain_batch("b", TOLD)
    assert (await plain.recall("beagle", "b")).trace.hits == []


async def test_every_kind_of_evidence_of_a_hit_is_in_its_trace_and_no_other(astrocyte: Astrocyte) -> None:
    found = await traced(astrocyte, "Which beagle did Ann adopt, and what of May 2023?")
    seen: set[str] = set()
    for hit, told in zip(found.hits, found.trace.hits, strict=True):
        seen |= set(hit.evidence)
        lifted = {leg.leg for leg in told.legs if leg.added is not None and leg.added > 0}
        assert set(hit.evidence) <= legs(told).keys()
        assert lifted <= {*hit.evidence, "semantic", "session"}
    assert {"keyword", "semantic", "neighbour", "speaker", "time"} <= seen


async def test_what_the_legs_add_is_the_sum_by_which_hits_are_ranked(astrocyte: Astrocyte) -> None:
    found = await traced(astrocyte, "Which beagle did Ann adopt, and what of May 2023?")
    for place, told in enumerate(found.trace.hits, start=1):
        assert told.rank == place
        added = [leg.added for leg in told.legs if leg.added is not None]
        assert told.total == pytest.approx(math.fsum(added), abs=0.001)
    totals = [told.total for told in found.trace.hits]
    assert totals == sorted(totals, reverse=True)


async def test_scores_are_the_legs_own_and_ranks_count_memories_that_pass_the_filter(
    astrocyte: Astrocyte, model: MiniLm
) -> None:
    question = "Which beagle did Ann adopt?"
    found = await traced(astrocyte, question)
    best = found.trace.hits[0]
    index = astrocyte._opened.searcher._indexes.current("b")
    assert index is not None
    assert legs(best)["keyword"].score == pytest.approx(float(keyword_scores(index, question).scores.max()), abs=0.001)
    asked, said = model.embed([question, "Ann: I adopted a beagle called Max"])
    assert legs(best)["semantic"].score == pytest.approx(float(asked @ said), abs=0.01)
    assert (legs(best)["keyword"].rank, legs(best)["semantic"].rank) == (1, 1)
    ranks = sorted(legs(told)["semantic"].rank for told in found.trace.hits)
    assert ranks == list(range(1, len(ranks) + 1))


async def test_the_second_look_is_told_as_well(url: str, model: MiniLm) -> None:
    values = {"storage": {"url": url}, "recall": {"rerank": "tokens"}}
    async with Astrocyte(Astrocyte.from_config_dict(values).settings, provider=model) as engine:
        found = await traced(engine, "Which beagle did Ann adopt?")
        ranks = sorted(legs(told)["rerank"].rank for told in found.trace.hits)
        assert ranks == list(range(1, len(ranks) + 1))
        without = await engine.recall("Which beagle did Ann adopt?", "b", rerank=False, trace=True)
        assert not [told for told in without.trace.hits if "rerank" in legs(told)]


async def test_hits_that_a_budget_cuts_off_are_not_told(plain: Astrocyte) -> None:
    found = await traced(plain, "beagle Max", max_tokens=8)
    assert len(found.trace.hits) == 1
