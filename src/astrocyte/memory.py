"""`Astrocyte`: remember, find, forget. The engine behind the gateway, the RPC service and the library's users."""

import asyncio
import secrets
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from astrocyte.access.identity import AstrocyteContext
from astrocyte.derive.kinds import subjects
from astrocyte.engine.core import BankRules
from astrocyte.engine.curation import CurationOperations, retained_by
from astrocyte.engine.derivation import DerivationOperations
from astrocyte.engine.erasure import ErasureOperations
from astrocyte.engine.maintenance import MaintenanceOperations
from astrocyte.engine.measures import measured
from astrocyte.engine.reembedding import ReembeddingOperations
from astrocyte.engine.reflection import ReflectionOperations
from astrocyte.engine.transfer import TransferOperations
from astrocyte.errors import InvalidInput, PersonalDataRefused
from astrocyte.inputs import (
    bank_name,
    bank_names,
    checked_batch,
    checked_count,
    checked_memory,
    checked_reason,
    checked_selection,
    checked_tags,
    utc,
)
from astrocyte.memories import (
    ContentType,
    ForgetPreview,
    ForgetResult,
    HistoryResult,
    Metadata,
    NewMemory,
    RecallResult,
    RetainResult,
)
from astrocyte.recall.filters import TagMatch
from astrocyte.recall.plan import Strategy, recall_plan
from astrocyte.retain.near import near_duplicates
from astrocyte.retain.preparation import prepare
from astrocyte.retain.privacy import guard
from astrocyte.stores.store import PreparedMemory


class Astrocyte(
    CurationOperations,
    DerivationOperations,
    ErasureOperations,
    MaintenanceOperations,
    ReembeddingOperations,
    ReflectionOperations,
    TransferOperations,
):
    """One memory engine over one database. ``async with`` opens and closes it; safe to share between tasks.

    Every method asks `Authorizer.authorize` first, on behalf of ``context`` (None is the anonymous caller).
    """

    def _background(self) -> Iterable[Coroutine[Any, Any, None]]:
        if self.settings.lifecycle.is_active:
            yield self.sweep_for_ever()
        if self.settings.derive.is_active and self.settings.derive.in_background:
            yield self.derive_for_ever()

    @measured("retain")
    async def retain(
        self,
        content: str,
        bank_id: str,
        *,
        metadata: Metadata | None = None,
        tags: Sequence[str] = (),
        occurred_at: datetime | None = None,
        session_id: str | None = None,
        speaker: str | None = None,
        source: str | None = None,
        content_type: ContentType = "text",
        context: AstrocyteContext | None = None,
    ) -> RetainResult:
        """Store one memory; returns when it is durable. Raises an `InvalidInput` that names what is wrong."""
        memory = NewMemory(
            content=content,
            metadata=dict(metadata or {}),
            tags=checked_tags(tags, self.settings.limits),
            occurred_at=occurred_at,
            session_id=session_id,
            speaker=speaker,
            source=source,
            content_type=content_type,
        )
        bank = bank_name(bank_id)
        await self._authorize(context, "retain", [bank])
        checked = checked_memory(memory, self.settings.limits)
        return (await self._store(bank, [checked], context))[0]

    @measured("retain")
    async def retain_batch(
        self, bank_id: str, memories: Sequence[NewMemory], *, context: AstrocyteContext | None = None
    ) -> list[RetainResult]:
        """Store many memories in order, all or none, in one transaction; one result each."""
        bank = bank_name(bank_id)
        await self._authorize(context, "retain", [bank])
        return await self._store(bank, checked_batch(memories, self.settings.limits), context)

    @measured("recall")
    async def recall(
        self,
        query: str,
        bank_id: str | None = None,
        *,
        banks: Sequence[str] | None = None,
        max_results: int = 10,
        max_tokens: int | None = None,
        min_score: float = 0.0,
        tags: Sequence[str] = (),
        tag_match: TagMatch = "any",
        time_range: tuple[datetime | None, datetime | None] | None = None,
        as_of: datetime | None = None,
        layers: Sequence[str] | None = None,
        strategy: Strategy = "parallel",
        enough: int = 3,
        bank_weights: Mapping[str, float] | None = None,
        diversity: float = 0.0,
        rerank: bool = True,
        trace: bool = False,
        context: AstrocyteContext | None = None,
    ) -> RecallResult:
        """The memories that answer a question, best first; an unknown bank is an empty one.

        ``max_results`` is brought into 1 to ``limits.max_results``. ``max_tokens`` cuts the list where its texts would
        pass that many tokens (estimated). ``time_range`` bounds ``occurred_at``, both ends inclusive, either may be
        None; ``as_of`` keeps what was retained by then; ``layers`` are some of fact, observation, model, page.
        Every filter holds for every kind of evidence.

        Several banks are searched all together (``strategy="parallel"``), in order until ``enough`` hits are found
        ("cascade"), or until one has any ("first_match"); ``bank_weights`` (0 to 10) multiply their scores.
        ``diversity`` from 0 to 1 prefers hits that differ; ``rerank=False`` does without a configured second look.
        ``trace`` tells of each hit which evidence found it (``result.trace.hits``): scores, ranks, shares of the sum.
        """
        limits = self.settings.limits
        names = bank_names(bank_id, banks, limits)
        await self._authorize(context, "recall", names)
        plan = recall_plan(
            query,
            names,
            limits,
            max_results=max_results,
            max_tokens=max_tokens,
            min_score=min_score,
            tags=tags,
            tag_match=tag_match,
            time_range=time_range,
            as_of=as_of,
            layers=layers,
            strategy=strategy,
            enough=enough,
            bank_weights=bank_weights,
            diversity=diversity,
            rerank=rerank,
            trace=trace,
        )
        return await self._search(plan)

    @measured("history")
    async def history(
        self,
        query: str,
        bank_id: str,
        as_of: datetime,
        *,
        max_results: int = 10,
        max_tokens: int | None = None,
        tags: Sequence[str] = (),
        context: AstrocyteContext | None = None,
    ) -> HistoryResult:
        """What a recall would have found at ``as_of``, without what was forgotten since."""
        bank = bank_name(bank_id)
        await self._authorize(context, "history", [bank])
        moment = utc("as_of", as_of)
        if moment is None:
            raise InvalidInput("as_of must be a time")
        plan = recall_plan(
            query,
            [bank],
            self.settings.limits,
            max_results=max_results,
            max_tokens=max_tokens,
            tags=tags,
            as_of=moment,
        )
        found = await self._search(plan)
        return HistoryResult(
            hits=found.hits,
            total_available=found.total_available,
            truncated=found.truncated,
            as_of=moment,
            bank_id=bank,
            trace=found.trace,
        )

    @measured("forget")
    async def forget(
        self,
        bank_id: str,
        *,
        memory_ids: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        before_date: datetime | None = None,
        since_date: datetime | None = None,
        scope: str | None = None,
        reason: str | None = None,
        context: AstrocyteContext | None = None,
    ) -> ForgetResult:
        """Remove memories and everything derived from them, for good.

        ``scope="all"`` empties the bank (permission ``admin``). Otherwise a memory goes when it meets every condition
        that is given: its id is listed, it has one of the tags, it happened (or was retained) before
        ``before_date`` and not before ``since_date``. Raises
        `NothingSelected` when there is no condition at all. Ids that do not exist are no error.
        """
        bank = bank_name(bank_id)
        selection = checked_selection(memory_ids, tags, before_date, scope, self.settings.limits, since_date=since_date)
        await self._authorize(context, "forget_all" if selection.everything else "forget", [bank])
        why = checked_reason(reason, self.settings.limits)
        event = {**self._event("forget", bank, context), "scope": scope or "selected", "reason": why}
        gone = await self._opened.store.forget(bank, selection, event)
        self.measures.forgotten += len(gone)
        return ForgetResult(deleted_count=len(gone))

    async def preview_forget(
        self,
        bank_id: str,
        *,
        query: str | None = None,
        min_score: float = 0.5,
        memory_ids: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        before_date: datetime | None = None,
        since_date: datetime | None = None,
        scope: str | None = None,
        limit: int = 100,
        context: AstrocyteContext | None = None,
    ) -> ForgetPreview:
        """What a `forget` with the same conditions would remove, without removing it.

        ``query`` previews instead what a recall finds with at least ``min_score``, of which the other conditions, when
        given, choose; to remove those, pass their ids to `forget`. ``limit`` memories are shown.
        """
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        store, limits = self._opened.store, self.settings.limits
        ids: list[str] | None = None
        if query is not None:
            plan = recall_plan(query, [bank], limits, max_results=limits.max_results, min_score=min_score)
            ids = list(dict.fromkeys(hit.memory_id for hit in (await self._search(plan)).hits))
        if ids is None or memory_ids or tags or before_date or since_date:
            selection = checked_selection(memory_ids, tags, before_date, scope, limits, since_date=since_date)
            chosen = await asyncio.to_thread(store.selected, bank, selection)
            ids = chosen if ids is None else [one for one in ids if one in set(chosen)]
        shown = ids[: checked_count("limit", limit, most=limits.max_results)]
        found = [await asyncio.to_thread(store.find, bank, one) for one in shown]
        holds = await asyncio.to_thread(store.holds, bank)
        return ForgetPreview(
            total=len(ids),
            memories=[one.record for one in found if one is not None],
            holds=[hold.hold_id for hold in holds],
        )

    async def _store(
        self, bank: str, memories: Sequence[NewMemory], context: AstrocyteContext | None
    ) -> list[RetainResult]:
        state = self._opened
        ids = [secrets.token_hex(8) for _ in memories]

        def work() -> tuple[BankRules, list[PreparedMemory], list[list[str]], list[str | None]]:
            rules = self._rules(bank)
            guarded, found = guard(memories, rules.pii, state.find_personal_data)
            prepared = prepare(ids, guarded, state.provider, duplicates=rules.duplicates)
            near: list[str | None] = [None] * len(ids)
            if rules.duplicates == "near":
                near = near_duplicates(bank, prepared, state.searcher)
            return rules, [replace(one, retained_by=retained_by(context)) for one in prepared], found, near

        try:
            rules, prepared, personal, near = await asyncio.to_thread(work)
        except PersonalDataRefused:
            self.measures.personal_data["reject"] += 1
            raise
        fresh = [one for one, same in zip(prepared, near, strict=True) if same is None]
        event = self._event("retain", bank, context)
        equal = iter(await state.store.add(bank, fresh, state.space, event, **self._to_derive(fresh)))
        state.derive_soon.set()
        same_as = [same if same is not None else next(equal) for same in near]
        self._count(rules, personal, same_as)
        return [
            RetainResult(
                stored=same is None,
                memory_id=memory_id if same is None else same,
                deduplicated=same is not None,
                retention_action="add" if same is None else "skip",
                personal_data=kinds,
            )
            for memory_id, same, kinds in zip(ids, same_as, personal, strict=True)
        ]

    def _count(self, rules: BankRules, personal: Sequence[Sequence[str]], same_as: Sequence[str | None]) -> None:
        measures, stored = self.measures, sum(same is None for same in same_as)
        measures.retained += stored
        measures.deduplicated += len(same_as) - stored
        if any(personal):
            measures.personal_data[rules.pii] += sum(map(bool, personal))

    def _to_derive(self, fresh: Sequence[PreparedMemory]) -> dict[str, Any]:
        """What the store is to ask the background for along with new memories."""
        derive = self.settings.derive
        if not derive.is_active:
            return {}
        about = subjects([one.memory for one in fresh if one.archived_at is None], derive)
        return {"tasks": about, "due": datetime.now(UTC) + timedelta(seconds=derive.delay_seconds)}
