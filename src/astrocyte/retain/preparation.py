"""From checked memories to what a store keeps: ids, passages, packed terms, packed vectors."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from astrocyte.memories import KeptMemory, NewMemory, as_retained
from astrocyte.models.provider import EmbeddingProvider
from astrocyte.models.word_vectors import WordProvider
from astrocyte.recall.entities import named_terms
from astrocyte.recall.postings import pack_terms
from astrocyte.retain.duplicates import DuplicateRule, fingerprint
from astrocyte.retain.passages import Passage, split_passages
from astrocyte.retain.personal_data import Finder
from astrocyte.retain.privacy import BarrierAction, guard
from astrocyte.stores.store import FreshVector, PreparedMemory, PreparedPassage, SavedPassage
from astrocyte.text.dates import date_marks, spans
from astrocyte.text.terms import index_terms, mark_term


def prepare(
    ids: Sequence[str],
    memories: Sequence[NewMemory],
    provider: EmbeddingProvider | None,
    *,
    duplicates: DuplicateRule,
) -> list[PreparedMemory]:
    """Blocks while the model runs; all passages of a batch are embedded together."""
    split = [split_passages(memory.content, memory.content_type) for memory in memories]
    texts = [
        searched_text(memory, passage) for memory, passages in zip(memories, split, strict=True) for passage in passages
    ]
    packed, words = _embedded(texts, provider) if provider is not None else ([None] * len(texts),) * 2
    said = [memory.occurred_at for memory, passages in zip(memories, split, strict=True) for _ in passages]
    terms = [_packed_terms(text, moment) for text, moment in zip(texts, said, strict=True)]
    prepared, first = [], 0
    for memory_id, memory, passages in zip(ids, memories, split, strict=True):
        kept = [
            PreparedPassage(passage.start, passage.stop, terms[number], packed[number], words[number])
            for number, passage in enumerate(passages, start=first)
        ]
        mark = None if duplicates == "keep" else fingerprint(memory)
        prepared.append(PreparedMemory(memory_id, memory, kept, mark))
        first += len(passages)
    return prepared


def prepare_import(
    memories: Sequence[KeptMemory], provider: EmbeddingProvider | None, *, pii: BarrierAction, find: Finder
) -> list[PreparedMemory]:
    """Memories that were retained before: they keep their ids, their times and what they were derived from.

    The privacy barrier holds for them as for anything new. Later duplicates of them are known as such.
    """
    records = [one.record for one in memories]
    guarded, _ = guard([as_retained(record) for record in records], pii, find)
    prepared = prepare([record.memory_id for record in records], guarded, provider, duplicates="exact")
    return [
        replace(
            ready,
            retained_at=kept.record.retained_at,
            updated_at=kept.record.updated_at,
            archived_at=kept.record.archived_at,
            retained_by=kept.record.retained_by,
            layer=kept.record.layer,
            sources=kept.sources,
        )
        for ready, kept in zip(prepared, memories, strict=True)
    ]


def prepare_fresh(saved: Sequence[SavedPassage], provider: EmbeddingProvider) -> list[FreshVector]:
    """Vectors of passages that are kept already, cut as they were when they were retained. Blocks."""
    vectors, words = _embedded([_saved_text(one) for one in saved], provider)
    return [FreshVector(one.row, vector, said) for one, vector, said in zip(saved, vectors, words, strict=True)]


def _embedded(texts: Sequence[str], provider: EmbeddingProvider) -> tuple[Sequence[bytes], Sequence[bytes | None]]:
    """The packed vector of each text, and its packed words where the model tells them."""
    if isinstance(provider, WordProvider):
        vectors, words = provider.embed_words(texts)
        return [row.tobytes() for row in vectors.astype("<f2")], words
    return [row.tobytes() for row in provider.embed(texts).astype("<f2")], [None] * len(texts)


def _saved_text(saved: SavedPassage) -> str:
    memory = as_retained(saved.record)
    kept = Passage(saved.start, saved.stop)
    # What a passage belongs to is not kept; a memory that would be cut otherwise today goes without.
    cut = (one for one in split_passages(memory.content, memory.content_type) if one.start == kept.start)
    return searched_text(memory, next((one for one in cut if one.stop == kept.stop), kept))


def _packed_terms(text: str, said: datetime | None) -> bytes:
    """Words with how often they occur, names marked; and the dates that the text means, which occur no times.

    A relative date ("last Friday") means a day only where it is known when it was said.
    """
    dates = {mark_term(mark) for span in spans(text, said) for mark in date_marks(span)}
    return pack_terms([*index_terms(text), *((term, 0) for term in sorted(dates))], frozenset(named_terms(text)))


def searched_text(memory: NewMemory, passage: Passage) -> str:
    """Who says what, under which heading: a speaker's name is worth a quarter of what the vectors find in a talk."""
    text = memory.content[passage.start : passage.stop]
    for label in (passage.context, memory.speaker):
        if label and not text.startswith(f"{label}:"):
            text = f"{label}: {text}"
    return text
