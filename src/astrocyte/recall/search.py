"""A recall from its plan to its result: rank in every bank, merge, fetch the rows once, check them again, cut."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from astrocyte.memories import FoundPassage, HitTrace, LegTrace, MemoryHit, RecallResult, RecallTrace
from astrocyte.models.provider import EmbeddingProvider
from astrocyte.models.word_vectors import WordProvider
from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.diversity import diversified
from astrocyte.recall.honesty import never_rising
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.legs import best_places, scanned, standardised
from astrocyte.recall.plan import RecallPlan
from astrocyte.recall.ranking import Hit, Ranking, VectorLeg, Weights, rank
from astrocyte.recall.reranking import Reranker
from astrocyte.recall.wording import Wording
from astrocyte.stores.store import Space, Store, check_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHARACTERS_A_TOKEN = 4

DIVERSE_CANDIDATES = 4
"""Times as many candidates as are wanted to choose different ones from."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A hit on its way out: ``score`` is what the caller sees, 0..1."""

    bank_id: str
    hit: Hit
    score: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as the model sees it: as a whole, and word by word if the model tells words."""

    vector: "NDArray[np.float32]"
    wording: Wording | None


@dataclass(slots=True)
class _Spent:
    """Milliseconds by step, and what was counted, over all banks."""

    timings: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, ranking: Ranking) -> None:
        for name, spent in ranking.timings_ms.items():
            self.timings[name] = self.timings.get(name, 0.0) + spent
        for name, count in ranking.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + (time.perf_counter() - started) * 1000


class Searcher:
    """Answers plans. Blocks; runs in worker threads, any number at once."""

    def __init__(
        self,
        store: Store,
        indexes: BankIndexes,
        provider: EmbeddingProvider | None,
        *,
        weights: Weights | None = None,
        reranker: Reranker | None = None,
        rerank_candidates: int = 60,
        vectors: VectorLeg = scanned,
    ) -> None:
        self._vectors = vectors
        self._store = store
        self._indexes = indexes
        self._provider = provider
        self._weights = weights or Weights()
        self._reranker = reranker
        self._rerank_candidates = rerank_candidates

    def search(self, plan: RecallPlan) -> RecallResult:
        """Hits of all banks by score: scores are absolute, so banks compare. Banks are visited as the plan says."""
        started = time.perf_counter()
        spent = _Spent()
        rankings: dict[str, Ranking] = {}
        found: list[_Found] = []
        asked: _Asked | None = None
        for bank in plan.banks:
            index = self._indexes.current(bank)
            if index is None:
                continue
            if index.space is not None and self._provider is not None:
                check_space(bank, index.space, Space(self._provider.model_id, self._provider.dimension))
                with spent.step("embedding"):
                    asked = asked or _asked(self._provider, plan.query, self._store)
            rankings[bank] = ranking = self._rank(plan, bank, index, None if index.space is None else asked, spent)
            weight = plan.bank_weights.get(bank, 1.0)
            scores = never_rising([hit.certainty for hit in ranking.hits])
            found += [
                _Found(bank, hit, min(1.0, max(0.0, score * weight)))
                for hit, score in zip(ranking.hits, scores, strict=True)
            ]
            if _is_enough(plan, found):
                break
        found.sort(key=lambda one: -one.score)
        hydrated = list(self._hydrated(plan, found))
        hits = [hit for hit, _ in hydrated]
        kept = _within_budget(hits[: plan.max_results], plan.max_tokens)
        told = [_told(hit, one) for hit, one in hydrated[: len(kept)]] if plan.trace else []
        cosines = [ranking.top_cosine for ranking in rankings.values() if ranking.top_cosine is not None]
        return RecallResult(
            hits=kept,
            total_available=sum(ranking.candidates for ranking in rankings.values()),
            truncated=len(kept) < len(hits),
            trace=_trace(rankings, spent, (time.perf_counter() - started) * 1000, told),
            top_semantic_score=max(cosines, default=None),
        )

    def _rank(self, plan: RecallPlan, bank: str, index: BankIndex, asked: "_Asked | None", spent: _Spent) -> Ranking:
        wanted = plan.max_results + 1
        reranker = self._reranker if plan.rerank else None
        limit = max(wanted, self._rerank_candidates) if reranker else wanted
        limit = max(limit, DIVERSE_CANDIDATES * wanted) if plan.diversity else limit
        ranking = rank(
            index,
            plan.query,
            None if asked is None else asked.vector,
            plan.admitted,
            limit=limit,
            weights=self._weights,
            vectors=self._vectors,
            wording=None if asked is None else asked.wording,
            is_traced=plan.trace,
        )
        spent.add(ranking)
        hits = ranking.hits
        if reranker is not None and hits:
            with spent.step("rerank"):
                hits = self._reranked(reranker, plan.query, bank, hits, is_traced=plan.trace)
        if plan.diversity and hits:
            with spent.step("diversity"):
                hits = diversified(index, hits, plan.diversity, wanted)
        return replace(ranking, hits=hits[:wanted])

    def _reranked(
        self, reranker: Reranker, query: str, bank: str, hits: Sequence[Hit], *, is_traced: bool
    ) -> tuple[Hit, ...]:
        """The first candidates in the order of both looks together; the others stay behind them."""
        import numpy as np

        chosen = hits[: self._rerank_candidates]
        passages = self._store.fetch(bank, [hit.row for hit in chosen])
        kept = [hit for hit in chosen if hit.row in passages]
        if not kept:
            return ()
        texts = [_spoken(passages[hit.row]) for hit in kept]
        everything = np.ones(len(kept), np.bool_)
        first = standardised(np.array([hit.fused for hit in kept], np.float32), everything)
        scores = reranker.scores(query, texts)
        second = standardised(scores, everything)
        order = np.argsort(-(first + reranker.weight * second), kind="stable").tolist()
        if is_traced:
            ranks = (np.argsort(np.argsort(-scores, kind="stable")) + 1).tolist()
            kept = [
                replace(hit, legs=(*hit.legs, LegTrace("rerank", rank, round(float(score), 4))))
                for hit, rank, score in zip(kept, ranks, scores, strict=True)
            ]
        return (*(kept[place] for place in order), *hits[self._rerank_candidates :])

    def nearest(
        self, bank_id: str, vector: "NDArray[np.float32]", *, at_least: float, count: int
    ) -> list[FoundPassage]:
        """The passages of a bank whose cosine with a vector is ``at_least`` that, nearest first."""
        import numpy as np

        index = self._indexes.current(bank_id)
        if index is None:
            return []
        close = self._vectors(index, vector, index.alive, np.zeros(index.size, np.float32))
        if close is None:
            return []
        places = best_places(close.cosines, index.alive & (close.cosines >= at_least), count)
        rows = [int(index.rows[place]) for place in places]
        passages = self._store.fetch(bank_id, rows)
        return [passages[row] for row in rows if row in passages]

    def _hydrated(self, plan: RecallPlan, found: Sequence[_Found]) -> Iterator[tuple[MemoryHit, Hit]]:
        """Rows are read once a bank. One that was forgotten meanwhile, or that the filter refuses, is left out."""
        by_bank: dict[str, list[int]] = {}
        for one in found:
            by_bank.setdefault(one.bank_id, []).append(one.hit.row)
        passages = {bank: self._store.fetch(bank, rows) for bank, rows in by_bank.items()}
        seen: set[str] = set()
        for one in found:
            passage = passages[one.bank_id].get(one.hit.row)
            if passage is None or one.score < plan.min_score or not plan.admitted.admits(passage.record):
                continue
            if len(plan.banks) > 1 and passage.text in seen:
                continue
            seen.add(passage.text)
            yield _public(passage, one), one.hit


def _asked(provider: EmbeddingProvider, query: str, store: Store) -> _Asked:
    if not isinstance(provider, WordProvider):
        return _Asked(provider.embed([query])[0], None)
    vectors, words = provider.embed_words([query])
    return _Asked(vectors[0], Wording(words[0], store.words))


def _is_enough(plan: RecallPlan, found: Sequence[_Found]) -> bool:
    """Whether the banks that come later need not be asked."""
    if plan.strategy == "parallel":
        return False
    enough = plan.enough if plan.strategy == "cascade" else 1
    return sum(one.score >= plan.min_score for one in found) >= enough


def _spoken(passage: FoundPassage) -> str:
    """A passage as its vector was made: with who said it."""
    speaker = passage.record.speaker
    return passage.text if speaker is None or passage.text.startswith(f"{speaker}:") else f"{speaker}: {passage.text}"


def _public(passage: FoundPassage, found: _Found) -> MemoryHit:
    memory = passage.record
    return MemoryHit(
        text=passage.text,
        chunk_id=f"{memory.memory_id}:{passage.ordinal}" if passage.of > 1 else None,
        score=round(found.score, 4),
        memory_id=memory.memory_id,
        bank_id=memory.bank_id,
        metadata=memory.metadata,
        tags=memory.tags,
        occurred_at=memory.occurred_at,
        retained_at=memory.retained_at,
        source=memory.source,
        session_id=memory.session_id,
        speaker=memory.speaker,
        evidence=list(found.hit.evidence),
        memory_layer=memory.layer,
    )


def _told(hit: MemoryHit, found: Hit) -> HitTrace:
    return HitTrace(
        memory_id=hit.memory_id,
        bank_id=hit.bank_id,
        chunk_id=hit.chunk_id,
        rank=found.rank,
        total=round(found.fused, 4),
        certainty=round(found.certainty, 4),
        legs=list(found.legs),
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


def _trace(rankings: Mapping[str, Ranking], spent: _Spent, total_ms: float, hits: Sequence[HitTrace]) -> RecallTrace:
    return RecallTrace(
        strategies_used=list(spent.counts),
        strategy_candidate_counts=spent.counts,
        strategy_timings_ms={name: round(taken, 3) for name, taken in spent.timings.items()},
        total_candidates=sum(ranking.candidates for ranking in rankings.values()),
        fusion_method="z-score",
        latency_ms=round(total_ms, 3),
        banks=list(rankings),
        hits=list(hits),
    )
