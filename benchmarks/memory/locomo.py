"""Evidence retrieval on LoCoMo: how often the turns that answer a question are among the first k recalled.

    python benchmarks/memory/locomo.py --prepare
    python benchmarks/memory/locomo.py path/to/locomo5.json [--provider auto|minilm|wordllama|none]
        [--rerank] [--vectors vectors.npz] [--conversations 5]
        [--peers chroma lancedb_table mem0_local earlier] [--peers-python FILE]

LoCoMo is Maharana et al., 2024 (CC BY-NC 4.0; not part of this repository). Each conversation is one bank, each turn
one memory. any@k: some of a question's evidence turns are among the first k; fraction@k: the share of them, averaged
over questions; MRR looks at the first of them. All systems see the same texts, vectors and questions in one run; ours
goes through its public API. Weights were chosen on the conversations with even numbers; the odd ones are the reporting
half. ``--vectors`` keeps vectors between runs. Peers run, if asked for, in the interpreter that ``--prepare`` makes
once (`benchmarks/memory/peers.py` has their versions); texts and vectors are handed to them by this process.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from benchmarks.memory.locomo_transcript import Conversation, Turn, read_conversations
from benchmarks.memory.peers import CACHE, missing, peers_python, prepare
from benchmarks.memory.scoring import HALVES, Asked, print_bars, print_tables

from aster.foundation.sql import Database
from astrocyte.config import settings_from_dict
from astrocyte.memories import Metadata, NewMemory
from astrocyte.memory import Astrocyte
from astrocyte.models.ladder import PROVIDERS, load_provider
from astrocyte.models.provider import EmbeddingProvider
from astrocyte.models.word_vectors import WordProvider
from astrocyte.recall.bank_index import BankIndex
from astrocyte.recall.filters import RecallFilter
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.legs import best_places, keyword_scores
from astrocyte.recall.ranking import Weights, rank
from astrocyte.recall.wording import Wording
from astrocyte.stores.opening import open_store

BATCH = 64
DEPTH = 20
PEERS = ("chroma", "lancedb_table", "mem0_local", "earlier")
TASK = Path(__file__).parent / "variants" / "task.py"
OURS, RERANKED = "ours", "ours, tokens reranked"


class Remembered:
    """An embedding model whose vectors are kept in a file, so that another run does not wait for them again."""

    def __init__(self, model: EmbeddingProvider, file: Path) -> None:
        self._model, self._file = model, file
        self.model_id, self.dimension = model.model_id, model.dimension
        self._known: dict[str, Any] = {}
        self._words: dict[str, bytes] = {}
        if file.exists():
            with np.load(file, allow_pickle=False) as kept:
                texts = kept["texts"].tolist()
                self._known = dict(zip(texts, kept["vectors"], strict=True))
                words = np.split(kept["words"], np.cumsum(kept["sizes"])[:-1])
                self._words = dict(zip(texts, (one.tobytes() for one in words), strict=True))

    def embed(self, texts: Sequence[str]) -> Any:
        return self.embed_words(texts)[0]

    def embed_words(self, texts: Sequence[str]) -> tuple[Any, list[bytes]]:
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing and isinstance(self._model, WordProvider):
            vectors, words = self._model.embed_words(missing)
            self._known.update(zip(missing, vectors, strict=True))
            self._words.update(zip(missing, words, strict=True))
        elif missing:
            self._known.update(zip(missing, self._model.embed(missing), strict=True))
        return np.stack([self._known[text] for text in texts]), [self._words.get(text, b"") for text in texts]

    def keep(self) -> None:
        words = [self._words.get(text, b"") for text in self._known]
        np.savez(
            self._file,
            texts=np.array(list(self._known)),
            vectors=np.stack(list(self._known.values())),
            words=np.frombuffer(b"".join(words), np.uint8),
            sizes=[len(one) for one in words],
        )


@dataclass(frozen=True)
class Bench:
    """The conversations as retained, their indexes, the questions and their vectors."""

    conversations: list[Conversation]
    indexes: list[BankIndex]
    turn_of_row: list[dict[int, str]]
    asked: list[Asked]
    vectors: list[Any]
    wordings: list[Wording | None]
    stored_a_second: float

    def by_weights(self, weights: Weights) -> list[list[str]]:
        """Rankings with only some of the evidence: the ablations."""
        found = []
        for one, vector, wording in zip(self.asked, self.vectors, self.wordings, strict=True):
            index, names = self.indexes[one.bank], self.turn_of_row[one.bank]
            ranking = rank(
                index, one.question.text, vector, RecallFilter(), limit=DEPTH, weights=weights, wording=wording
            )
            found.append([names[hit.row] for hit in ranking.hits])
        return found

    def by_one_leg(self, leg: str) -> list[list[str]]:
        found = []
        for one, vector in zip(self.asked, self.vectors, strict=True):
            index, names = self.indexes[one.bank], self.turn_of_row[one.bank]
            if leg == "bm25":
                scores = keyword_scores(index, one.question.text).scores
            elif index.vectors is None:
                raise SystemExit("there are no vectors")
            else:
                scores = index.vectors.cosines(vector)
            mask = index.alive & (scores > 0) if leg == "bm25" else index.alive
            found.append([names[int(index.rows[place])] for place in best_places(scores, mask, DEPTH)])
        return found


def memory_of(turn: Turn) -> NewMemory:
    metadata: Metadata = {"turn": turn.turn_id}
    return NewMemory(
        content=turn.text, speaker=turn.speaker, session_id=turn.session, occurred_at=turn.moment, metadata=metadata
    )


def spoken(turn: Turn) -> str:
    return f"{turn.speaker}: {turn.text}"


async def build(conversations: list[Conversation], database: Path, astrocyte: Astrocyte, provider: Any) -> Bench:
    started = time.perf_counter()
    for conversation in conversations:
        memories = [memory_of(turn) for turn in conversation.turns]
        for start in range(0, len(memories), BATCH):
            await astrocyte.retain_batch(conversation.name, memories[start : start + BATCH])
    spent = time.perf_counter() - started
    count = sum(len(conversation.turns) for conversation in conversations)
    print(f"retained {count} turns in {len(conversations)} banks: {count / spent:.0f} a second, batches of {BATCH}")
    reader = Database.open(database)
    store = open_store(reader)
    indexes = BankIndexes(store)
    found = [index for one in conversations if (index := indexes.current(one.name)) is not None]
    words = {index.position.bank: store.words(index.position.bank, index.rows.tolist()) for index in found}
    await reader.close()
    names = [
        dict(zip(index.rows.tolist(), (turn.turn_id for turn in one.turns), strict=True))
        for one, index in zip(conversations, found, strict=True)
    ]
    asked = [Asked(bank, question) for bank, one in enumerate(conversations) for question in one.questions]
    vectors = [provider.embed([one.question.text])[0] if provider else None for one in asked]
    wordings: list[Wording | None] = [None] * len(asked)
    if isinstance(provider, WordProvider):
        wordings = [
            Wording(provider.embed_words([one.question.text])[1][0], lambda bank, rows: words[bank]) for one in asked
        ]
    return Bench(conversations, found, names, asked, vectors, wordings, count / spent)


async def recalled(bench: Bench, astrocyte: Astrocyte) -> tuple[list[list[str]], list[float]]:
    """Our own rankings, through the public API; and sorted milliseconds."""
    rankings, spent = [], []
    for one in bench.asked:
        bank = bench.conversations[one.bank].name
        started = time.perf_counter()
        hits = (await astrocyte.recall(one.question.text, bank, max_results=DEPTH)).hits
        spent.append((time.perf_counter() - started) * 1000)
        rankings.append([str(hit.metadata["turn"]) for hit in hits])
    return rankings, sorted(spent)


def peers(bench: Bench, python: Path, names: Sequence[str], provider: EmbeddingProvider) -> Mapping[str, Any]:
    """Each peer's answers, from a process of its own."""
    texts = [spoken(turn) for one in bench.conversations for turn in one.turns]
    rows = [provider.embed(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    banks = {
        one.name: {"ids": [turn.turn_id for turn in one.turns], "texts": [spoken(turn) for turn in one.turns]}
        for one in bench.conversations
    }
    questions = [{"bank": bench.conversations[one.bank].name, "text": one.question.text} for one in bench.asked]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        task, vectors, answers = (Path(folder, name) for name in ("task.json", "vectors.npz", "answers.json"))
        task.write_text(json.dumps({"banks": banks, "questions": questions}), encoding="utf-8")
        every = np.array([*texts, *(one["text"] for one in questions)])
        np.savez(vectors, vectors=np.concatenate([*rows, np.stack(bench.vectors)]), texts=every)
        for name in names:
            ran = subprocess.run([python, TASK, name, task, vectors, answers], capture_output=True, text=True)
            if ran.returncode:
                print(f"{name} did not run: {(ran.stderr.strip().splitlines() or ['?'])[-1]}")
                continue
            found[name] = json.loads(answers.read_text(encoding="utf-8"))
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--prepare", action="store_true", help="make the peers' interpreter, and do nothing else")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where --prepare makes it")
    parser.add_argument("--provider", default="auto", choices=PROVIDERS)
    parser.add_argument("--peers", nargs="*", default=[], choices=PEERS, help="which to compare with")
    parser.add_argument("--peers-python", type=Path, help="an interpreter that has them, instead of the prepared one")
    parser.add_argument("--conversations", type=int, help="only the first so many")
    parser.add_argument("--rerank", action="store_true", help="also with the second look at tokens (slow)")
    parser.add_argument("--tuning", action="store_true", help="show the tuning half alone, as while trying things")
    parser.add_argument("--vectors", type=Path, help="a file of vectors, kept for the next run")
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare(arguments.cache)
        return
    if arguments.path is None:
        parser.error("name LoCoMo's file, or --prepare")
    python = arguments.peers_python or peers_python(arguments.cache)
    if arguments.peers and (absent := missing(python)):
        raise SystemExit(f"{python} has no {', '.join(absent)}: run this program once with --prepare")
    model = provider = load_provider(arguments.provider)
    was_kept = arguments.vectors is not None and arguments.vectors.exists()
    remembered = Remembered(model, arguments.vectors) if model and arguments.vectors else None
    provider = remembered or model
    conversations = read_conversations(arguments.path)[: arguments.conversations]
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "memory.db")
        settings: dict[str, Any] = {
            "storage": {"url": f"sqlite:///{database}"},
            "embedding": {"provider": arguments.provider},
        }
        async with Astrocyte(settings_from_dict(settings), provider=provider) as astrocyte:
            print(f"model: {astrocyte.model_id}")
            bench = await build(conversations, database, astrocyte, provider)
            ours, spent = await recalled(bench, astrocyte)
        rankings: dict[str, Sequence[Sequence[str]]] = {"BM25": bench.by_one_leg("bm25")}
        if provider is not None:
            rankings["vectors alone"] = bench.by_one_leg("vectors")
        structure = {"wording": 0.0, "neighbours": (), "speaker": 0.0, "session": 0.0, "entity": 0.0, "time": 0.0}
        rankings["sum of z-scores"] = bench.by_weights(Weights(**structure))  # type: ignore[arg-type]  # as named
        rankings["all but wording"] = bench.by_weights(Weights(wording=0.0))
        rankings["all but entity links"] = bench.by_weights(Weights(entity=0.0))
        rankings[OURS] = ours
        times = [("ours", spent[len(spent) // 2], spent[int(len(spent) * 0.95)], bench.stored_a_second)]
        if remembered is not None:
            remembered.keep()
        if arguments.rerank:
            settings["recall"] = {"rerank": "tokens"}
            async with Astrocyte(settings_from_dict(settings), provider=model) as astrocyte:
                rankings[RERANKED], spent = await recalled(bench, astrocyte)
            times.append((RERANKED, spent[len(spent) // 2], spent[int(len(spent) * 0.95)], bench.stored_a_second))
        if arguments.peers and provider is not None:
            for name, answer in peers(bench, python, arguments.peers, provider).items():
                rankings[name] = answer["rankings"]
                times.append((name, answer["p50"], answer["p95"], answer["stored_a_second"]))
    print_tables(bench.asked, rankings, ["tuning half"] if arguments.tuning else list(HALVES))
    size = sum(index.size for index in bench.indexes) / len(bench.indexes)
    embedded = "without embedding, which --vectors kept" if was_kept else "ours with embedding, peers without"
    print(f"\none recall at {size:.0f} memories a bank, ms; memories stored a second ({embedded})")
    for name, middle, high, rate in times:
        print(f"  {name:28} p50 {middle:8.1f}  p95 {high:8.1f}  stored {rate:8.0f}")
    print("\nbars")
    for name in (OURS, RERANKED):
        if name in rankings and not arguments.tuning:
            print_bars(bench.asked, name, rankings[name])


if __name__ == "__main__":
    asyncio.run(main())
