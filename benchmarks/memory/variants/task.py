"""The task every peer is given, and the process that runs one: texts and vectors in, rankings and times out.

    PEERS_PYTHON benchmarks/memory/variants/task.py SYSTEM task.json vectors.npz answers.json

Runs where the peers are installed; imports nothing of this project. Every system gets the same texts and, through its
own door for embeddings, the same vectors.
"""

import importlib
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

DEPTH = 20


class Vectors:
    """The vector of every text of the task, made beforehand: no peer waits for a model."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as kept:
            self._rows = kept["vectors"]
            self._places = {text: place for place, text in enumerate(kept["texts"].tolist())}
        self.dimension = int(self._rows.shape[1])

    def of(self, text: str) -> list[float]:
        place = self._places.get(text)
        if place is None:  # a system that changed the text before embedding it
            place = self._places.get(text.strip(), 0)
        row: list[float] = self._rows[place].astype(float).tolist()
        return row


class System(Protocol):
    """A peer: told everything, then asked. Ids are the turns' own."""

    def store(self, bank: str, ids: Sequence[str], texts: Sequence[str]) -> None: ...
    def search(self, bank: str, query: str, count: int) -> Sequence[str]: ...


def run(system: System, banks: Mapping[str, Any], questions: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    started = time.perf_counter()
    for name, bank in banks.items():
        system.store(name, bank["ids"], bank["texts"])
    stored = time.perf_counter() - started
    rankings, spent = [], []
    for question in questions:
        started = time.perf_counter()
        rankings.append(list(system.search(question["bank"], question["text"], DEPTH)))
        spent.append((time.perf_counter() - started) * 1000)
    spent.sort()
    return {
        "rankings": rankings,
        "stored_a_second": sum(len(bank["ids"]) for bank in banks.values()) / stored,
        "p50": spent[len(spent) // 2],
        "p95": spent[int(len(spent) * 0.95)],
    }


def main() -> None:
    name, task, vectors, answers = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parent))
    told = json.loads(Path(task).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        system = importlib.import_module(name).open_system(Vectors(Path(vectors)), Path(folder))
        result = run(system, told["banks"], told["questions"])
    Path(answers).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
