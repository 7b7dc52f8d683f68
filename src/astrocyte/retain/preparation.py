"""From checked memories to what a store keeps: ids, packed terms, packed vectors."""

from collections.abc import Sequence

from astrocyte.memories import NewMemory
from astrocyte.models.provider import EmbeddingProvider
from astrocyte.recall.postings import pack_terms
from astrocyte.stores.store import PreparedMemory
from astrocyte.text.terms import index_terms


def prepare(
    ids: Sequence[str], memories: Sequence[NewMemory], provider: EmbeddingProvider | None
) -> list[PreparedMemory]:
    """Blocks while the model runs; all texts of a batch are embedded together."""
    texts = [searched_text(memory) for memory in memories]
    packed: list[bytes | None] = [None] * len(texts)
    if provider is not None:
        packed = [row.tobytes() for row in provider.embed(texts).astype("<f2")]
    return [
        PreparedMemory(memory_id, memory, pack_terms(index_terms(text)), vector)
        for memory_id, memory, text, vector in zip(ids, memories, texts, packed, strict=True)
    ]


def searched_text(memory: NewMemory) -> str:
    """Who says what: the speaker's name is worth a quarter of what the vectors find in conversations."""
    if memory.speaker is None or memory.content.startswith(f"{memory.speaker}:"):
        return memory.content
    return f"{memory.speaker}: {memory.content}"
