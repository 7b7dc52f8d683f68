"""A recall from its plan to its result: rank in every bank, merge, fetch the rows once, check them again, cut."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrocyte.memories import FoundPassage, MemoryHit, RecallResult, RecallTrace
from astrocyte.models.provider import EmbeddingProvider
from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.legs import best_places, semantic_scores
from astrocyte.recall.plan import RecallPlan
from astrocyte.recall.ranking import Hit, Ranking, Weights, rank
from astrocyte.stores.store import Space, Store, check_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class _Found:
    bank_id: str
    hit: Hit


class Searcher:
    """Answers plans. Blocks; runs in worker threads, any number at once."""

    def __init__(
        self,
        store: Store,
        indexes: BankIndexes,
        provider: EmbeddingProvider | None,
        *,
        weights: Weights | None = None,
    ) -> None:
        self._store = store
        self._indexes = indexes
        self._provider = provider
        self._weights = weights or Weights()

    def search(self, plan: RecallPlan) -> RecallResult:
        """Hits of all banks by score: scores are absolute, so banks compare."""
        started = time.perf_counter()
        indexes = {bank: index for bank in plan.banks if (index := self._indexes.current(bank)) is not None}
        vector = self._embedded(plan.query, indexes)
        embedded = time.perf_counter()
        rankings = {
            bank: rank(index, plan.query, vector, plan.admitted, limit=plan.max_results + 1, weights=self._weights)
            for bank, index in indexes.items()
        }
        found = [_Found(bank, hit) for bank, ranking in rankings.items() for hit in ranking.hits]
        found.sort(key=lambda one: -one.hit.score)
        hits = list(self._hydrated(plan, found))
        kept = _within_budget(hits[: plan.max_results], plan.max_tokens)
        cosines = [ranking.top_cosine for ranking in rankings.values() if ranking.top_cosine is not None]
        return RecallResult(
            hits=kept,
            total_available=sum(ranking.candidates for ranking in rankings.values()),
            truncated=len(kept) < len(hits),
            trace=_trace(rankings, (embedded - started) * 1000, (time.perf_counter() - started) * 1000),
            top_semantic_score=max(cosines, default=None),
        )

    def nearest(
        self, bank_id: str, vector: "NDArray[np.float32]", *, at_least: float, count: int
    ) -> list[FoundPassage]:
        """The passages of a bank whose cosine with a vector is ``at_least`` that, nearest first."""
        index = self._indexes.current(bank_id)
        scores = None if index is None else semantic_scores(index, vector)
        if index is None or scores is None:
            return []
        places = best_places(scores, index.alive & (scores >= at_least), count)
        rows = [int(index.rows[place]) for place in places]
        passages = self._store.fetch(bank_id, rows)
        return [passages[row] for row in rows if row in passages]

    def _embedded(self, query: str, indexes: Mapping[str, BankIndex]) -> "NDArray[np.float32] | None":
        spaces = {bank: index.space for bank, index in indexes.items() if index.space is not None}
        if self._provider is None or not spaces:
            return None
        for bank, space in spaces.items():
            check_space(bank, space, Space(self._provider.model_id, self._provider.dimension))
        vector: NDArray[np.float32] = self._provider.embed([query])[0]
        return vector

    def _hydrated(self, plan: RecallPlan, found: Sequence[_Found]) -> Iterator[MemoryHit]:
        """Rows are read once a bank. One that was forgotten meanwhile, or that the filter refuses, is left out."""
        by_bank: dict[str, list[int]] = {}
        for one in found:
            by_bank.setdefault(one.bank_id, []).append(one.hit.row)
        passages = {bank: self._store.fetch(bank, rows) for bank, rows in by_bank.items()}
        seen: set[str] = set()
        for one in found:
            passage = passages[one.bank_id].get(one.hit.row)
            if passage is None or one.hit.score < plan.min_score or not plan.admitted.admits(passage.record):
                continue
            if len(plan.banks) > 1 and passage.text in seen:
                continue
            seen.add(passage.text)
            yield _public(passage, one.hit)


def _public(passage: FoundPassage, hit: Hit) -> MemoryHit:
    memory = passage.record
    return MemoryHit(
        text=passage.text,
        chunk_id=f"{memory.memory_id}:{passage.ordinal}" if passage.of > 1 else None,
        score=round(hit.score, 4),
        memory_id=memory.memory_id,
        bank_id=memory.bank_id,
        metadata=memory.metadata,
        tags=memory.tags,
        occurred_at=memory.occurred_at,
        retained_at=memory.retained_at,
        source=memory.source,
        session_id=memory.session_id,
        speaker=memory.speaker,
        evidence=list(hit.evidence),
    )


def _within_budget(hits: Sequence[MemoryHit], max_tokens: int | None) -> list[MemoryHit]:
    if max_tokens is None:
        return list(hits)
    kept, left = [], max_tokens
    for hit in hits:
        left -= -(-len(hit.text) // CHARACTERS_A_TOKEN)
        if left < 0:
            break
        kept.append(hit)
    return kept


def _trace(rankings: Mapping[str, Ranking], embedding_ms: float, total_ms: float) -> RecallTrace:
    counts: dict[str, int] = {}
    timings = {"embedding": embedding_ms}
    for ranking in rankings.values():
        for name, count in ranking.counts.items():
            counts[name] = counts.get(name, 0) + count
        for name, spent in ranking.timings_ms.items():
            timings[name] = timings.get(name, 0.0) + spent
    return RecallTrace(
        strategies_used=list(counts),
        strategy_candidate_counts=counts,
        strategy_timings_ms={name: round(spent, 3) for name, spent in timings.items()},
        total_candidates=sum(ranking.candidates for ranking in rankings.values()),
        fusion_method="z-score",
        latency_ms=round(total_ms, 3),
    )
