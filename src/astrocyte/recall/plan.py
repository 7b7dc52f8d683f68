"""A recall as it was asked for, checked and ready to run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from astrocyte.errors import InvalidInput
from astrocyte.inputs import Limits, checked_query, checked_tags, utc
from astrocyte.recall.filters import RecallFilter, TagMatch

TAG_MATCHES = ("any", "all", "none")


@dataclass(frozen=True, slots=True)
class RecallPlan:
    """Where to look, what may be seen, how much to return."""

    query: str
    banks: tuple[str, ...]
    max_results: int
    max_tokens: int | None
    min_score: float
    admitted: RecallFilter


def recall_plan(
    query: str,
    banks: Sequence[str],
    limits: Limits,
    *,
    max_results: int = 10,
    max_tokens: int | None = None,
    min_score: float = 0.0,
    tags: Sequence[str] = (),
    tag_match: TagMatch = "any",
    time_range: tuple[datetime | None, datetime | None] | None = None,
    as_of: datetime | None = None,
) -> RecallPlan:
    """Raises an `InvalidInput` that names what is wrong; ``max_results`` is brought into its bounds."""
    if tag_match not in TAG_MATCHES:
        raise InvalidInput(f"tag_match must be one of {', '.join(TAG_MATCHES)}")
    start, end = time_range or (None, None)
    return RecallPlan(
        query=checked_query(query, limits),
        banks=tuple(banks),
        max_results=min(max(1, max_results), limits.max_results),
        max_tokens=max_tokens,
        min_score=min_score,
        admitted=RecallFilter(
            tags=tuple(checked_tags(tags, limits)),
            tag_match=tag_match,
            occurred_from=utc("time_range", start),
            occurred_to=utc("time_range", end),
            as_of=utc("as_of", as_of),
        ),
    )
