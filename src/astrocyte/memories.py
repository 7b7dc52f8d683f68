"""The values that go into and come out of the engine. All are frozen; times are aware, in UTC."""

from datetime import datetime
from typing import Literal

import msgspec

Scalar = str | int | float | bool | None
Metadata = dict[str, Scalar]


ContentType = Literal["text", "dialogue", "markdown", "document"]


class NewMemory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to remember. ``content_type`` says where a long content may be cut into passages.

    ``speaker`` said it in ``session_id`` at ``occurred_at`` (a time without an offset is taken as UTC); ``source``
    says where it was found. ``metadata`` is flat.
    """

    content: str
    metadata: Metadata = {}
    tags: list[str] = []
    occurred_at: datetime | None = None
    session_id: str | None = None
    speaker: str | None = None
    source: str | None = None
    content_type: ContentType = "text"


class Unchanged:
    """Stands for "leave it as it is" in an update, where None means "remove it"."""


UNCHANGED = Unchanged()


class MemoryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One memory as it is kept.

    ``updated_at`` is when its present content became known, None when it never changed; an archived one is not
    recalled. ``retained_by`` is the principal who retained it. ``layer`` is fact, or for what was derived from facts
    observation, model or page.
    """

    memory_id: str
    bank_id: str
    content: str
    metadata: Metadata
    tags: list[str]
    occurred_at: datetime | None
    retained_at: datetime
    session_id: str | None
    speaker: str | None
    source: str | None
    content_type: str
    updated_at: datetime | None = None
    archived_at: datetime | None = None
    retained_by: str | None = None
    layer: str = "fact"


def as_retained(record: MemoryRecord) -> NewMemory:
    """What was retained, without the id and the time it was given."""
    fields = msgspec.structs.asdict(record)
    return NewMemory(**{name: fields[name] for name in NewMemory.__struct_fields__})


class Memory(msgspec.Struct, frozen=True):
    """A stored memory with its number in the store, which never leaves the engine."""

    row: int
    record: MemoryRecord


class KeptMemory(msgspec.Struct, frozen=True):
    """A memory with the ids of those that it was derived from; a fact has none."""

    record: MemoryRecord
    sources: list[str] = []


class FoundPassage(msgspec.Struct, frozen=True):
    """A passage of a memory: which one of how many, and its text."""

    record: MemoryRecord
    ordinal: int
    of: int
    text: str


class RetainResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one `retain`. ``stored`` memories are durable.

    ``personal_data`` names the kinds that the privacy barrier found in it: replaced, or kept if it only warns.
    """

    stored: bool
    memory_id: str | None
    deduplicated: bool = False
    error: str | None = None
    retention_action: str | None = "add"
    curated: bool = False
    memory_layer: str | None = None
    personal_data: list[str] = []


class MemoryHit(msgspec.Struct, frozen=True, kw_only=True):
    """One memory that a recall found.

    ``text`` is the whole content, or the passage of a long one that was found; ``chunk_id`` then says which.
    ``score`` is 0..1 and absolute: the best hit of a bad query stays low. ``evidence`` names what found it: keyword,
    semantic, wording (words alike the question's), neighbour (a turn near it), speaker, entity (it names what other
    hits name), time (it happened, or speaks of, when the question asks about).
    """

    text: str
    score: float
    memory_id: str
    bank_id: str
    fact_type: str | None = "world"
    metadata: Metadata = {}
    tags: list[str] = []
    occurred_at: datetime | None = None
    retained_at: datetime | None = None
    source: str | None = None
    session_id: str | None = None
    speaker: str | None = None
    memory_layer: str | None = "fact"
    utility_score: float | None = None
    chunk_id: str | None = None
    evidence: list[str] = []


class LegTrace(msgspec.Struct, frozen=True):
    """What one kind of evidence said of a hit.

    ``score`` is BM25 for keyword, the cosine for semantic, the reranker's own for rerank, and for every other leg what
    it ``added`` to the sum that memories are ranked by. ``rank`` counts from 1 among all memories of the bank that pass
    the filters (for rerank among those that got a second look). A leg that speaks against a memory, such as keyword for
    one that shares no word with the question, has ``added`` less than nothing.
    """

    leg: str
    rank: int
    score: float
    added: float | None = None


class HitTrace(msgspec.Struct, frozen=True, kw_only=True):
    """How one hit was found: ``rank`` and ``total`` are its place in its bank and the sum it has it for.

    ``certainty`` is the score before it was evened out over the list and weighted by bank.
    """

    memory_id: str
    bank_id: str
    rank: int
    total: float
    certainty: float
    legs: list[LegTrace]
    chunk_id: str | None = None


class RecallTrace(msgspec.Struct, frozen=True, kw_only=True):
    """How a recall came to its hits: ``banks`` that were searched, in this order.

    Counts are of memories that pass the filters; times are milliseconds. ``hits`` tell each hit's evidence, in the
    order of the hits, when the recall was asked for it.
    """

    strategies_used: list[str]
    strategy_candidate_counts: dict[str, int]
    strategy_timings_ms: dict[str, float]
    total_candidates: int
    fusion_method: str
    latency_ms: float
    banks: list[str] = []
    hits: list[HitTrace] = []


class RecallResult(msgspec.Struct, frozen=True, kw_only=True):
    """Hits, best first. ``total_available`` counts every candidate; ``truncated`` says that hits were cut off."""

    hits: list[MemoryHit]
    total_available: int
    truncated: bool
    trace: RecallTrace
    authority_context: str | None = None
    top_semantic_score: float | None = None


class HistoryResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was known at ``as_of``, as far as it was not forgotten since."""

    hits: list[MemoryHit]
    total_available: int
    truncated: bool
    as_of: datetime
    bank_id: str
    trace: RecallTrace


class Dispositions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a reflection is inclined, each from 1 to 5; 3 is as usual.

    ``skepticism`` raises or lowers the score that a memory needs to count as evidence, whoever answers. How literally a
    language model keeps to what is written (``literalism``) and how much it minds feelings (``empathy``) is told to it;
    quotations are literal as they are.
    """

    skepticism: int = 3
    literalism: int = 3
    empathy: int = 3


class ReflectResult(msgspec.Struct, frozen=True, kw_only=True):
    """An answer from memory. ``[1]`` in it means ``sources[0]``.

    ``method`` is extractive (the memories' own words, chosen and cited) or language_model, which ``model`` names.
    ``fallback_reason`` tells why a configured model did not write it. ``confidence`` is the best source's score, 0 when
    there is no answer.
    """

    answer: str
    confidence: float
    sources: list[MemoryHit]
    method: str = "extractive"
    model: str | None = None
    fallback_reason: str | None = None
    observations: list[str] | None = None
    authority_context: str | None = None


class MemoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Memories in the order in which they were retained; ``next_cursor`` continues, None at the end."""

    memories: list[MemoryRecord]
    next_cursor: str | None


class ForgetPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a forget would remove: how many, and the first of them. ``holds`` name what would refuse it."""

    total: int
    memories: list[MemoryRecord]
    holds: list[str] = []


class ForgetResult(msgspec.Struct, frozen=True, kw_only=True):
    """How many memories are gone for good. Nothing is archived: ``archived_count`` is 0."""

    deleted_count: int
    archived_count: int = 0


class HealthStatus(msgspec.Struct, frozen=True, kw_only=True):
    """``model`` is the embedding model in use, None when recall goes by keywords alone."""

    healthy: bool
    message: str
    model: str | None
    latency_ms: float


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a doctor looked at. ``hint`` tells the way out, or what would be better where all is well."""

    check: str
    is_well: bool
    detail: str
    hint: str | None = None
