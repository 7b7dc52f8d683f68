"""Chroma, one collection a bank, persistent."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BATCH = 64


class Chroma:
    def __init__(self, vectors: Any, folder: Path) -> None:
        chromadb = importlib.import_module("chromadb")

        self._vectors = vectors
        self._client = chromadb.PersistentClient(str(folder))

    def store(self, bank: str, ids: Sequence[str], texts: Sequence[str]) -> None:
        kept = self._client.create_collection(
            f"bank-{bank}", embedding_function=None, metadata={"hnsw:space": "cosine"}
        )
        for start in range(0, len(ids), BATCH):
            part = texts[start : start + BATCH]
            embeddings = [self._vectors.of(text) for text in part]
            kept.add(ids=list(ids[start : start + BATCH]), documents=list(part), embeddings=embeddings)

    def search(self, bank: str, query: str, count: int) -> Sequence[str]:
        kept = self._client.get_collection(f"bank-{bank}", embedding_function=None)
        found: list[str] = kept.query(query_embeddings=[self._vectors.of(query)], n_results=count)["ids"][0]
        return found


def open_system(vectors: Any, folder: Path) -> Chroma:
    return Chroma(vectors, folder)
