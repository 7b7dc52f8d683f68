"""Mem0 without a language model (``infer=False``), Qdrant in a folder."""

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Mem0:
    def __init__(self, vectors: Any, folder: Path) -> None:
        os.environ.update(MEM0_TELEMETRY="False", MEM0_DIR=str(folder))
        Memory = importlib.import_module("mem0").Memory  # noqa: N806 - a class

        unused = {"provider": "openai", "config": {"api_key": "unused"}}
        store = {"path": str(folder / "qdrant"), "on_disk": True, "embedding_model_dims": vectors.dimension}
        self._memory = Memory.from_config(
            {
                "llm": unused,
                "embedder": unused,
                "vector_store": {"provider": "qdrant", "config": store},
                "history_db_path": str(folder / "history.db"),
            }
        )
        self._memory.embedding_model.embed = lambda text, *_, **__: vectors.of(text)
        self._memory.embedding_model.embed_batch = lambda texts, *_, **__: [vectors.of(text) for text in texts]

    def store(self, bank: str, ids: Sequence[str], texts: Sequence[str]) -> None:
        for turn, text in zip(ids, texts, strict=True):
            message = [{"role": "user", "content": text}]
            self._memory.add(message, user_id=bank, metadata={"turn": turn}, infer=False)

    def search(self, bank: str, query: str, count: int) -> Sequence[str]:
        found = self._memory.search(query, top_k=count, filters={"user_id": bank}, threshold=0.0)["results"]
        return [one["metadata"]["turn"] for one in found]


def open_system(vectors: Any, folder: Path) -> Mem0:
    return Mem0(vectors, folder)
