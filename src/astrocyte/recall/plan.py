"""A recall as it was asked for, checked and ready to run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from astrocyte.errors import InvalidInput
from astrocyte.inputs import Limits, checked_count, checked_query, checked_share, checked_tags, utc
from astrocyte.recall.filters import RecallFilter, TagMatch
from astrocyte.stores.columns import LAYERS

Strategy = Literal["parallel", "cascade", "first_match"]

TAG_MATCHES = ("any", "all", "none")
STRATEGIES: tuple[Strategy, ...] = ("parallel", "cascade", "first_match")
MAX_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class RecallPlan:
    """Where to look, what may be seen, how much to return.

    ``strategy`` says how several banks are searched: all together; in order until ``enough`` hits are found (cascade);
    in order until one has any (first_match). ``bank_weights`` multiply scores. ``diversity`` from 0 to 1 trades
    closeness to the question for difference between hits. ``trace`` tells how each hit was found.
    """

    query: str
    banks: tuple[str, ...]
    max_results: int
    max_tokens: int | None
    min_score: float
    admitted: RecallFilter
    strategy: Strategy = "parallel"
    enough: int = 3
    bank_weights: Mapping[str, float] = field(default_factory=dict)
    diversity: float = 0.0
    rerank: bool = True
    trace: bool = False


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
    layers: Sequence[str] | None = None,
    strategy: Strategy = "parallel",
    enough: int = 3,
    bank_weights: Mapping[str, float] | None = None,
    diversity: float = 0.0,
    rerank: bool = True,
    trace: bool = False,
) -> RecallPlan:
    """Raises an `InvalidInput` that names what is wrong; ``max_results`` is brought into its bounds."""
    if tag_match not in TAG_MATCHES:
        raise InvalidInput(f"tag_match must be one of {', '.join(TAG_MATCHES)}")
    if strategy not in STRATEGIES:
        raise InvalidInput(f"strategy must be one of {', '.join(STRATEGIES)}")
    if layers is not None and not set(layers) <= set(LAYERS):
        raise InvalidInput(f"layers must be some of {', '.join(LAYERS)}")
    start, end = time_range or (None, None)
    return RecallPlan(
        query=checked_query(query, limits),
        banks=tuple(banks),
        max_results=checked_count("max_results", max_results, most=limits.max_results),
        max_tokens=None if max_tokens is None else checked_count("max_tokens", max_tokens),
        min_score=checked_share("min_score", min_score),
        admitted=RecallFilter(
            tags=tuple(checked_tags(tags, limits)),
            tag_match=tag_match,
            occurred_from=utc("time_range", start),
            occurred_to=utc("time_range", end),
            as_of=utc("as_of", as_of),
            layers=None if layers is None else frozenset(layers),
        ),
        strategy=strategy,
        enough=checked_count("enough", enough, most=limits.max_results),
        bank_weights=_checked_weights(bank_weights or {}, banks),
        diversity=checked_share("diversity", diversity),
        rerank=rerank,
        trace=trace,
    )


def _checked_weights(weights: Mapping[str, float], banks: Sequence[str]) -> Mapping[str, float]:
    for bank, weight in weights.items():
        if bank not in banks:
            raise InvalidInput(f"bank_weights names '{bank[:40]}', which is not searched")
        checked_share("a bank's weight", weight, most=MAX_WEIGHT)
    return dict(weights)
