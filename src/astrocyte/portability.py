"""A bank as JSON Lines, out and in again without loss.

The first line says what the file is, and the bank's settings; the last one, how many lines lie between. Each of those
is a memory with its id, all its times and the ids of what it was derived from; or that a memory was forgotten, a legal
hold, or what is still to be derived. Passages and vectors are not in the file: they are made from the contents, so a
bank can be taken to another embedding model. Grants, sources and the audit log belong to the installation, not to a
bank.

Version 1 had nothing but facts, one record a line, and no last line; it is still read. So are the files of earlier
versions of `astrocyte` (`astrocyte.ama`).
"""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from aster.foundation.errors import StorageFull, StorageUnwritable
from astrocyte import ama
from astrocyte.banks import BankSettings, BankState, Due, Forgotten, LegalHold
from astrocyte.errors import AstrocyteError, InvalidExport
from astrocyte.inputs import (
    Limits,
    checked_bank_settings,
    checked_label,
    checked_memory,
    checked_reason,
    checked_subject,
    utc,
)
from astrocyte.memories import KeptMemory, MemoryRecord, as_retained
from astrocyte.stores.columns import LAYERS
from astrocyte.stores.store import Store

FORMAT = "astrocyte-bank"
VERSION = 2
PAGE = 500
MAX_LINE = 8 * 1024 * 1024
"""Bytes. The longest content that can be allowed (a million characters, of up to six bytes each in JSON) fits."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. ``model`` made the vectors of the exported bank; it is told, not needed."""

    format: str
    version: int
    bank_id: str
    model: str | None
    created_at: datetime | None = None
    settings: BankSettings = BankSettings()


class End(msgspec.Struct, frozen=True):
    """The last line: how many there are between it and the first."""

    lines: int


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that belongs to a bank; ``sources`` go with ``memory``."""

    memory: MemoryRecord | None = None
    sources: list[str] = []
    forgotten: Forgotten | None = None
    hold: LegalHold | None = None
    due: Due | None = None
    end: End | None = None


_encode = msgspec.json.Encoder().encode
_header = msgspec.json.Decoder(Header).decode
_ama_header = msgspec.json.Decoder(ama.AmaHeader).decode
_ama_record = msgspec.json.Decoder(ama.AmaRecord).decode
_record = msgspec.json.Decoder(MemoryRecord).decode
_line = msgspec.json.Decoder(Line).decode


@contextmanager
def _written_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name once it is complete, readable by its owner alone."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise InvalidExport(f"{path}: can't be written: {error.strerror or error}") from error
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    except OSError as error:
        kind = StorageFull if error.errno == errno.ENOSPC else StorageUnwritable
        raise kind(f"{path}: can't be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def write_bank(store: Store, bank_id: str, path: Path) -> int:
    """All of a bank as it is at one moment, memories in the order of the store; returns how many. Blocks."""
    with _written_file(path) as handle:

        def write(state: BankState, memories: Iterator[KeptMemory]) -> int:
            header = Header(
                format=FORMAT,
                version=VERSION,
                bank_id=bank_id,
                model=state.model,
                created_at=state.created_at,
                settings=state.settings,
            )
            handle.write(_encode(header) + b"\n")
            written = 0
            for kept in memories:
                handle.write(_encode(Line(memory=kept.record, sources=kept.sources)) + b"\n")
                written += 1
            others = [
                *(Line(forgotten=one) for one in state.forgotten),
                *(Line(hold=one) for one in state.holds),
                *(Line(due=one) for one in state.due),
            ]
            handle.writelines(_encode(line) + b"\n" for line in others)
            handle.write(_encode(Line(end=End(written + len(others)))) + b"\n")
            return written

        return store.read_whole(bank_id, write)


class BankFile:
    """An exported file, opened: its ``settings``, then its memories by `pages`, then the rest by `state`. Blocks.

    Everything is checked as any other input. Raises `InvalidExport` naming the line, at the latest after the last page.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path, self._limits = path, limits
        self._ids: set[str] = set()
        self._forgotten: list[Forgotten] = []
        self._holds: list[LegalHold] = []
        self._due: list[Due] = []
        self._announced: int | None = None
        try:
            self._handle = path.open("rb")
        except OSError as error:
            raise InvalidExport(f"{path}: can't be read: {error.strerror or error}") from error
        try:
            self._header, self._read_line = self._opened()
            self.settings = checked_bank_settings(self._header.settings, limits)
        except BaseException:
            self._handle.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._handle.close()

    def _opened(self) -> tuple[Header, Callable[[bytes], Line]]:
        """The first line, and what reads the others."""
        first = self._handle.readline(MAX_LINE)
        try:
            told = _ama_header(first)
        except msgspec.MsgspecError:
            told = None
        if told is not None and told.version == ama.VERSION:
            earlier, self._announced = told, told.memory_count
            header = Header(format=FORMAT, version=1, bank_id=told.bank_id, model=None)
            return header, lambda line: Line(memory=ama.memory_of(_ama_record(line), earlier))
        try:
            header = _header(first)
        except msgspec.MsgspecError:
            raise InvalidExport(f"{self._path}: is not an exported bank") from None
        if header.format != FORMAT or not 1 <= header.version <= VERSION:
            told_as = f"'{header.format[:40]}' version {header.version}"
            raise InvalidExport(f"{self._path}: is {told_as}, not {FORMAT} 1 to {VERSION}")
        return header, _line if header.version > 1 else lambda line: Line(memory=_record(line))

    def pages(self) -> Iterator[Sequence[KeptMemory]]:
        """The memories in order, some at a time."""
        page: list[KeptMemory] = []
        for kept in self._memories():
            page.append(kept)
            if len(page) == PAGE:
                yield page
                page = []
        if page:
            yield page

    def state(self) -> BankState:
        """What else there is of the bank; to be asked after the last page."""
        return BankState(
            created_at=utc("created_at", self._header.created_at),
            model=self._header.model,
            settings=self.settings,
            holds=self._holds,
            forgotten=self._forgotten,
            due=self._due,
        )

    def _memories(self) -> Iterator[KeptMemory]:
        end, number = None, 1
        while line := self._handle.readline(MAX_LINE):
            number += 1
            try:
                if end is not None:
                    raise InvalidExport("there is something after the end")
                told = self._read_line(line)
                kept = self._kept(told)
            except (msgspec.MsgspecError, AstrocyteError) as error:
                raise InvalidExport(f"{self._path}, line {number}: {error}") from None
            end = told.end
            if kept is not None:
                yield kept
        if self._header.version > 1:
            self._announced, number = -1 if end is None else end.lines, number - 1
        if self._announced not in (None, number - 1):
            raise InvalidExport(f"{self._path}: is cut off, or lines are missing from it")

    def _kept(self, line: Line) -> KeptMemory | None:
        if line.memory is not None:
            return self._checked(_checked(line.memory, self._limits), line.sources)
        if line.forgotten is not None:
            self._forgotten.append(_checked_forgotten(line.forgotten, self._limits))
        elif line.hold is not None:
            self._holds.append(_checked_hold(line.hold, self._limits))
        elif line.due is not None:
            self._due.append(_checked_due(line.due, self._limits))
        elif line.end is None:
            raise InvalidExport("holds nothing that is known")
        return None

    def _checked(self, record: MemoryRecord, sources: list[str]) -> KeptMemory:
        if record.memory_id in self._ids:
            raise InvalidExport(f"memory_id '{record.memory_id}' is there twice")
        if (record.layer == "fact") == bool(sources):
            raise InvalidExport("a fact has no sources, and what was derived has some")
        if strange := [one for one in sources if one not in self._ids]:
            raise InvalidExport(f"the source '{strange[0][:40]}' does not come before it")
        self._ids.add(record.memory_id)
        return KeptMemory(record, list(dict.fromkeys(sources)))


def _checked(record: MemoryRecord, limits: Limits) -> MemoryRecord:
    memory = checked_memory(as_retained(record), limits)
    _check_id(record.memory_id, limits)
    if record.layer not in LAYERS:
        raise InvalidExport(f"layer must be one of {', '.join(LAYERS)}")
    if record.retained_by is not None:
        checked_label("retained_by", record.retained_by, limits)
    return msgspec.structs.replace(
        record,
        tags=memory.tags,
        occurred_at=memory.occurred_at,
        retained_at=_moment("retained_at", record.retained_at),
        updated_at=utc("updated_at", record.updated_at),
        archived_at=utc("archived_at", record.archived_at),
    )


def _checked_forgotten(one: Forgotten, limits: Limits) -> Forgotten:
    _check_id(one.memory_id, limits)
    return msgspec.structs.replace(one, forgotten_at=_moment("forgotten_at", one.forgotten_at))


def _checked_hold(hold: LegalHold, limits: Limits) -> LegalHold:
    checked_label("hold_id", hold.hold_id, limits)
    checked_label("set_by", hold.set_by, limits)
    checked_reason(hold.reason, limits)
    return msgspec.structs.replace(hold, set_at=_moment("set_at", hold.set_at))


def _checked_due(due: Due, limits: Limits) -> Due:
    checked_label("kind", due.kind, limits)
    checked_subject(due.subject, limits)
    return msgspec.structs.replace(due, due_at=_moment("due_at", due.due_at))


def _check_id(memory_id: str, limits: Limits) -> None:
    if not memory_id.isascii() or not 1 <= len(memory_id) <= limits.label or "\0" in memory_id:
        raise InvalidExport(f"memory_id must be 1 to {limits.label} ASCII characters")


def _moment(name: str, moment: datetime) -> datetime:
    found = utc(name, moment)
    if found is None:
        raise InvalidExport(f"{name} must be a time")
    return found
