"""One bank, one question: evidence from every leg, added up in standard deviations, best first.

Standardised scores and not ranks: on real conversations reciprocal-rank fusion loses to keywords alone, while the sum
of z-scores beats both legs (``benchmarks/memory``).
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from astrocyte.memories import LegTrace
from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.entities import entity_gain
from astrocyte.recall.explanation import Stages
from astrocyte.recall.filters import RecallFilter
from astrocyte.recall.honesty import HOPELESS, HOPELESS_BY_WORDS, confidence
from astrocyte.recall.legs import (
    LEAST_SPREAD,
    Closeness,
    Keywords,
    best_places,
    centred,
    keyword_scores,
    named_speaker,
    neighbour_gain,
    of_admitted,
    scanned,
    session_best,
    settle,
    spread_of,
    standardised,
    time_gain,
)
from astrocyte.recall.wording import CANDIDATES, Wording

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VectorLeg = Callable[[BankIndex, "NDArray[np.float32]", "NDArray[np.bool_]", "NDArray[np.float32]"], Closeness | None]
"""From an index, the question's vector, what is admitted, and the keyword scores."""

SEMANTIC_COSINE = 0.2
"""From this cosine on, closeness in meaning is named as evidence."""


@dataclass(frozen=True, slots=True)
class Weights:
    """In standard deviations, except ``neighbours``: the shares a turn inherits of turns one, two … away."""

    keyword: float = 1.0
    semantic: float = 1.0
    wording: float = 2.3
    neighbours: tuple[float, ...] = (0.35, 0.2)
    speaker: float = 0.75
    session: float = 0.5
    entity: float = 1.0
    time: float = 3.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A place in a bank's index and the row there; where it ranks, how certain it is (0..1), and what found it.

    ``legs`` tell the same with scores and ranks, when it was asked for; ``rank`` counts from 1.
    """

    place: int
    row: int
    fused: float
    certainty: float
    evidence: tuple[str, ...]
    rank: int = 0
    legs: tuple[LegTrace, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best hits of one bank. ``counts`` says how many admitted memories each kind of evidence touched."""

    hits: tuple[Hit, ...] = ()
    candidates: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    top_cosine: float | None = None


def rank(
    index: BankIndex,
    query: str,
    vector: "NDArray[np.float32] | None",
    admitted: RecallFilter,
    *,
    limit: int,
    weights: Weights,
    vectors: VectorLeg = scanned,
    wording: Wording | None = None,
    is_traced: bool = False,
) -> Ranking:
    """At most ``limit`` hits; none when nothing in the bank answers the question. ``is_traced`` tells their legs."""
    import numpy as np

    started = time.perf_counter()
    mask = admitted.mask(index)
    candidates = int(np.count_nonzero(mask))
    if not candidates:
        return Ranking()
    keywords = keyword_scores(index, query)
    counted = time.perf_counter()
    close = vectors(index, vector, mask, keywords.scores) if vector is not None else None
    cosines = None if close is None else close.cosines
    scored = time.perf_counter()
    stages = Stages(are_kept=is_traced)
    fused = _fuse(index, query, keywords, close, wording, mask, weights, stages)
    places = best_places(fused.scores, mask, limit)
    if close is not None and vector is not None:
        settle(index, close, vector, places)
    hits = _hits(index, places, keywords, cosines, fused)
    if is_traced:
        legs = stages.legs([hit.place for hit in hits], mask, keywords.scores, cosines)
        hits = tuple(replace(hit, legs=told) for hit, told in zip(hits, legs, strict=True))
    fused_at = time.perf_counter()
    counts = {"keyword": int(np.count_nonzero((keywords.scores > 0) & mask))}
    if cosines is not None:
        counts["semantic"] = int(np.count_nonzero(index.has_vector & mask))
    return Ranking(
        hits=hits,
        candidates=candidates,
        counts=counts,
        timings_ms={
            "keyword": (counted - started) * 1000,
            "semantic": (scored - counted) * 1000,
            "fusion": (fused_at - scored) * 1000,
        },
        top_cosine=_highest(cosines, mask),
    )


@dataclass(frozen=True, slots=True)
class _Fused:
    """The sum at every place, and how much each kind of structural evidence says for it."""

    scores: "NDArray[np.float32]"
    lifted: Mapping[str, "NDArray[np.float32] | NDArray[np.bool_]"]


def _fuse(
    index: BankIndex,
    query: str,
    keywords: Keywords,
    close: Closeness | None,
    wording: Wording | None,
    mask: "NDArray[np.bool_]",
    weights: Weights,
    stages: Stages,
) -> _Fused:
    import numpy as np

    fused = weights.keyword * standardised(keywords.scores, mask)
    stages.note("keyword", fused)
    if close is not None:
        fused += weights.semantic * close.standardised(mask)
        stages.note("semantic", fused)
    gains = neighbour_gain(index, fused, mask, weights.neighbours)
    lifted: dict[str, NDArray[np.float32] | NDArray[np.bool_]] = {"neighbour": gains}
    if wording is not None and weights.wording:
        places, fits = wording.scores(index, best_places(fused + gains, mask, CANDIDATES))
        fits *= np.float32(weights.wording)
        fused[places] += fits
        index.structure.pass_on(gains, places, fits, weights.neighbours)
        lifted["wording"] = np.zeros(index.size, np.float32)
        lifted["wording"][places] = fits
        stages.note("wording", fused)
    fused += gains
    stages.note("neighbour", fused)
    speaker = named_speaker(index, query)
    if speaker is not None:
        fused += speaker * (weights.speaker * spread_of(fused, mask))
        lifted["speaker"] = speaker
        stages.note("speaker", fused)
    if weights.session:
        best, spread = centred(session_best(index, fused, mask), mask)
        if spread > LEAST_SPREAD:
            best *= weights.session * spread_of(fused, mask) / spread
            fused += best
        stages.note("session", fused)
    then = time_gain(index, query) if weights.time else None
    if then is not None:
        lifted["time"] = then
        fused += weights.time * spread_of(fused, mask) * then
        stages.note("time", fused)
    if weights.entity:
        linked = entity_gain(index, query, fused, mask)
        lifted["entity"] = linked
        fused += weights.entity * spread_of(fused, mask) * linked
        stages.note("entity", fused)
    return _Fused(fused, lifted)


def _hits(
    index: BankIndex,
    places: Sequence[int],
    keywords: Keywords,
    cosines: "NDArray[np.float32] | None",
    fused: _Fused,
) -> tuple[Hit, ...]:
    import numpy as np

    known = np.full(len(places), np.nan, np.float32) if cosines is None else cosines[places]
    near = [None if math.isnan(cosine) else cosine for cosine in known.tolist()]
    held = keywords.coverage(places).tolist()
    certainty = [confidence(share, cosine) for share, cosine in zip(held, near, strict=True)]
    if max(certainty, default=0.0) < (HOPELESS_BY_WORDS if cosines is None else HOPELESS):
        return ()
    speaks = {
        "keyword": keywords.scores[places] > 0,
        "semantic": known >= SEMANTIC_COSINE,
        **{name: lifted[places] > 0 for name, lifted in fused.lifted.items()},
    }
    evidence = [
        tuple(name for name, speak in zip(speaks, row, strict=True) if speak)
        for row in np.stack(list(speaks.values()), axis=1).tolist()
    ]
    rows, scores = index.rows[places].tolist(), fused.scores[places].tolist()
    return tuple(
        Hit(place, row, score, certain, names, rank)
        for rank, (place, row, score, certain, names) in enumerate(
            zip(places, rows, scores, certainty, evidence, strict=True), start=1
        )
        if names
    )


def _highest(cosines: "NDArray[np.float32] | None", mask: "NDArray[np.bool_]") -> float | None:
    import numpy as np

    if cosines is None:
        return None
    highest = float(np.fmax.reduce(of_admitted(cosines, mask, np.float32(np.nan))))
    return None if math.isnan(highest) else highest
