"""Banks out of the store and in again."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import Self

import msgspec

from aster.foundation.errors import StorageUnwritable
from astrocyte.access.identity import AstrocyteContext
from astrocyte.banks import BankSettings, BankState, Due, ImportResult
from astrocyte.derive.kinds import subjects
from astrocyte.engine.core import Engine
from astrocyte.inputs import bank_name
from astrocyte.memories import as_retained
from astrocyte.portability import BankFile, write_bank
from astrocyte.retain.preparation import prepare_import
from astrocyte.stores.store import PreparedMemory

HELD_IN_MEMORY = 64 * 1024 * 1024
"""Bytes of a prepared import; a larger one waits in a temporary file that has no name."""


class TransferOperations(Engine):
    """What takes a bank to another store, or keeps it as a file."""

    async def export_bank(
        self, bank_id: str, path: str | PathLike[str], *, context: AstrocyteContext | None = None
    ) -> int:
        """Write all that belongs to a bank to a file of JSON Lines; returns how many memories that is.

        It is the bank as it is at one moment, and the file appears when it is whole: memories, what was derived from
        them and from which, settings, holds, what was forgotten (ids alone), what is still to be derived.
        """
        bank = bank_name(bank_id)
        await self._authorize(context, "export", [bank])
        state = self._opened
        written = await asyncio.to_thread(write_bank, state.store, bank, Path(path))
        await state.store.record({**self._event("export", bank, context), "memories": written})
        return written

    async def import_bank(
        self,
        bank_id: str,
        path: str | PathLike[str],
        *,
        bring_back_forgotten: bool = False,
        context: AstrocyteContext | None = None,
    ) -> ImportResult:
        """Add all of an exported file, or nothing; memories that are there already, by id, are skipped.

        So are those that were forgotten in this bank since (their ids are kept, nothing else), with what was derived
        from them, unless ``bring_back_forgotten``: an old export does not undo a forget by itself.
        The file's own bank is not looked at: ``bank_id`` is where everything goes. Its settings are taken by a bank
        that has none of its own. Raises `InvalidExport` naming the line, `ModelMismatch`, `PersonalDataRefused`.
        """
        bank = bank_name(bank_id)
        await self._authorize(context, "import", [bank])
        state = self._opened
        with _Spool() as spool:
            found = await asyncio.to_thread(self._prepare, bank, Path(path), spool)
            event = self._event("import", bank, context)
            result = await state.store.take_in(
                bank, found, spool.batches, state.space, event, bring_back_forgotten=bring_back_forgotten
            )
        state.derive_soon.set()
        return result

    def _prepare(self, bank: str, path: Path, spool: "_Spool") -> BankState:
        """Check the file, and keep what it holds as the store wants it."""
        state, derive = self._opened, self.settings.derive
        about: dict[tuple[str, str], None] = {}
        derived: set[tuple[str, str]] = set()
        with BankFile(path, self.settings.limits) as file:
            own = state.store.bank_settings(bank)
            pii = self._rules(bank, file.settings if own == BankSettings() else own).pii
            for page in file.pages():
                spool.add(prepare_import(page, state.provider, pii=pii, find=state.find_personal_data))
                facts = [one for one in page if one.record.layer == "fact" and one.record.archived_at is None]
                about |= dict.fromkeys(subjects([as_retained(one.record) for one in facts], derive))
                derived |= {(one.record.layer, str(one.record.metadata.get("subject", ""))) for one in page}
            found = file.state()
        due_at = datetime.now(UTC) + timedelta(seconds=derive.delay_seconds)
        asked = {(one.kind, one.subject) for one in found.due}
        more = [
            Due(kind=kind, subject=subject, due_at=due_at) for kind, subject in about if (kind, subject) not in asked
        ]
        return msgspec.structs.replace(found, due=[*found.due, *more])


class _Spool:
    """Prepared memories on their way into one transaction: large imports in a nameless file, small ones in memory."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(HELD_IN_MEMORY)  # noqa: SIM115 - closed by __exit__
        self._sizes: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def add(self, batch: Sequence[PreparedMemory]) -> None:
        packed = _pack(batch)
        self._sizes.append(len(packed))
        try:
            self._file.write(packed)
        except OSError as error:
            raise StorageUnwritable(f"an import can't be kept: {error.strerror or error}") from error

    def batches(self) -> Iterator[Sequence[PreparedMemory]]:
        """From the first one on, each time."""
        self._file.seek(0)
        for size in self._sizes:
            yield _unpack(self._file.read(size))


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[PreparedMemory]).decode
