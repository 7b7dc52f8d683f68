"""Looking after the store: what a doctor finds, a copy while in use, the sweep that runs by itself."""

import asyncio
import shutil
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from aster.foundation.errors import AsterError
from aster.foundation.logs import get_logger
from aster.foundation.sql import SqliteDatabase
from astrocyte.engine.banks import BankOperations
from astrocyte.memories import Finding
from astrocyte.models.ladder import PREPARE_HINT
from astrocyte.models.word_vectors import WordProvider
from astrocyte.stores.rows import AUDIT_CHAIN

TOLD = 20
LOW_DISK_BYTES = 256 * 1024 * 1024

logger = get_logger("astrocyte.lifecycle")


class MaintenanceOperations(BankOperations):
    """For operators: no grant is asked, so callers' requests must not come here."""

    async def doctor(self) -> list[Finding]:
        """Look at everything that can be wrong with the store and around it. Time grows with its size."""
        return await asyncio.to_thread(self._examine)

    async def back_up(self, path: str | PathLike[str]) -> Path:
        """A consistent copy of the whole store as one new file, while it is in use; returns where it is.

        The file appears when it is whole. Raises `StorageUnwritable` when it exists or can't be written.
        """
        return await self._opened.store.back_up(Path(path))

    def _examine(self) -> list[Finding]:
        state = self._opened
        findings = [*self._space_left(), _told("integrity", state.store.problems(), "restore a backup")]
        chain = state.audit.verify(AUDIT_CHAIN)
        detail = f"{chain.records} records" if chain.valid else f"broken at record {chain.broken_sequence}"
        findings.append(Finding(check="audit chain", is_well=chain.valid, detail=detail))
        findings.append(self._model())
        hint = "astrocyte reembed BANK; or set embedding.provider to the banks' model"
        findings.append(_told("bank models", self._strangers(), hint))
        findings += self._lacking_vectors()
        return findings

    def _model(self) -> Finding:
        provider = self._opened.provider
        if provider is None:
            hint = None if self.settings.provider == "none" else PREPARE_HINT
            detail = "none: recall goes by keywords alone"
            return Finding(check="embedding model", is_well=hint is None, detail=detail, hint=hint)
        try:
            provider.embed(["Does it answer?"])
        except AsterError as error:
            return Finding(check="embedding model", is_well=False, detail=error.message, hint=error.hint)
        return Finding(check="embedding model", is_well=True, detail=provider.model_id)

    def _space_left(self) -> Iterator[Finding]:
        database = self._opened.database
        if isinstance(database, SqliteDatabase):
            free = shutil.disk_usage(database.path.parent).free
            is_well = free >= LOW_DISK_BYTES
            hint = None if is_well else "make room: writes are refused when the disk is full"
            yield Finding(check="disk", is_well=is_well, detail=f"{free // 2**20} MB free", hint=hint)

    def _strangers(self) -> list[str]:
        """Banks whose vectors the model in use can't be compared with."""
        model, found = self.model_id, []
        for name in self._all_names():
            info = self._opened.store.bank(name)
            if info is not None and info.model is not None and model is not None and info.model != model:
                found.append(f"{name} has vectors of {info.model}")
        return found

    def _lacking_vectors(self) -> Iterator[Finding]:
        """Not wrong, but worth knowing: recall finds more with vectors than without."""
        state = self._opened
        if state.space is not None:
            lacking = state.store.incomplete_banks(state.space, with_words=isinstance(state.provider, WordProvider))
            named = ", ".join(f"{bank} ({count})" for bank, count in list(lacking.items())[:TOLD])
            detail = f"retained without some, or by an earlier version: {named}" if lacking else "ok"
            hint = "astrocyte reembed BANK" if lacking else None
            yield Finding(check="bank vectors", is_well=True, detail=detail, hint=hint)

    async def sweep(self) -> None:
        """Apply the lifecycle to every bank, once. A bank that can't be swept is told in the log and left as it is."""
        for bank in await asyncio.to_thread(self._all_names):
            try:
                await self._sweep(bank, dry_run=False, event=self._event("lifecycle", bank, None))
            except AsterError as error:
                logger.warning("a bank was not swept", bank=bank, code=error.code, reason=error.message)

    async def sweep_for_ever(self) -> None:
        """`sweep` every ``lifecycle.sweep_minutes``."""
        while True:
            await self.sweep()
            await asyncio.sleep(self.settings.lifecycle.sweep_minutes * 60)


def _told(check: str, problems: list[str], hint: str) -> Finding:
    if not problems:
        return Finding(check=check, is_well=True, detail="ok")
    return Finding(check=check, is_well=False, detail="; ".join(problems[:TOLD]), hint=hint)
