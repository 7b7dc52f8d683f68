"""`Astrocyte`: remember, find, forget. The engine behind the gateway, the RPC service and the library's users."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aster.foundation.audit import AuditLog
from aster.foundation.errors import AsterError
from aster.foundation.sql import Database, Durability
from astrocyte.access.decisions import Authorizer
from astrocyte.access.identity import AstrocyteContext, principal_label
from astrocyte.access.reload import FollowedRules
from astrocyte.config import AstrocyteSettings, read_settings, settings_from_dict
from astrocyte.errors import InvalidInput, MemoryNotFound, NotOpen
from astrocyte.inputs import (
    bank_name,
    bank_names,
    checked_batch,
    checked_memory,
    checked_reason,
    checked_selection,
    checked_tags,
    utc,
)
from astrocyte.memories import (
    BankInfo,
    ContentType,
    ForgetResult,
    HealthStatus,
    HistoryResult,
    MemoryPage,
    MemoryRecord,
    Metadata,
    NewMemory,
    RecallResult,
    ReflectResult,
    RetainResult,
)
from astrocyte.models.ladder import load_provider
from astrocyte.models.provider import EmbeddingProvider
from astrocyte.paging import page_cursor, page_start
from astrocyte.portability import ImportResult, batches, read_bank, write_bank
from astrocyte.recall.filters import TagMatch
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.plan import RecallPlan, recall_plan
from astrocyte.recall.search import CHARACTERS_A_TOKEN, Searcher
from astrocyte.reflect.extractive import EVIDENCE, extract
from astrocyte.retain.near import near_duplicates
from astrocyte.retain.preparation import prepare, prepare_import
from astrocyte.retain.privacy import guard
from astrocyte.stores.sqlite import SqliteStore
from astrocyte.stores.store import PreparedMemory, Space, Store


class _Open:
    """What exists between entering and leaving: the database, the store on it, the model, the searcher."""

    def __init__(self, settings: AstrocyteSettings, provider: EmbeddingProvider | None) -> None:
        durability: Durability = "full" if settings.durability == "full" else "normal"
        self.database = Database.open(settings.storage_url, durability=durability)
        try:
            store = SqliteStore(self.database)
        except BaseException:
            self.database.close_now()
            raise
        self.audit = store.audit
        self.store: Store = store
        self.provider = provider
        self.space = Space(provider.model_id, provider.dimension) if provider else None
        self.searcher = Searcher(self.store, BankIndexes(self.store, cache_bytes=settings.index_bytes), provider)


class Astrocyte:
    """One memory engine over one database. ``async with`` opens and closes it; safe to share between tasks.

    Every method asks `Authorizer.authorize` first, on behalf of ``context`` (None is the anonymous caller).
    """

    def __init__(self, settings: AstrocyteSettings, *, provider: EmbeddingProvider | None = None) -> None:
        """``provider`` replaces the embedding model that ``settings`` name."""
        self.settings = settings
        self.authorizer = Authorizer(settings.access)
        self._given_provider = provider
        self._state: _Open | None = None

    @classmethod
    def from_config(cls, path: str | PathLike[str], *, storage_url: str | None = None) -> Self:
        """From ``astrocyte.yaml`` or ``.toml``; follows its grants. Raises `ConfigError` for anything unknown in it.

        ``storage_url`` is where memories are kept when the file does not say.
        """
        followed = FollowedRules(path, lambda file: read_settings(file).access)
        engine = cls(read_settings(path, storage_url=storage_url))
        engine.authorizer.follow(followed)
        return engine

    @classmethod
    def from_config_dict(cls, values: Mapping[str, Any]) -> Self:
        """From sections, e.g. ``{"storage": {"url": "sqlite:///memory.db"}, "embedding": {"provider": "none"}}``."""
        return cls(settings_from_dict(values))

    async def __aenter__(self) -> Self:
        def open_all() -> _Open:
            provider = self._given_provider
            if provider is None:
                provider = load_provider(self.settings.provider, cache=self.settings.cache_dir)
            return _Open(self.settings, provider)

        if self._state is not None:
            raise NotOpen("this engine is open already")
        self._state = await asyncio.to_thread(open_all)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        state, self._state = self._state, None
        if state is not None:
            await state.database.close()

    @property
    def audit(self) -> AuditLog:
        """The log in which every retain and forget is recorded, chain ``memory``."""
        return self._opened.audit

    @property
    def model_id(self) -> str | None:
        """The embedding model in use; None when recall goes by keywords alone."""
        provider = self._opened.provider
        return provider.model_id if provider else None

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

    async def retain_batch(
        self, bank_id: str, memories: Sequence[NewMemory], *, context: AstrocyteContext | None = None
    ) -> list[RetainResult]:
        """Store many memories in order, all or none, in one transaction; one result each."""
        bank = bank_name(bank_id)
        await self._authorize(context, "retain", [bank])
        return await self._store(bank, checked_batch(memories, self.settings.limits), context)

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
        context: AstrocyteContext | None = None,
    ) -> RecallResult:
        """The memories that answer a question, best first; an unknown bank is an empty one.

        ``max_results`` is brought into 1 to ``limits.max_results``. ``max_tokens`` cuts the list where its texts would
        pass that many tokens (estimated). ``time_range`` bounds ``occurred_at``, both ends inclusive, either may be
        None; ``as_of`` keeps what was retained by then. Every filter holds for every kind of evidence.
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
        )
        return await self._search(plan)

    async def reflect(
        self,
        query: str,
        bank_id: str | None = None,
        *,
        banks: Sequence[str] | None = None,
        max_tokens: int | None = None,
        include_sources: bool = True,
        tags: Sequence[str] = (),
        tag_match: TagMatch = "any",
        as_of: datetime | None = None,
        context: AstrocyteContext | None = None,
    ) -> ReflectResult:
        """Answer a question from memory, with citations: the best memories' own sentences, no language model.

        Says that there is no answer rather than giving a thin one. ``max_tokens`` bounds the answer (estimated).
        """
        names = bank_names(bank_id, banks, self.settings.limits)
        await self._authorize(context, "reflect", names)
        plan = recall_plan(
            query, names, self.settings.limits, max_results=EVIDENCE, tags=tags, tag_match=tag_match, as_of=as_of
        )
        found = await self._search(plan)
        characters = None if max_tokens is None else max_tokens * CHARACTERS_A_TOKEN
        answer = extract(query, found.hits, max_characters=characters)
        return ReflectResult(
            answer=answer.answer,
            confidence=answer.confidence,
            sources=answer.sources if include_sources else [],
        )

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

    async def get_memory(
        self, bank_id: str, memory_id: str, *, context: AstrocyteContext | None = None
    ) -> MemoryRecord:
        """One memory by its id; raises `MemoryNotFound`."""
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        found = await asyncio.to_thread(self._opened.store.find, bank, memory_id)
        if found is None:
            raise MemoryNotFound(f"there is no memory '{memory_id[:40]}' in bank '{bank}'")
        return found.record

    async def list_memories(
        self,
        bank_id: str,
        *,
        cursor: str | None = None,
        limit: int = 100,
        context: AstrocyteContext | None = None,
    ) -> MemoryPage:
        """A bank's memories in the order in which they were retained, ``limit`` (1 to ``max_results``) a page."""
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        after = page_start(cursor)
        size = min(max(1, limit), self.settings.limits.max_results)
        rows = await asyncio.to_thread(self._opened.store.page, bank, after, size + 1)
        more = len(rows) > size
        return MemoryPage(
            memories=[memory.record for memory in rows[:size]],
            next_cursor=page_cursor(rows[size - 1].row) if more else None,
        )

    async def bank_info(self, bank_id: str, *, context: AstrocyteContext | None = None) -> BankInfo | None:
        """What a bank holds; None for one that nothing was ever retained in."""
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        return await asyncio.to_thread(self._opened.store.bank, bank)

    async def forget(
        self,
        bank_id: str,
        *,
        memory_ids: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        before_date: datetime | None = None,
        scope: str | None = None,
        reason: str | None = None,
        context: AstrocyteContext | None = None,
    ) -> ForgetResult:
        """Remove memories and everything derived from them, for good.

        ``scope="all"`` empties the bank (permission ``admin``). Otherwise a memory goes when it meets every condition
        that is given: its id is listed, it has one of the tags, it happened (or was retained) before the date. Raises
        `NothingSelected` when there is no condition at all. Ids that do not exist are no error.
        """
        bank = bank_name(bank_id)
        selection = checked_selection(memory_ids, tags, before_date, scope, self.settings.limits)
        await self._authorize(context, "forget_all" if selection.everything else "forget", [bank])
        why = checked_reason(reason, self.settings.limits)
        event = {**self._event("forget", bank, context), "scope": scope or "selected", "reason": why}
        gone = await self._opened.store.forget(bank, selection, event)
        return ForgetResult(deleted_count=len(gone))

    async def export_bank(
        self, bank_id: str, path: str | PathLike[str], *, context: AstrocyteContext | None = None
    ) -> int:
        """Write every memory of a bank to a file of JSON Lines; returns how many. The file appears when it is whole."""
        bank = bank_name(bank_id)
        await self._authorize(context, "export", [bank])
        state = self._opened
        written = await asyncio.to_thread(write_bank, state.store, bank, Path(path))
        await state.store.record({**self._event("export", bank, context), "memories": written})
        return written

    async def import_bank(
        self, bank_id: str, path: str | PathLike[str], *, context: AstrocyteContext | None = None
    ) -> ImportResult:
        """Add the memories of an exported file, with their ids and times; those that are there already are skipped.

        The file's own bank is not looked at: ``bank_id`` is where they go. Raises `InvalidExport` naming the line.
        """
        bank = bank_name(bank_id)
        await self._authorize(context, "import", [bank])
        state = self._opened
        imported = skipped = 0
        for records in batches(await asyncio.to_thread(read_bank, Path(path), self.settings.limits)):
            prepared = await asyncio.to_thread(prepare_import, records, state.provider, pii=self.settings.pii)
            equals = await state.store.add(bank, prepared, state.space, self._event("import", bank, context))
            imported += equals.count(None)
            skipped += len(equals) - equals.count(None)
        return ImportResult(imported=imported, skipped=skipped)

    async def list_banks(self, *, after: str = "") -> tuple[list[str], bool]:
        """Names of banks in order, from the one after ``after``; and whether there are more. For operators: no grant
        is asked, so callers' requests must not come here.
        """
        size = self.settings.limits.max_results
        names = await asyncio.to_thread(self._opened.store.bank_names, after, size + 1)
        return names[:size], len(names) > size

    async def health(self) -> HealthStatus:
        """Whether the store answers. Never raises."""
        started = time.perf_counter()
        try:
            await asyncio.to_thread(self._opened.store.check)
            healthy, message, model = True, "ok", self.model_id
        except AsterError as error:
            healthy, message, model = False, error.code, None
        latency = (time.perf_counter() - started) * 1000
        return HealthStatus(healthy=healthy, message=message, model=model, latency_ms=round(latency, 3))

    async def require_access(self, context: AstrocyteContext | None, operation: str, banks: Sequence[str]) -> None:
        """Ask ahead of a method that will ask again, where much would be done before; records a refusal alike."""
        await self._authorize(context, operation, [bank_name(bank) for bank in banks])

    @property
    def _opened(self) -> _Open:
        if self._state is None:
            raise NotOpen("the memory engine is not open", hint="use it inside `async with`")
        return self._state

    async def _authorize(self, context: AstrocyteContext | None, operation: str, banks: Sequence[str]) -> None:
        decision = self.authorizer.authorize(context, operation, banks)
        if not decision.allowed:
            event = {"action": "denied", "operation": operation, "banks": list(banks), "principal": decision.principal}
            await self._opened.store.record({**event, "rule": decision.rule, "reason": decision.reason})
        decision.enforce()

    async def _search(self, plan: RecallPlan) -> RecallResult:
        return await asyncio.to_thread(self._opened.searcher.search, plan)

    async def _store(
        self, bank: str, memories: Sequence[NewMemory], context: AstrocyteContext | None
    ) -> list[RetainResult]:
        state, rule = self._opened, self.settings.duplicates
        ids = [secrets.token_hex(8) for _ in memories]

        def work() -> tuple[list[PreparedMemory], list[list[str]]]:
            guarded, found = guard(memories, self.settings.pii)
            return prepare(ids, guarded, state.provider, duplicates=rule), found

        prepared, personal = await asyncio.to_thread(work)
        near: list[str | None] = [None] * len(ids)
        if rule == "near":
            near = await asyncio.to_thread(near_duplicates, bank, prepared, state.searcher)
        fresh = [one for one, same in zip(prepared, near, strict=True) if same is None]
        equal = iter(await state.store.add(bank, fresh, state.space, self._event("retain", bank, context)))
        same_as = [same if same is not None else next(equal) for same in near]
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

    def _event(self, action: str, bank: str, context: AstrocyteContext | None) -> dict[str, Any]:
        return {"action": action, "bank": bank, "principal": principal_label(context)}
