"""Evidence retrieval on LoCoMo: how often the turns that answer a question are among the first k recalled.

    python benchmarks/memory/locomo.py path/to/locomo5.json [--provider auto|minilm|wordllama|none]

LoCoMo is Maharana et al., 2024 (CC BY-NC 4.0; not part of this repository). Each conversation is one bank, each turn
one memory. R@k is the share of a question's evidence turns among the first k, averaged over questions; MRR looks at
the first of them. All rankers see the same rows, vectors and questions in one run. Weights were chosen on the
conversations with even numbers, so the odd ones are the held-out half.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.memory.locomo_transcript import CATEGORIES, Question, Turn, read_conversations

from aster.foundation.sql import Database
from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.models.ladder import PROVIDERS, load_provider
from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.filters import RecallFilter
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.legs import best_places, keyword_scores, semantic_scores
from astrocyte.recall.ranking import Weights, rank
from astrocyte.stores.sqlite import SqliteStore

CUTS = (5, 10, 20)
BATCH = 64


@dataclass(frozen=True)
class Asked:
    """A question and the number of its bank."""

    bank: int
    question: Question


Ranker = Callable[[BankIndex, str, Any, int], Sequence[int]]
"""(index, question, its vector, k) to row numbers, best first."""


def keywords_only(index: BankIndex, query: str, vector: Any, count: int) -> Sequence[int]:
    scores = keyword_scores(index, query).scores
    return [int(index.rows[place]) for place in best_places(scores, index.alive & (scores > 0), count)]


def vectors_only(index: BankIndex, query: str, vector: Any, count: int) -> Sequence[int]:
    scores = semantic_scores(index, vector)
    return [] if scores is None else [int(index.rows[place]) for place in best_places(scores, index.alive, count)]


def fused(weights: Weights) -> Ranker:
    def ranker(index: BankIndex, query: str, vector: Any, count: int) -> Sequence[int]:
        ranking = rank(index, query, vector, RecallFilter(), limit=count, weights=weights)
        return [hit.row for hit in ranking.hits]

    return ranker


@dataclass
class Score:
    """Sums over questions."""

    questions: int = 0
    reciprocal: float = 0.0

    def __post_init__(self) -> None:
        self.shares = dict.fromkeys(CUTS, 0.0)
        self.any10 = 0.0

    def add(self, evidence: frozenset[str], ranked: Sequence[str]) -> None:
        self.questions += 1
        for cut in CUTS:
            self.shares[cut] += len(evidence & set(ranked[:cut])) / len(evidence)
        self.any10 += bool(evidence & set(ranked[:10]))
        self.reciprocal += next((1 / place for place, turn in enumerate(ranked, 1) if turn in evidence), 0.0)

    def row(self) -> str:
        count = max(1, self.questions)
        shares = "  ".join(f"{self.shares[cut] / count:.3f}" for cut in CUTS)
        return f"{shares}  {self.any10 / count:.3f}  {self.reciprocal / count:.3f}"


@dataclass(frozen=True)
class Bench:
    """The banks as retained, their indexes, the questions and their vectors."""

    banks: list[str]
    indexes: list[BankIndex]
    turn_of_row: list[dict[int, str]]
    asked: list[Asked]
    vectors: list[Any]

    def scores(self, ranker: Ranker, chosen: Callable[[Asked], bool]) -> Score:
        score = Score()
        for asked, vector in zip(self.asked, self.vectors, strict=True):
            if chosen(asked):
                rows = ranker(self.indexes[asked.bank], asked.question.text, vector, max(CUTS))
                names = self.turn_of_row[asked.bank]
                score.add(asked.question.evidence, [names[row] for row in rows])
        return score


def memory_of(turn: Turn) -> NewMemory:
    return NewMemory(content=turn.text, speaker=turn.speaker, session_id=turn.session, occurred_at=turn.moment)


async def build(path: Path, database: Path, astrocyte: Astrocyte, provider: Any) -> Bench:
    conversations = read_conversations(path)
    started = time.perf_counter()
    for conversation in conversations:
        memories = [memory_of(turn) for turn in conversation.turns]
        for start in range(0, len(memories), BATCH):
            await astrocyte.retain_batch(conversation.name, memories[start : start + BATCH])
    spent = time.perf_counter() - started
    count = sum(len(conversation.turns) for conversation in conversations)
    print(f"retained {count} turns in {len(conversations)} banks: {count / spent:.0f} a second, batches of {BATCH}")
    reader = Database.open(database)
    indexes = BankIndexes(SqliteStore(reader))
    found = [index for one in conversations if (index := indexes.current(one.name)) is not None]
    await reader.close()
    names = [
        dict(zip(index.rows.tolist(), (turn.turn_id for turn in one.turns), strict=True))
        for one, index in zip(conversations, found, strict=True)
    ]
    asked = [Asked(bank, question) for bank, one in enumerate(conversations) for question in one.questions]
    vectors = [provider.embed([one.question.text])[0] if provider else None for one in asked]
    return Bench([one.name for one in conversations], found, names, asked, vectors)


def report(bench: Bench, rankers: Mapping[str, Ranker]) -> None:
    halves: Mapping[str, Callable[[Asked], bool]] = {
        "all": lambda asked: True,
        "tuned on": lambda asked: asked.bank % 2 == 0,
        "held out": lambda asked: asked.bank % 2 == 1,
    }
    for half, chosen in halves.items():
        print(f"\n{half:28} R@5    R@10   R@20   any@10 MRR")
        for name, ranker in rankers.items():
            print(f"  {name:26} {bench.scores(ranker, chosen).row()}")
    print(f"\n{'R@10 by category':28} " + "  ".join(f"{name:>11}" for name in CATEGORIES.values()))
    for name, ranker in rankers.items():
        cells = []
        for category in CATEGORIES:
            score = bench.scores(ranker, lambda asked, kind=category: asked.question.category == kind)  # type: ignore[misc]  # a default binds the loop's value
            cells.append(f"{score.shares[10] / max(1, score.questions):11.3f}")
        print(f"  {name:26} " + "  ".join(cells))


async def time_recalls(bench: Bench, astrocyte: Astrocyte, count: int = 200) -> None:
    spent, sizes = [], [index.size for index in bench.indexes]
    for asked in bench.asked[:: max(1, len(bench.asked) // count)]:
        started = time.perf_counter()
        await astrocyte.recall(asked.question.text, bench.banks[asked.bank])
        spent.append((time.perf_counter() - started) * 1000)
    spent.sort()
    print(
        f"\nrecall through the API, {statistics.mean(sizes):.0f} memories a bank, ms: "
        f"p50 {spent[len(spent) // 2]:.1f}, p95 {spent[int(len(spent) * 0.95)]:.1f}"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--provider", default="auto", choices=PROVIDERS)
    arguments = parser.parse_args()
    provider = load_provider(arguments.provider)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "memory.db")
        settings = {"storage": {"url": f"sqlite:///{database}"}, "embedding": {"provider": arguments.provider}}
        async with Astrocyte.from_config_dict(settings) as astrocyte:
            print(f"model: {astrocyte.model_id}")
            bench = await build(arguments.path, database, astrocyte, provider)
            rankers: dict[str, Ranker] = {"BM25": keywords_only}
            if provider is not None:
                rankers["vectors (as the peers do)"] = vectors_only
            rankers["sum of z-scores"] = fused(Weights(neighbours=(), speaker=0, session=0))
            rankers["+ neighbours, speaker"] = fused(Weights(neighbours=(0.35,), speaker=0.5, session=0))
            rankers["ours"] = fused(Weights())
            report(bench, rankers)
            await time_recalls(bench, astrocyte)


if __name__ == "__main__":
    asyncio.run(main())
