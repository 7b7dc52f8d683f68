"""The earlier `astrocyte` package with its own SQLite store and no language model (every call to one fails soft)."""

import asyncio
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ANSWERS: dict[str, Any] = {}


class Provider:
    """Embeds from the task's vectors and refuses to complete."""

    SPI_VERSION = 1

    def __init__(self, *_: Any, **__: Any) -> None:
        """The package passes its own settings."""

    def capabilities(self) -> Any:
        return importlib.import_module("astrocyte.types").LLMCapabilities()

    async def complete(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("there is no language model")

    async def embed(self, texts: list[str], model: str | None = None) -> list[list[float]]:
        return [ANSWERS["vectors"].of(text) for text in texts]


class Earlier:
    def __init__(self, vectors: Any, folder: Path) -> None:
        from astrocyte import Astrocyte

        ANSWERS["vectors"] = vectors
        sys.modules["earlier_provider"] = sys.modules[__name__]
        self._loop = asyncio.new_event_loop()
        self._engine = Astrocyte.from_config_dict(
            {
                "provider_tier": "storage",
                "vector_store": "sqlite",
                "vector_store_config": {
                    "path": str(folder / "astrocyte.db"),
                    "embedding_dimensions": vectors.dimension,
                },
                "llm_provider": "earlier_provider:Provider",
                "observations": {"enabled": False},
            }
        )
        self._turns: dict[str, str] = {}

    def store(self, bank: str, ids: Sequence[str], texts: Sequence[str]) -> None:
        for turn, text in zip(ids, texts, strict=True):
            result = self._loop.run_until_complete(self._engine.retain(text, bank, metadata={"turn": turn}))
            if result.memory_id:
                self._turns[result.memory_id] = turn

    def search(self, bank: str, query: str, count: int) -> Sequence[str]:
        found = self._loop.run_until_complete(self._engine.recall(query, bank, max_results=count)).hits
        return [str((hit.metadata or {}).get("turn") or self._turns.get(hit.memory_id, "?")) for hit in found]


def open_system(vectors: Any, folder: Path) -> Earlier:
    return Earlier(vectors, folder)
