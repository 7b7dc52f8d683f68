"""Single memories: found by id, listed, changed, put away, brought back."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace as replaced
from datetime import UTC, datetime
from typing import Any

import msgspec

from astrocyte.access.identity import AstrocyteContext, principal_label
from astrocyte.engine.core import Engine
from astrocyte.errors import InvalidInput, MemoryNotFound
from astrocyte.inputs import bank_name, checked_count, checked_ids, checked_memory
from astrocyte.memories import UNCHANGED, Memory, MemoryPage, MemoryRecord, Metadata, NewMemory, Unchanged, as_retained
from astrocyte.paging import page_cursor, page_start
from astrocyte.retain.preparation import prepare
from astrocyte.retain.privacy import guard
from astrocyte.stores.columns import LAYERS
from astrocyte.stores.store import PreparedMemory

LOOKED_THROUGH = 500
"""Memories read at once while some of one layer are looked for."""


class CurationOperations(Engine):
    """Reading and changing what is kept, one memory at a time."""

    async def get_memory(
        self, bank_id: str, memory_id: str, *, context: AstrocyteContext | None = None
    ) -> MemoryRecord:
        """One memory by its id; raises `MemoryNotFound`."""
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        return await self._found(bank, memory_id)

    async def list_memories(
        self,
        bank_id: str,
        *,
        cursor: str | None = None,
        limit: int = 100,
        layer: str | None = None,
        context: AstrocyteContext | None = None,
    ) -> MemoryPage:
        """A bank's memories in the order in which they were retained (or last changed), archived ones included.

        ``limit`` (1 to ``max_results``) a page; with ``layer`` those of one layer, looked for among all (time grows
        with the bank).
        """
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        after = page_start(cursor)
        size = checked_count("limit", limit, most=self.settings.limits.max_results)
        if layer is not None and layer not in LAYERS:
            raise InvalidInput(f"layer must be one of {', '.join(LAYERS)}")
        rows = await asyncio.to_thread(self._page, bank, after, size + 1, layer)
        more = len(rows) > size
        return MemoryPage(
            memories=[memory.record for memory in rows[:size]],
            next_cursor=page_cursor(rows[size - 1].row) if more else None,
        )

    def _page(self, bank: str, after: int, size: int, layer: str | None) -> list[Memory]:
        if layer is None:
            return list(self._opened.store.page(bank, after, size))
        found: list[Memory] = []
        while len(found) < size and (rows := self._opened.store.page(bank, after, LOOKED_THROUGH)):
            found += [memory for memory in rows if memory.record.layer == layer]
            after = rows[-1].row
        return found[:size]

    async def update_memory(
        self,
        bank_id: str,
        memory_id: str,
        *,
        content: str | Unchanged = UNCHANGED,
        metadata: Metadata | Unchanged = UNCHANGED,
        tags: Sequence[str] | Unchanged = UNCHANGED,
        occurred_at: datetime | Unchanged | None = UNCHANGED,
        session_id: str | Unchanged | None = UNCHANGED,
        speaker: str | Unchanged | None = UNCHANGED,
        source: str | Unchanged | None = UNCHANGED,
        content_type: str | Unchanged = UNCHANGED,
        context: AstrocyteContext | None = None,
    ) -> MemoryRecord:
        """Change what is given and leave the rest; returns the memory as it is now.

        It is checked, guarded and indexed as if it were new and keeps its id and its first ``retained_at``; what it
        said before is gone, and so is what was derived from it. An archived one comes back into searches. Raises
        `MemoryNotFound`, `LegalHoldActive`, an `InvalidInput`.
        """
        bank = bank_name(bank_id)
        await self._authorize(context, "retain", [bank])
        given: dict[str, Any] = {
            "content": content,
            "metadata": metadata,
            "tags": tags,
            "occurred_at": occurred_at,
            "session_id": session_id,
            "speaker": speaker,
            "source": source,
            "content_type": content_type,
        }
        changes = {name: value for name, value in given.items() if not isinstance(value, Unchanged)}
        if not changes:
            raise InvalidInput("nothing is changed", hint="give at least one of " + ", ".join(given))
        kept = await self._found(bank, memory_id)
        if kept.layer != "fact":
            raise InvalidInput("what was derived can't be changed", hint="change the memories it was derived from")
        changed = checked_memory(msgspec.structs.replace(as_retained(kept), **changes), self.settings.limits)
        await self._replace(bank, kept, changed, datetime.now(UTC), self._event("update", bank, context))
        return await self._found(bank, memory_id)

    async def archive_memories(
        self, bank_id: str, memory_ids: Sequence[str], *, context: AstrocyteContext | None = None
    ) -> int:
        """Keep memories but find them no more; returns how many were not archived yet. Raises `LegalHoldActive`."""
        bank = bank_name(bank_id)
        if not checked_ids(memory_ids):
            raise InvalidInput("memory_ids must be a list of ids that is not empty")
        await self._authorize(context, "forget", [bank])
        return len(await self._opened.store.archive(bank, memory_ids, self._event("archive", bank, context)))

    async def restore_memory(
        self, bank_id: str, memory_id: str, *, context: AstrocyteContext | None = None
    ) -> MemoryRecord:
        """Bring an archived memory back into searches. Raises `MemoryNotFound`, `LegalHoldActive`."""
        bank = bank_name(bank_id)
        await self._authorize(context, "retain", [bank])
        kept = await self._found(bank, memory_id)
        if kept.archived_at is not None:
            await self._replace(bank, kept, as_retained(kept), kept.updated_at, self._event("restore", bank, context))
        return await self._found(bank, memory_id)

    async def _found(self, bank: str, memory_id: str) -> MemoryRecord:
        found = await asyncio.to_thread(self._opened.store.find, bank, memory_id)
        if found is None:
            raise MemoryNotFound(f"there is no memory '{memory_id[:40]}' in bank '{bank}'")
        return found.record

    async def _replace(
        self, bank: str, kept: MemoryRecord, memory: NewMemory, updated_at: datetime | None, event: dict[str, Any]
    ) -> None:
        state = self._opened

        def work() -> PreparedMemory:
            rules = self._rules(bank)
            guarded, _ = guard([memory], rules.pii, state.find_personal_data)
            (prepared,) = prepare([kept.memory_id], guarded, state.provider, duplicates=rules.duplicates)
            return replaced(prepared, retained_at=kept.retained_at, updated_at=updated_at, retained_by=kept.retained_by)

        await state.store.replace(bank, await asyncio.to_thread(work), state.space, event)


def retained_by(context: AstrocyteContext | None) -> str | None:
    """Whom a memory is from: the principal, None for the anonymous caller."""
    return None if context is None else principal_label(context)
