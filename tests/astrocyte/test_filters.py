"""Filters hold: whatever is asked, no hit of any kind of evidence lies outside bank, tags, times and layers."""

from datetime import UTC, datetime, timedelta
from typing import Any

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
    plain: Astrocyte,
    told: list[NewMemory],
    asked: list[str],
    tags: list[str],
    match: Any,
    start: datetime | None,
    end: datetime | None,
) -> None:
    await plain.forget("b", scope="all")
    await plain.retain_batch("b", told)
    await plain.retain("We spoke about garden boat Oslo dinner with Ann and Ben", "other", tags=["x", "y", "z"])
    for query in asked:
        result = await plain.recall(
            query, "b", max_results=100, tags=tags, tag_match=match, time_range=(start, end), diversity=0.3
        )
        assert not [hit for hit in result.hits if outside(hit, tags, match, start, end)]
        allowed = [
            one
            for one in (await plain.list_memories("b", limit=100)).memories
            if not outside(one, tags, match, start, end)
        ]
        assert result.total_available == len(allowed)
        quoted = await plain.reflect(query, "b", tags=tags, tag_match=match)
        assert not [hit for hit in quoted.sources if outside(hit, tags, match, None, None)]
