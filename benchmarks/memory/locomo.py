"""Evidence retrieval on LoCoMo: how often the turns that answer a question are among the first k recalled.

    python benchmarks/memory/locomo.py path/to/locomo5.json [--provider minilm|wordllama|none] [--weights]

LoCoMo is Maharana et al., 2024 (CC BY-NC 4.0; not part of this repository). Each conversation is one bank, each turn
one memory. R@k is the share of a question's evidence turns among the first k, averaged over questions; MRR looks at
the first of them. All rankers see the same rows, vectors and questions in one run. Weights were chosen on the
conversations with even numbers, so the odd ones are the held-out half.
"""

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.models.ladder import load_provider
from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.filters import RecallFilter
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.legs import best_places, keyword_scores, semantic_scores
from astrocyte.recall.ranking import Weights, rank
from astrocyte.stores.store import Store

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open", 4: "single-hop", 5: "adversarial"}
CUTS = (5, 10, 20)
_EVIDENCE = re.compile(r"D(\d+):(\d+)")


@dataclass(frozen=True)
class Turn:
    """One turn: its id (``D<session>:<turn>``) and what is retained of it."""

    turn_id: str
    session: str
    memory: NewMemory


@dataclass(frozen=True)
class Question:
    bank: int
    text: str
    evidence: frozenset[str]
    category: int
    answer: str


def read_time(text: str) -> datetime:
    """LoCoMo's ``1:56 pm on 8 May, 2023``."""
    return datetime.strptime(text.replace(",", ""), "%I:%M %p on %d %B %Y").replace(tzinfo=UTC)


def read_turns(sample: Mapping[str, Any]) -> list[Turn]:
    """The turns of a conversation in order; a shared picture counts by its caption."""
    talk = sample["conversation"]
    sessions = sorted(
        (name for name in talk if re.fullmatch(r"session_\d+", name)),
        key=lambda name: int(name.removeprefix("session_")),
    )
    turns = []
    for session in sessions:
        moment = read_time(talk[f"{session}_date_time"])
        for turn in talk[session]:
            caption = turn.get("blip_caption")
            text = f"{turn['text']} [shares {caption}]" if caption else turn["text"]
            memory = NewMemory(content=text, speaker=turn["speaker"], session_id=session, occurred_at=moment)
            turns.append(Turn(turn["dia_id"], session, memory))
    return turns


def read_questions(bank: int, sample: Mapping[str, Any], known: Iterable[str]) -> list[Question]:
    """Questions with at least one evidence turn that exists; malformed ids (``D8:6; D9:17``) are taken apart."""
    ids = set(known)
    questions = []
    for entry in sample["qa"]:
        found = (f"D{int(day)}:{int(turn)}" for day, turn in _EVIDENCE.findall(" ".join(entry.get("evidence", []))))
        evidence = frozenset(turn for turn in found if turn in ids)
        answer = str(entry.get("answer", entry.get("adversarial_answer", "")))
        if evidence:
            questions.append(Question(bank, entry["question"], evidence, entry["category"], answer))
    return questions


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

    indexes: list[BankIndex]
    turn_of_row: list[dict[int, str]]
    questions: list[Question]
    vectors: list[Any]

    def scores(self, ranker: Ranker, chosen: Callable[[Question], bool]) -> Score:
        score = Score()
        for question, vector in zip(self.questions, self.vectors, strict=True):
            if chosen(question):
                rows = ranker(self.indexes[question.bank], question.text, vector, max(CUTS))
                names = self.turn_of_row[question.bank]
                score.add(question.evidence, [names[row] for row in rows])
        return score


async def build(path: Path, astrocyte: Astrocyte, provider: Any) -> Bench:
    samples = json.loads(path.read_text(encoding="utf-8"))
    store: Store = astrocyte._opened.store
    indexes, names, questions = [], [], []
    started, count = time.perf_counter(), 0
    for number, sample in enumerate(samples):
        turns = read_turns(sample)
        for start in range(0, len(turns), 64):
            await astrocyte.retain_batch(f"locomo-{number}", [turn.memory for turn in turns[start : start + 64]])
        count += len(turns)
        index = BankIndexes(store).current(f"locomo-{number}")
        if index is None:
            raise SystemExit("a bank was not retained")
        indexes.append(index)
        names.append(dict(zip(index.rows.tolist(), (turn.turn_id for turn in turns), strict=True)))
        questions += read_questions(number, sample, (turn.turn_id for turn in turns))
    spent = time.perf_counter() - started
    print(f"retained {count} turns in {len(samples)} banks: {count / spent:.0f} a second, batches of 64")
    vectors = [provider.embed([question.text])[0] if provider else None for question in questions]
    return Bench(indexes, names, questions, vectors)


def report(bench: Bench, rankers: Mapping[str, Ranker]) -> None:
    halves: Mapping[str, Callable[[Question], bool]] = {
        "all": lambda question: True,
        "tuned on": lambda question: question.bank % 2 == 0,
        "held out": lambda question: question.bank % 2 == 1,
    }
    for half, chosen in halves.items():
        print(f"\n{half:28} R@5    R@10   R@20   any@10 MRR")
        for name, ranker in rankers.items():
            print(f"  {name:26} {bench.scores(ranker, chosen).row()}")
    print(f"\n{'R@10 by category':28} " + "  ".join(f"{name:>11}" for name in CATEGORIES.values()))
    for name, ranker in rankers.items():
        cells = []
        for category in CATEGORIES:
            score = bench.scores(ranker, lambda question, kind=category: question.category == kind)  # type: ignore[misc]
            cells.append(f"{score.shares[10] / max(1, score.questions):11.3f}")
        print(f"  {name:26} " + "  ".join(cells))


async def time_recalls(bench: Bench, astrocyte: Astrocyte, count: int = 200) -> None:
    spent, sizes = [], [index.size for index in bench.indexes]
    for question in bench.questions[:: max(1, len(bench.questions) // count)]:
        started = time.perf_counter()
        await astrocyte.recall(question.text, f"locomo-{question.bank}")
        spent.append((time.perf_counter() - started) * 1000)
    spent.sort()
    print(
        f"\nrecall through the API, {statistics.mean(sizes):.0f} memories a bank, ms: "
        f"p50 {spent[len(spent) // 2]:.1f}, p95 {spent[int(len(spent) * 0.95)]:.1f}"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--provider", default="auto")
    arguments = parser.parse_args()
    provider = load_provider(arguments.provider)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"storage": {"url": f"sqlite:///{folder}/memory.db"}, "embedding": {"provider": arguments.provider}}
        async with Astrocyte.from_config_dict(settings) as astrocyte:
            print(f"model: {astrocyte.model_id}")
            bench = await build(arguments.path, astrocyte, provider)
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
