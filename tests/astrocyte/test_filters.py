"""Filters hold: whatever is asked, no hit of any kind of evidence lies outside bank, tags, times and layers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrocyte import Astrocyte, NewMemory

STORES = ("sqlite", "postgres")
START = datetime(2023, 5, 1, tzinfo=UTC)
WORDS = ("garden", "boat", "Oslo", "dinner", "yesterday")

memory = st.builds(
    lambda words, tags, session, speaker, day: NewMemory(
        content=f"We spoke about {' and '.join(words)} with Ben",
        tags=tags,
        session_id=session,
        speaker=speaker,
        occurred_at=None if day is None else START + timedelta(days=day),
    ),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
    st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True),
    st.sampled_from([None, "s1", "s2"]),
    st.sampled_from([None, "Ann", "Ben"]),
    st.one_of(st.none(), st.integers(0, 20)),
)
question = st.builds(
    lambda words, who, when: f"What about {' '.join(words)} {who} {when}?",
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=2),
    st.sampled_from(["", "Ann", "Ben"]),
    st.sampled_from(["", "in May 2023", "on 3 May 2023"]),
)
bounds = st.one_of(st.none(), st.integers(0, 20).map(lambda day: START + timedelta(days=day)))


def outside(hit: Any, tags: list[str], match: str, start: datetime | None, end: datetime | None) -> bool:
    """The filter in the fewest words, apart from the engine's own."""
    shared = set(tags) & set(hit.tags)
    tagged = {"any": bool(shared), "all": shared == set(tags), "none": not shared}[match] if tags else True
    when = hit.occurred_at
    early = start is not None and (when is None or when < start)
    late = end is not None and (when is None or when > end)
    return hit.bank_id != "b" or not tagged or early or late


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=st.lists(memory, min_size=1, max_size=12),
    asked=st.lists(question, min_size=1, max_size=3),
    tags=st.lists(st.sampled_from(["x", "y", "z"]), max_size=2, unique=True),
    match=st.sampled_from(["any", "all", "none"]),
    start=bounds,
    end=bounds,
)
async def test_no_hit_is_outside(
    astrocyte: Astrocyte,
    told: list[NewMemory],
    asked: list[str],
    tags: list[str],
    match: Any,
    start: datetime | None,
    end: datetime | None,
) -> None:
    await astrocyte.forget("b", scope="all")
    await astrocyte.retain_batch("b", told[::2])
    between = (await astrocyte.list_memories("b", limit=100)).memories[-1].retained_at
    early = {one.memory_id for one in (await astrocyte.list_memories("b", limit=100)).memories}
    if told[1::2]:
        await astrocyte.retain_batch("b", told[1::2])
    await astrocyte.retain("We spoke about garden boat Oslo dinner with Ann and Ben", "other", tags=["x", "y", "z"])
    for query in asked:
        result = await astrocyte.recall(
            query, "b", max_results=100, tags=tags, tag_match=match, time_range=(start, end), diversity=0.3
        )
        assert not [hit for hit in result.hits if outside(hit, tags, match, start, end)]
        allowed = [
            one
            for one in (await astrocyte.list_memories("b", limit=100)).memories
            if not outside(one, tags, match, start, end)
        ]
        assert result.total_available == len(allowed)
        then = await astrocyte.recall(query, "b", max_results=100, tags=tags, tag_match=match, as_of=between)
        assert not [hit for hit in then.hits if hit.memory_id not in early or outside(hit, tags, match, None, None)]
        assert (await astrocyte.recall(query, "b", layers=["page"])).hits == []
        quoted = await astrocyte.reflect(query, "b", tags=tags, tag_match=match)
        assert not [hit for hit in quoted.sources if outside(hit, tags, match, None, None)]


EVERY_LEG = {"keyword", "semantic", "wording", "neighbour", "speaker", "session", "entity", "time"}


async def test_every_kind_of_evidence_holds_to_the_filter(astrocyte: Astrocyte) -> None:
    said = [
        ("Ann", "I adopted a beagle called Max on 3 May 2023"),
        ("Ben", "A beagle! Does Max get on with your parrot?"),
        ("Ann", "They ignore each other. Max prefers the garden"),
        ("Ben", "We painted the boat in May, it is called Mermaid"),
        ("Ann", "Carla from the yard says that the Mermaid leaks"),
        ("Ben", "The harbour in Oslo must be windy, says Carla"),
    ]
    told = [
        NewMemory(
            content=text,
            speaker=speaker,
            session_id=f"s{number // 3}",
            occurred_at=START + timedelta(days=number),
            tags=[side],
        )
        for number, (speaker, text) in enumerate(said)
        for side in ("in", "out")
    ]
    await astrocyte.retain_batch("b", [msgspec.structs.replace(one, content=f"{one.content}.") for one in told])
    await astrocyte.retain_batch("other", told)
    seen: set[str] = set()
    for question in (
        "Which animal did Ann adopt in May 2023?",
        "What leaks, says Carla?",
        "What does Ben say of Mermaid?",
    ):
        for within in ({"tags": ["in"]}, {"tags": ["out"], "tag_match": "none"}):
            found = await astrocyte.recall(question, "b", max_results=100, trace=True, **within)
            assert {(hit.bank_id, *hit.tags) for hit in found.hits} == {("b", "in")}
            assert found.total_available == len(said)
            seen |= {leg.leg for hit in found.trace.hits for leg in hit.legs}
        span = (START + timedelta(days=1), START + timedelta(days=4))
        found = await astrocyte.recall(question, "b", max_results=100, time_range=span)
        assert {hit.occurred_at for hit in found.hits} <= {START + timedelta(days=day) for day in range(1, 5)}
    assert seen >= EVERY_LEG
