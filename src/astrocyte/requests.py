"""What callers ask for, the same over HTTP and RPC. An unknown key is refused: a misspelt filter must not vanish."""

from datetime import datetime
from typing import Literal

import msgspec

from astrocyte.banks import BankSettings, LegalHold, Waiting
from astrocyte.memories import (
    ContentType,
    Dispositions,
    Finding,
    MemoryRecord,
    Metadata,
    NewMemory,
    RecallTrace,
    RetainResult,
)


class RetainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``{"content", "bank_id"}`` are needed; see `NewMemory` for the others."""

    content: str
    bank_id: str
    metadata: Metadata | None = None
    tags: list[str] | None = None
    occurred_at: datetime | None = None
    session_id: str | None = None
    speaker: str | None = None
    source: str | None = None
    content_type: ContentType = "text"


class RetainBatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many memories of one bank, stored in order, all or none."""

    bank_id: str
    memories: list[NewMemory]


class RetainBatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """One result a memory, in the order in which they were sent."""

    results: list[RetainResult]


class TimeRange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of ``occurred_at``, both inclusive; either may be left out."""

    start: datetime | None = None
    end: datetime | None = None


class RecallRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``query`` and one of ``bank_id`` and ``banks`` are needed."""

    query: str
    bank_id: str | None = None
    banks: list[str] | None = None
    max_results: int = 10
    max_tokens: int | None = None
    min_score: float = 0.0
    tags: list[str] | None = None
    tag_match: Literal["any", "all", "none"] = "any"
    time_range: TimeRange | None = None
    as_of: datetime | None = None
    layers: list[str] | None = None
    strategy: Literal["parallel", "cascade", "first_match"] = "parallel"
    enough: int = 3
    bank_weights: dict[str, float] | None = None
    diversity: float = 0.0
    rerank: bool = True
    trace: bool = False


class DebugRecall(msgspec.Struct, frozen=True, kw_only=True):
    """How a recall came to its hits, without them."""

    trace: RecallTrace
    result_count: int


class ReflectRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``query`` and one of ``bank_id`` and ``banks`` are needed."""

    query: str
    bank_id: str | None = None
    banks: list[str] | None = None
    max_tokens: int | None = None
    include_sources: bool = True
    tags: list[str] | None = None
    tag_match: Literal["any", "all", "none"] = "any"
    as_of: datetime | None = None
    dispositions: Dispositions | None = None
    method: Literal["auto", "extractive", "language_model"] = "auto"


class HistoryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recall of what was known at ``as_of``."""

    query: str
    bank_id: str
    as_of: datetime
    max_results: int = 10
    max_tokens: int | None = None
    tags: list[str] | None = None


class ForgetRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``bank_id`` and at least one of the others are needed; conditions add up, ``scope`` ``all`` means the bank."""

    bank_id: str
    memory_ids: list[str] | None = None
    tags: list[str] | None = None
    before_date: datetime | None = None
    since_date: datetime | None = None
    scope: Literal["all"] | None = None
    reason: str | None = None


class ForgetPreviewRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a forget with these conditions would remove; with ``query``, those of what a recall finds.

    ``limit`` memories are shown.
    """

    bank_id: str
    query: str | None = None
    min_score: float = 0.5
    memory_ids: list[str] | None = None
    tags: list[str] | None = None
    before_date: datetime | None = None
    since_date: datetime | None = None
    scope: Literal["all"] | None = None
    limit: int = 100


class UpdateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given is changed, the rest stays; null takes away what may be absent."""

    content: str | msgspec.UnsetType = msgspec.UNSET
    metadata: Metadata | msgspec.UnsetType = msgspec.UNSET
    tags: list[str] | msgspec.UnsetType = msgspec.UNSET
    occurred_at: datetime | msgspec.UnsetType | None = msgspec.UNSET
    session_id: str | msgspec.UnsetType | None = msgspec.UNSET
    speaker: str | msgspec.UnsetType | None = msgspec.UNSET
    source: str | msgspec.UnsetType | None = msgspec.UNSET
    content_type: ContentType | msgspec.UnsetType = msgspec.UNSET


class CreateBankRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An empty bank with settings of its own."""

    bank_id: str
    settings: BankSettings = BankSettings()


class EraseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data; ``names`` they are known by, ``banks`` to look in (all when left out). See `Astrocyte.erase`."""

    principal: str
    names: list[str] = []
    banks: list[str] | None = None
    include_mentions: bool = False
    skip_held: bool = False
    dry_run: bool = False
    reason: str | None = None


class LifecycleRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    bank_id: str
    dry_run: bool = False


class HoldRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hold_id: str
    reason: str


class AuthzCheckRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``operation`` is one of recall, reflect, history, list, retain, forget, forget_all …; and the banks it is for."""

    operation: str
    bank_id: str | None = None
    banks: list[str] | None = None


class AdminBanks(msgspec.Struct, frozen=True, kw_only=True):
    """Names of banks in alphabetical order; ``next_after`` is the ``after`` of the next page, None at the end."""

    banks: list[str]
    next_after: str | None = None


class AdminHolds(msgspec.Struct, frozen=True, kw_only=True):
    bank_id: str
    under_hold: bool
    holds: list[LegalHold]


class LiftedHold(msgspec.Struct, frozen=True, kw_only=True):
    """``released`` is False where there was no such hold."""

    bank_id: str
    hold_id: str
    released: bool


class AdminStorage(msgspec.Struct, frozen=True, kw_only=True):
    """What a doctor looked at and found."""

    findings: list[Finding]


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """The facts a derived memory was made from."""

    sources: list[MemoryRecord]


class RefreshRequested(msgspec.Struct, frozen=True, kw_only=True):
    """How many things will be derived anew, in the background."""

    requested: int


class WaitingList(msgspec.Struct, frozen=True, kw_only=True):
    waiting: list[Waiting]


class ReembedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``limit`` bounds the passages of one request: ask again while the answer says that it is not finished."""

    limit: int = 512
    dry_run: bool = False
