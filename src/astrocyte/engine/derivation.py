"""Deriving knowledge in the background: what is due, written by the language model, kept with its provenance."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aster.foundation.errors import AsterError
from aster.foundation.logs import get_logger
from astrocyte.access.identity import AstrocyteContext
from astrocyte.banks import Waiting
from astrocyte.derive.kinds import KINDS, subjects
from astrocyte.derive.writer import Piece, write_pieces
from astrocyte.engine.core import Engine
from astrocyte.errors import InvalidInput
from astrocyte.inputs import bank_name
from astrocyte.memories import Memory, MemoryRecord, NewMemory, as_retained
from astrocyte.moments import moment_of
from astrocyte.recall.plan import recall_plan
from astrocyte.retain.preparation import prepare
from astrocyte.retain.privacy import guard
from astrocyte.stores.store import Derived, Task

POLL_SECONDS = 5.0
"""How soon another process's request is seen."""

FIRST_PAUSE = 10
LONGEST_PAUSE = 3600

logger = get_logger("astrocyte.derive")


class DerivationOperations(Engine):
    """Nothing of this happens on a caller's time, and nothing at all unless ``[derive]`` asks for it."""

    async def provenance(
        self, bank_id: str, memory_id: str, *, context: AstrocyteContext | None = None
    ) -> list[MemoryRecord]:
        """What a derived memory was made from; nothing for a fact."""
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        return [one.record for one in await asyncio.to_thread(self._opened.store.sources, bank, memory_id)]

    async def refresh_derived(self, bank_id: str, *, context: AstrocyteContext | None = None) -> int:
        """Ask for everything derived in a bank to be made anew, now; returns how many requests that is."""
        bank = bank_name(bank_id)
        await self._authorize(context, "retain", [bank])
        if not self.settings.derive.is_active:
            raise InvalidInput("nothing is derived", hint="turn on observations, pages or models in [derive]")
        facts = await asyncio.to_thread(self._everything, bank)
        about = subjects(facts, self.settings.derive)
        await self._opened.store.add_tasks(bank, about, datetime.now(UTC))
        self._opened.derive_soon.set()
        return len(about)

    async def waiting(self, bank_id: str, *, context: AstrocyteContext | None = None) -> list[Waiting]:
        """What is still to be derived in a bank."""
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        return [
            Waiting(
                kind=task.kind,
                subject=task.subject,
                due_at=moment_of(task.due_at),
                attempts=task.attempts,
                failure=task.failure,
            )
            for task in await asyncio.to_thread(self._opened.store.tasks, bank)
        ]

    async def derive_due(self) -> int:
        """Do everything that is due now; returns how many tasks that were. The background calls it by itself."""
        done = 0
        while (task := await self._opened.store.claim_task()) is not None:
            await self._derive(task)
            done += 1
        return done

    async def derive_for_ever(self) -> None:
        """`derive_due` whenever something is due."""
        soon = self._opened.derive_soon
        while True:
            try:
                await self.derive_due()
                pause = await asyncio.to_thread(self._pause)
            except AsterError as error:
                logger.warning("the queue can't be read", code=error.code)
                pause = POLL_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await soon.wait()
            except TimeoutError:
                pass
            soon.clear()

    def _pause(self) -> float:
        due = self._opened.store.next_task_at()
        if due is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.05, (moment_of(due) - datetime.now(UTC)).total_seconds()))

    async def _derive(self, task: Task) -> None:
        model, kind = self._opened.language_model, KINDS.get(task.kind)
        event = self._event("derive", task.bank_id, None)
        try:
            pieces: list[Derived] = []
            if kind is not None and model is not None:
                facts = await asyncio.to_thread(self._facts, task)
                if len(facts) >= kind.needed:
                    written = await write_pieces(model, kind, task.subject, [fact.record for fact in facts])
                    pieces = await asyncio.to_thread(self._prepared, task, kind.layer, written, facts)
            await self._opened.store.save_derived(task, task.kind, pieces, self._opened.space, event)
        except AsterError as error:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (task.attempts - 1))
            until = datetime.now(UTC) + timedelta(seconds=pause)
            await self._opened.store.postpone_task(task, until, error.code)
            logger.warning("nothing was derived for now", bank=task.bank_id, kind=task.kind, code=error.code)

    def _facts(self, task: Task) -> list[Memory]:
        store, kind = self._opened.store, KINDS[task.kind]
        if task.kind == "observation":
            return store.facts(task.bank_id, speaker=task.subject, tag=None, limit=kind.facts)
        if task.kind == "page":
            return store.facts(task.bank_id, speaker=None, tag=task.subject, limit=kind.facts)
        plan = recall_plan(task.subject, [task.bank_id], self.settings.limits, max_results=kind.facts, layers=["fact"])
        hits = self._opened.searcher.search(plan).hits
        found = (store.find(task.bank_id, memory_id) for memory_id in dict.fromkeys(hit.memory_id for hit in hits))
        return [memory for memory in found if memory is not None]

    def _prepared(self, task: Task, layer: str, pieces: Sequence[Piece], facts: Sequence[Memory]) -> list[Derived]:
        memories = [
            NewMemory(
                content=piece.text,
                metadata={"subject": task.subject},
                content_type="markdown" if task.kind == "page" else "text",
            )
            for piece in pieces
        ]
        guarded, _ = guard(memories, self._rules(task.bank_id).pii, self._opened.find_personal_data)
        ids = [secrets.token_hex(8) for _ in pieces]
        prepared = prepare(ids, guarded, self._opened.provider, duplicates="keep")
        return [
            Derived(replace(one, layer=layer), [facts[place].row for place in piece.sources])
            for one, piece in zip(prepared, pieces, strict=True)
        ]

    def _everything(self, bank: str) -> list[NewMemory]:
        found: list[NewMemory] = []
        after = 0
        while page := self._opened.store.page(bank, after, 500):
            found += [as_retained(one.record) for one in page if one.record.layer == "fact"]
            after = page[-1].row
        return found
