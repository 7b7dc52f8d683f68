"""LanceDB, one table, filtered by bank, exact search."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BATCH = 64


class Lance:
    def __init__(self, vectors: Any, folder: Path) -> None:
        lancedb = importlib.import_module("lancedb")

        self._vectors = vectors
        self._database = lancedb.connect(str(folder))
        self._table: Any = None

    def store(self, bank: str, ids: Sequence[str], texts: Sequence[str]) -> None:
        for start in range(0, len(ids), BATCH):
            pairs = zip(ids[start : start + BATCH], texts[start : start + BATCH], strict=True)
            rows = [{"bank": bank, "id": one, "text": text, "vector": self._vectors.of(text)} for one, text in pairs]
            if self._table is None:
                self._table = self._database.create_table("memories", rows)
            else:
                self._table.add(rows)

    def search(self, bank: str, query: str, count: int) -> Sequence[str]:
        found = self._table.search(self._vectors.of(query)).distance_type("cosine")
        rows = found.where(f"bank = '{bank}'", prefilter=True).limit(count).to_list()
        return [row["id"] for row in rows]


def open_system(vectors: Any, folder: Path) -> Lance:
    return Lance(vectors, folder)
