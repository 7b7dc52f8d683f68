"""Every request a client can make, as a value: what goes out, what comes back, whether it may be sent twice."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from astrocyte.access.decisions import Decision
from astrocyte.access.identity import WhoAmI
from astrocyte.banks import BankInfo, BankSettings, BankStatistics, ErasureReport
from astrocyte.memories import (
    ContentType,
    Dispositions,
    ForgetPreview,
    ForgetResult,
    HistoryResult,
    MemoryPage,
    MemoryRecord,
    NewMemory,
    RecallResult,
    ReflectResult,
    RetainResult,
)
from astrocyte.requests import (
    AdminBanks,
    AuthzCheckRequest,
    CreateBankRequest,
    EraseRequest,
    ForgetPreviewRequest,
    ForgetRequest,
    HistoryRequest,
    RecallRequest,
    ReflectRequest,
    RetainBatchRequest,
    RetainBatchResult,
    RetainRequest,
    TimeRange,
    UpdateRequest,
)

T = TypeVar("T")
TagMatch = Literal["any", "all", "none"]
Moments = tuple[datetime | None, datetime | None]


class Call(msgspec.Struct, Generic[T], frozen=True):
    """``answer`` is the type of the body of a success. ``repeatable`` requests change nothing, or nothing twice."""

    method: str
    path: str
    answer: type[T]
    body: Any = None
    repeatable: bool = False


def retain(
    content: str,
    bank_id: str,
    *,
    metadata: Mapping[str, Any] | None = None,
    tags: Sequence[str] = (),
    occurred_at: datetime | None = None,
    session_id: str | None = None,
    speaker: str | None = None,
    source: str | None = None,
    content_type: ContentType = "text",
) -> Call[RetainResult]:
    body = RetainRequest(
        content=content,
        bank_id=bank_id,
        metadata=dict(metadata) if metadata else None,
        tags=list(tags) or None,
        occurred_at=occurred_at,
        session_id=session_id,
        speaker=speaker,
        source=source,
        content_type=content_type,
    )
    return Call("POST", "/v1/retain", RetainResult, body)


def retain_batch(bank_id: str, memories: Sequence[NewMemory]) -> Call[RetainBatchResult]:
    body = RetainBatchRequest(bank_id=bank_id, memories=list(memories))
    return Call("POST", "/v1/retain/batch", RetainBatchResult, body)


def recall(
    query: str,
    bank_id: str | None = None,
    *,
    banks: Sequence[str] | None = None,
    max_results: int = 10,
    max_tokens: int | None = None,
    min_score: float = 0.0,
    tags: Sequence[str] = (),
    tag_match: TagMatch = "any",
    time_range: Moments | None = None,
    as_of: datetime | None = None,
    layers: Sequence[str] | None = None,
    strategy: Literal["parallel", "cascade", "first_match"] = "parallel",
    enough: int = 3,
    bank_weights: Mapping[str, float] | None = None,
    diversity: float = 0.0,
    rerank: bool = True,
    trace: bool = False,
) -> Call[RecallResult]:
    body = RecallRequest(
        query=query,
        bank_id=bank_id,
        banks=list(banks) if banks is not None else None,
        max_results=max_results,
        max_tokens=max_tokens,
        min_score=min_score,
        tags=list(tags) or None,
        tag_match=tag_match,
        time_range=TimeRange(start=time_range[0], end=time_range[1]) if time_range else None,
        as_of=as_of,
        layers=list(layers) if layers is not None else None,
        strategy=strategy,
        enough=enough,
        bank_weights=dict(bank_weights) if bank_weights is not None else None,
        diversity=diversity,
        rerank=rerank,
        trace=trace,
    )
    return Call("POST", "/v1/recall", RecallResult, body, repeatable=True)


def reflect(
    query: str,
    bank_id: str | None = None,
    *,
    banks: Sequence[str] | None = None,
    max_tokens: int | None = None,
    include_sources: bool = True,
    tags: Sequence[str] = (),
    tag_match: TagMatch = "any",
    as_of: datetime | None = None,
    dispositions: Dispositions | None = None,
    method: Literal["auto", "extractive", "language_model"] = "auto",
) -> Call[ReflectResult]:
    body = ReflectRequest(
        query=query,
        bank_id=bank_id,
        banks=list(banks) if banks is not None else None,
        max_tokens=max_tokens,
        include_sources=include_sources,
        tags=list(tags) or None,
        tag_match=tag_match,
        as_of=as_of,
        dispositions=dispositions,
        method=method,
    )
    return Call("POST", "/v1/reflect", ReflectResult, body, repeatable=True)


def history(
    query: str,
    bank_id: str,
    as_of: datetime,
    *,
    max_results: int = 10,
    max_tokens: int | None = None,
    tags: Sequence[str] = (),
) -> Call[HistoryResult]:
    body = HistoryRequest(
        query=query,
        bank_id=bank_id,
        as_of=as_of,
        max_results=max_results,
        max_tokens=max_tokens,
        tags=list(tags) or None,
    )
    return Call("POST", "/v1/history", HistoryResult, body, repeatable=True)


def forget(
    bank_id: str,
    *,
    memory_ids: Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    before_date: datetime | None = None,
    since_date: datetime | None = None,
    scope: Literal["all"] | None = None,
    reason: str | None = None,
) -> Call[ForgetResult]:
    body = ForgetRequest(
        bank_id=bank_id,
        memory_ids=list(memory_ids) if memory_ids is not None else None,
        tags=list(tags) if tags is not None else None,
        before_date=before_date,
        since_date=since_date,
        scope=scope,
        reason=reason,
    )
    return Call("POST", "/v1/forget", ForgetResult, body, repeatable=True)


def preview_forget(
    bank_id: str,
    *,
    query: str | None = None,
    min_score: float = 0.5,
    memory_ids: Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    before_date: datetime | None = None,
    since_date: datetime | None = None,
    scope: Literal["all"] | None = None,
    limit: int = 100,
) -> Call[ForgetPreview]:
    body = ForgetPreviewRequest(
        bank_id=bank_id,
        query=query,
        min_score=min_score,
        memory_ids=list(memory_ids) if memory_ids is not None else None,
        tags=list(tags) if tags is not None else None,
        before_date=before_date,
        since_date=since_date,
        scope=scope,
        limit=limit,
    )
    return Call("POST", "/v1/forget/preview", ForgetPreview, body, repeatable=True)


def get_memory(bank_id: str, memory_id: str) -> Call[MemoryRecord]:
    path = f"{bank_path(bank_id)}/memories/{quote(memory_id, safe='')}"
    return Call("GET", path, MemoryRecord, repeatable=True)


def list_memories(bank_id: str, *, cursor: str | None = None, limit: int = 100) -> Call[MemoryPage]:
    query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
    return Call("GET", f"{bank_path(bank_id)}/memories?{urlencode(query)}", MemoryPage, repeatable=True)


def bank_path(bank_id: str) -> str:
    return f"/v1/banks/{quote(bank_id, safe='')}"


def bank_info(bank_id: str) -> Call[BankInfo]:
    return Call("GET", bank_path(bank_id), BankInfo, repeatable=True)


def export_path(bank_id: str) -> str:
    return f"{bank_path(bank_id)}/export"


def import_path(bank_id: str, bring_back_forgotten: bool) -> str:
    return f"{bank_path(bank_id)}/import" + ("?bring_back_forgotten=true" if bring_back_forgotten else "")


def whoami() -> Call[WhoAmI]:
    return Call("GET", "/v1/whoami", WhoAmI, repeatable=True)


def check_access(operation: str, bank_id: str | None = None, *, banks: Sequence[str] | None = None) -> Call[Decision]:
    """What would be decided about an operation (recall, retain, forget …), and why."""
    body = AuthzCheckRequest(operation=operation, bank_id=bank_id, banks=list(banks) if banks is not None else None)
    return Call("POST", "/v1/authz/check", Decision, body, repeatable=True)


def list_banks(*, after: str | None = None) -> Call[AdminBanks]:
    """Every bank's name, page by page; for the admin token."""
    query = f"?{urlencode({'after': after})}" if after else ""
    return Call("GET", f"/v1/admin/banks{query}", AdminBanks, repeatable=True)


def erase(request: EraseRequest) -> Call[ErasureReport]:
    """Everything of a person's, across banks; with ``dry_run`` a report of what would go."""
    return Call("POST", "/v1/erase", ErasureReport, request, repeatable=True)


def update_memory(bank_id: str, memory_id: str, changes: UpdateRequest) -> Call[MemoryRecord]:
    path = f"{bank_path(bank_id)}/memories/{quote(memory_id, safe='')}"
    return Call("PATCH", path, MemoryRecord, changes, repeatable=True)


def create_bank(bank_id: str, settings: BankSettings | None = None) -> Call[BankInfo]:
    """An empty bank; raises for one that is there already."""
    body = CreateBankRequest(bank_id=bank_id, settings=settings or BankSettings())
    return Call("POST", "/v1/banks", BankInfo, body)


def configure_bank(bank_id: str, settings: BankSettings) -> Call[BankInfo]:
    """Replace a bank's settings as a whole."""
    return Call("PUT", bank_path(bank_id), BankInfo, settings, repeatable=True)


def delete_bank(bank_id: str) -> Call[ForgetResult]:
    return Call("DELETE", bank_path(bank_id), ForgetResult)


def bank_statistics(bank_id: str) -> Call[BankStatistics]:
    return Call("GET", f"{bank_path(bank_id)}/statistics", BankStatistics, repeatable=True)
