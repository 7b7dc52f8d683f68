"""What every operation of the engine stands on: settings, an open store, access decisions, the audit log."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar

from aster.foundation.audit import AuditLog
from aster.foundation.errors import AsterError
from aster.foundation.sql import Database, Durability
from astrocyte.access.decisions import Authorizer, Decision
from astrocyte.access.identity import AstrocyteContext, principal_label
from astrocyte.access.reload import FollowedRules
from astrocyte.banks import BankSettings
from astrocyte.config import AstrocyteSettings, read_settings, settings_from_dict
from astrocyte.engine.measures import Measures
from astrocyte.errors import NotOpen
from astrocyte.inputs import bank_name
from astrocyte.memories import HealthStatus, RecallResult
from astrocyte.models.ladder import load_provider
from astrocyte.models.language import LanguageModel, OpenAiModel
from astrocyte.models.provider import EmbeddingProvider
from astrocyte.recall.indexes import BankIndexes
from astrocyte.recall.legs import scanned
from astrocyte.recall.plan import RecallPlan
from astrocyte.recall.remote_vectors import RemoteVectors, VectorSource
from astrocyte.recall.reranking import load_reranker
from astrocyte.recall.search import Searcher
from astrocyte.retain.duplicates import DuplicateRule
from astrocyte.retain.personal_data import Finder, find_personal_data
from astrocyte.retain.presidio import presidio_finder
from astrocyte.retain.privacy import BarrierAction
from astrocyte.stores.opening import open_store
from astrocyte.stores.store import QueueState, Space, Store

T = TypeVar("T")

NAMES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class BankRules:
    """What holds for one bank: its own settings where it has them, else the engine's. 0 days is never."""

    duplicates: DuplicateRule
    pii: BarrierAction
    archive_after_days: int
    delete_after_days: int
    exempt_tags: frozenset[str]


class Opened:
    """What exists between entering and leaving: the database, the store on it, the model, the searcher."""

    def __init__(
        self,
        settings: AstrocyteSettings,
        provider: EmbeddingProvider | None,
        language_model: LanguageModel | None,
    ) -> None:
        self.language_model = language_model
        self.derive_soon = asyncio.Event()
        self.find_personal_data: Finder = find_personal_data
        if settings.recogniser == "presidio":
            self.find_personal_data = presidio_finder(settings.presidio_model)
        durability: Durability = "full" if settings.durability == "full" else "normal"
        self.database = Database.open(settings.storage_url, durability=durability)
        try:
            store = open_store(self.database)
        except BaseException:
            self.database.close_now()
            raise
        self.audit = store.audit
        self.store: Store = store
        self.provider = provider
        self.space = Space(provider.model_id, provider.dimension) if provider else None
        self.indexes = BankIndexes(self.store, cache_bytes=settings.index_bytes)
        self.searcher = Searcher(
            self.store,
            self.indexes,
            provider,
            reranker=load_reranker(settings.rerank, settings.rerank_model, provider),
            rerank_candidates=settings.rerank_candidates,
            vectors=RemoteVectors(store) if isinstance(store, VectorSource) else scanned,
        )


class Engine:
    """One memory engine over one database. ``async with`` opens and closes it; safe to share between tasks.

    Every method asks `Authorizer.authorize` first, on behalf of ``context`` (None is the anonymous caller).
    """

    def __init__(
        self,
        settings: AstrocyteSettings,
        *,
        provider: EmbeddingProvider | None = None,
        language_model: LanguageModel | None = None,
    ) -> None:
        """``provider`` and ``language_model`` replace the models that ``settings`` name."""
        self.settings = settings
        self.authorizer = Authorizer(settings.access)
        self.measures = Measures()
        self._given_provider = provider
        self._given_language_model = language_model
        self._state: Opened | None = None
        self._workers: list[asyncio.Task[None]] = []

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
        def open_all() -> Opened:
            provider = self._given_provider
            if provider is None:
                provider = load_provider(self.settings.provider, cache=self.settings.cache_dir)
            language_model = self._given_language_model
            if language_model is None and self.settings.language_model.model is not None:
                language_model = OpenAiModel(self.settings.language_model)
            return Opened(self.settings, provider, language_model)

        if self._state is not None:
            raise NotOpen("this engine is open already")
        self._state = await asyncio.to_thread(open_all)
        self._workers = [asyncio.create_task(work) for work in self._background()]
        return self

    def _background(self) -> Iterable[Coroutine[Any, Any, None]]:
        """What runs by itself while the engine is open; ended before it closes."""
        return ()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        state, self._state = self._state, None
        if state is not None:
            if state.language_model is not None and self._given_language_model is None:
                await state.language_model.close()
            await state.database.close()

    @property
    def database(self) -> Database:
        """Where memories are, for tables of others that belong beside them."""
        return self._opened.database

    @property
    def audit(self) -> AuditLog:
        """The log in which every retain and forget is recorded, chain ``memory``."""
        return self._opened.audit

    @property
    def model_id(self) -> str | None:
        """The embedding model in use; None when recall goes by keywords alone."""
        provider = self._opened.provider
        return provider.model_id if provider else None

    @property
    def indexes_held(self) -> tuple[int, int]:
        """How many banks' search indexes are in memory, and the bytes they take."""
        return self._opened.indexes.held

    def queue_state(self) -> QueueState:
        """The background's tasks; blocks."""
        return self._opened.store.queue_state()

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
    def _opened(self) -> Opened:
        if self._state is None:
            raise NotOpen("the memory engine is not open", hint="use it inside `async with`")
        return self._state

    def _rules(self, bank_id: str, own: BankSettings | None = None) -> BankRules:
        """``own`` are the bank's settings, read from the store unless given; blocks."""
        own, common = self._opened.store.bank_settings(bank_id) if own is None else own, self.settings

        def either(mine: T | None, other: T) -> T:
            return other if mine is None else mine

        return BankRules(
            duplicates=either(own.duplicates, common.duplicates),
            pii=either(own.pii, common.pii),
            archive_after_days=either(own.archive_after_days, common.lifecycle.archive_after_days),
            delete_after_days=either(own.delete_after_days, common.lifecycle.delete_after_days),
            exempt_tags=frozenset(either(own.exempt_tags, list(common.lifecycle.exempt_tags))),
        )

    async def _authorize(self, context: AstrocyteContext | None, operation: str, banks: Sequence[str]) -> None:
        decision = self.authorizer.authorize(context, operation, banks)
        if not decision.allowed:
            event = {"action": "denied", "operation": operation, "banks": list(banks), "principal": decision.principal}
            await self._opened.store.record({**event, **_grounds(decision)})
        elif decision.trace:
            event = {"action": "allowed", "operation": operation, "banks": list(banks), "principal": decision.principal}
            await self._opened.store.record({**event, **_grounds(decision)})
        decision.enforce()

    async def _search(self, plan: RecallPlan) -> RecallResult:
        return await asyncio.to_thread(self._opened.searcher.search, plan)

    def _all_names(self) -> list[str]:
        names: list[str] = []
        while page := self._opened.store.bank_names(names[-1] if names else "", NAMES_AT_ONCE):
            names += page
        return names

    def _event(self, action: str, bank: str, context: AstrocyteContext | None) -> dict[str, Any]:
        return {"action": action, "bank": bank, "principal": principal_label(context)}


def _grounds(decision: Decision) -> dict[str, Any]:
    """Why, for the audit log; with the access policy's trace where there is one."""
    found: dict[str, Any] = {"rule": decision.rule, "reason": decision.reason}
    return found | ({"trace": [trace for trace in decision.trace if trace is not None]} if decision.trace else {})
