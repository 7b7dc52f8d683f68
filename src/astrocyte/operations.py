"""From a typed request to the engine's method: the one translation that every door into the engine uses."""

from astrocyte.access.identity import AstrocyteContext
from astrocyte.banks import ErasureReport
from astrocyte.memories import ForgetPreview, ForgetResult, HistoryResult, RecallResult, ReflectResult, RetainResult
from astrocyte.memory import Astrocyte
from astrocyte.requests import (
    EraseRequest,
    ForgetPreviewRequest,
    ForgetRequest,
    HistoryRequest,
    RecallRequest,
    ReflectRequest,
    RetainBatchRequest,
    RetainBatchResult,
    RetainRequest,
)


async def retain(engine: Astrocyte, request: RetainRequest, context: AstrocyteContext | None) -> RetainResult:
    return await engine.retain(
        request.content,
        request.bank_id,
        metadata=request.metadata,
        tags=request.tags or (),
        occurred_at=request.occurred_at,
        session_id=request.session_id,
        speaker=request.speaker,
        source=request.source,
        content_type=request.content_type,
        context=context,
    )


async def retain_batch(
    engine: Astrocyte, request: RetainBatchRequest, context: AstrocyteContext | None
) -> RetainBatchResult:
    results = await engine.retain_batch(request.bank_id, request.memories, context=context)
    return RetainBatchResult(results=results)


async def recall(engine: Astrocyte, request: RecallRequest, context: AstrocyteContext | None) -> RecallResult:
    span = request.time_range
    return await engine.recall(
        request.query,
        request.bank_id,
        banks=request.banks,
        max_results=request.max_results,
        max_tokens=request.max_tokens,
        min_score=request.min_score,
        tags=request.tags or (),
        tag_match=request.tag_match,
        time_range=(span.start, span.end) if span else None,
        as_of=request.as_of,
        layers=request.layers,
        strategy=request.strategy,
        enough=request.enough,
        bank_weights=request.bank_weights,
        diversity=request.diversity,
        rerank=request.rerank,
        trace=request.trace,
        context=context,
    )


async def reflect(engine: Astrocyte, request: ReflectRequest, context: AstrocyteContext | None) -> ReflectResult:
    return await engine.reflect(
        request.query,
        request.bank_id,
        banks=request.banks,
        max_tokens=request.max_tokens,
        include_sources=request.include_sources,
        tags=request.tags or (),
        tag_match=request.tag_match,
        as_of=request.as_of,
        dispositions=request.dispositions,
        method=request.method,
        context=context,
    )


async def history(engine: Astrocyte, request: HistoryRequest, context: AstrocyteContext | None) -> HistoryResult:
    return await engine.history(
        request.query,
        request.bank_id,
        request.as_of,
        max_results=request.max_results,
        max_tokens=request.max_tokens,
        tags=request.tags or (),
        context=context,
    )


async def forget(engine: Astrocyte, request: ForgetRequest, context: AstrocyteContext | None) -> ForgetResult:
    return await engine.forget(
        request.bank_id,
        memory_ids=request.memory_ids,
        tags=request.tags,
        before_date=request.before_date,
        since_date=request.since_date,
        scope=request.scope,
        reason=request.reason,
        context=context,
    )


async def preview_forget(
    engine: Astrocyte, request: ForgetPreviewRequest, context: AstrocyteContext | None
) -> ForgetPreview:
    return await engine.preview_forget(
        request.bank_id,
        query=request.query,
        min_score=request.min_score,
        memory_ids=request.memory_ids,
        tags=request.tags,
        before_date=request.before_date,
        since_date=request.since_date,
        scope=request.scope,
        limit=request.limit,
        context=context,
    )


async def erase(engine: Astrocyte, request: EraseRequest, context: AstrocyteContext | None) -> ErasureReport:
    return await engine.erase(
        request.principal,
        names=request.names,
        banks=request.banks,
        include_mentions=request.include_mentions,
        skip_held=request.skip_held,
        dry_run=request.dry_run,
        reason=request.reason,
        context=context,
    )
