"""Banks as such: made, configured, counted, deleted; holds on them; the sweep that puts old memories away."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from astrocyte.access.identity import AstrocyteContext, principal_label
from astrocyte.banks import (
    BankInfo,
    BankSettings,
    BankStatistics,
    LegalHold,
    LifecycleAction,
    LifecycleResult,
    LifecycleStep,
)
from astrocyte.engine.core import Engine
from astrocyte.errors import BankNotFound
from astrocyte.inputs import bank_name, checked_bank_settings, checked_label, checked_reason
from astrocyte.memories import ForgetResult
from astrocyte.stores.store import Selection

SWEPT_AT_ONCE = 1000
STEPS_TOLD = 1000


class BankOperations(Engine):
    """What an administrator does with banks."""

    async def create_bank(
        self, bank_id: str, settings: BankSettings | None = None, *, context: AstrocyteContext | None = None
    ) -> BankInfo:
        """Make an empty bank; raises `BankExists`. A bank also comes into being with its first memory."""
        return await self._save_bank("create_bank", bank_id, settings or BankSettings(), context)

    async def configure_bank(
        self, bank_id: str, settings: BankSettings, *, context: AstrocyteContext | None = None
    ) -> BankInfo:
        """Replace a bank's settings as a whole; raises `BankNotFound`."""
        return await self._save_bank("configure_bank", bank_id, settings, context)

    async def delete_bank(self, bank_id: str, *, context: AstrocyteContext | None = None) -> ForgetResult:
        """Forget all of a bank, its settings too. Raises `BankNotFound`, `LegalHoldActive`."""
        bank = bank_name(bank_id)
        await self._authorize(context, "forget_all", [bank])
        gone = await self._opened.store.delete_bank(bank, self._event("delete_bank", bank, context))
        self.measures.forgotten += len(gone)
        return ForgetResult(deleted_count=len(gone))

    async def bank_info(self, bank_id: str, *, context: AstrocyteContext | None = None) -> BankInfo | None:
        """What a bank holds; None for one that does not exist."""
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        return await asyncio.to_thread(self._opened.store.bank, bank)

    async def list_banks(self, *, after: str = "") -> tuple[list[str], bool]:
        """Names of banks in order, from the one after ``after``; and whether there are more. For operators: no grant
        is asked, so callers' requests must not come here.
        """
        size = self.settings.limits.max_results
        names = await asyncio.to_thread(self._opened.store.bank_names, after, size + 1)
        return names[:size], len(names) > size

    async def bank_statistics(self, bank_id: str, *, context: AstrocyteContext | None = None) -> BankStatistics:
        """What a bank holds, counted anew (time grows with it); raises `BankNotFound`."""
        bank = bank_name(bank_id)
        await self._authorize(context, "list", [bank])
        found = await asyncio.to_thread(self._opened.store.statistics, bank)
        if found is None:
            raise BankNotFound(f"there is no bank '{bank}'")
        return found

    async def place_hold(
        self, bank_id: str, hold_id: str, reason: str, *, context: AstrocyteContext | None = None
    ) -> LegalHold:
        """From now on nothing in the bank can be forgotten, changed or archived, by anybody, until it is lifted."""
        bank = bank_name(bank_id)
        await self._authorize(context, "hold", [bank])
        hold = LegalHold(
            hold_id=checked_label("hold_id", hold_id, self.settings.limits),
            bank_id=bank,
            reason=checked_reason(reason, self.settings.limits) or "",
            set_by=principal_label(context),
            set_at=datetime.now(UTC),
        )
        event = {**self._event("place_hold", bank, context), "hold": hold.hold_id, "reason": hold.reason}
        await self._opened.store.place_hold(hold, event)
        return hold

    async def lift_hold(self, bank_id: str, hold_id: str, *, context: AstrocyteContext | None = None) -> bool:
        """Whether there was such a hold."""
        bank = bank_name(bank_id)
        await self._authorize(context, "hold", [bank])
        event = {**self._event("lift_hold", bank, context), "hold": hold_id[: self.settings.limits.label]}
        return await self._opened.store.lift_hold(bank, hold_id, event)

    async def legal_holds(self, bank_id: str, *, context: AstrocyteContext | None = None) -> list[LegalHold]:
        """A bank's holds, oldest first."""
        bank = bank_name(bank_id)
        await self._authorize(context, "hold", [bank])
        return await asyncio.to_thread(self._opened.store.holds, bank)

    async def run_lifecycle(
        self, bank_id: str, *, dry_run: bool = False, context: AstrocyteContext | None = None
    ) -> LifecycleResult:
        """Archive and forget what is old enough by the bank's settings, else by ``lifecycle``; nothing without either.

        Raises `LegalHoldActive` when there is something to do and the bank is under hold.
        """
        bank = bank_name(bank_id)
        await self._authorize(context, "forget_all", [bank])
        return await self._sweep(bank, dry_run=dry_run, event=self._event("lifecycle", bank, context))

    async def _sweep(self, bank: str, *, dry_run: bool, event: Mapping[str, str]) -> LifecycleResult:
        store = self._opened.store
        due, exempt = await asyncio.to_thread(self._due, bank)
        if not dry_run:
            for part in _parts(due["delete"]):
                self.measures.forgotten += len(await store.forget(bank, Selection(memory_ids=part), event))
            for part in _parts(due["archive"]):
                await store.archive(bank, part, event)
        steps = [
            LifecycleStep(memory_id=memory_id, action=action, reason=f"older than {action}_after_days")
            for action, ids in due.items()
            for memory_id in ids
        ]
        return LifecycleResult(
            archived_count=len(due["archive"]),
            deleted_count=len(due["delete"]),
            skipped_count=len(exempt),
            is_dry_run=dry_run,
            actions=steps[:STEPS_TOLD],
        )

    def _due(self, bank: str) -> tuple[Mapping[LifecycleAction, list[str]], set[str]]:
        """What is old enough for which action, and what is spared. What is to be forgotten need not be archived."""
        store, rules, now = self._opened.store, self._rules(bank), datetime.now(UTC)
        due: dict[LifecycleAction, list[str]] = {"delete": [], "archive": []}
        ages: Mapping[LifecycleAction, int] = {"delete": rules.delete_after_days, "archive": rules.archive_after_days}
        exempt: set[str] = set()
        taken: set[str] = set()
        for action, days in ages.items():
            old = store.older_than(bank, now - timedelta(days=days)) if days else []
            for one in old:
                if not rules.exempt_tags.isdisjoint(one.tags):
                    exempt.add(one.memory_id)
                elif one.memory_id not in taken and not (action == "archive" and one.is_archived):
                    taken.add(one.memory_id)
                    due[action].append(one.memory_id)
        return due, exempt

    async def _save_bank(
        self, action: str, bank_id: str, settings: BankSettings, context: AstrocyteContext | None
    ) -> BankInfo:
        bank = bank_name(bank_id)
        await self._authorize(context, "configure", [bank])
        checked = checked_bank_settings(settings, self.settings.limits)
        event = {**self._event(action, bank, context), "settings": _told(checked)}
        return await self._opened.store.save_bank(bank, checked, event, is_new=action == "create_bank")


def _told(settings: BankSettings) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None}


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), SWEPT_AT_ONCE):
        yield ids[start : start + SWEPT_AT_ONCE]
