"""A bank as JSON Lines, out and in again without loss.

The first line says what the file is; every other line is one memory with its id and all its times. What is derived is
not in the file, neither passages and vectors nor observations, models and pages: it is made from the contents, so a
bank can be taken to another embedding model.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from astrocyte.errors import AstrocyteError, InvalidExport
from astrocyte.inputs import Limits, checked_label, checked_memory, utc
from astrocyte.memories import MemoryRecord, as_retained
from astrocyte.stores.store import Store

FORMAT = "astrocyte-bank"
VERSION = 1
PAGE = 500
MAX_LINE = 8 * 1024 * 1024
"""Bytes. The longest content that can be allowed (a million characters, of up to six bytes each in JSON) fits."""

_encode = msgspec.json.Encoder().encode
_record = msgspec.json.Decoder(MemoryRecord).decode


class Header(msgspec.Struct, frozen=True):
    """The first line. ``model`` made the vectors of the exported bank; it is told, not needed."""

    format: str
    version: int
    bank_id: str
    model: str | None


_header = msgspec.json.Decoder(Header).decode


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """``skipped`` memories were there already, by id."""

    imported: int
    skipped: int


class _Export:
    """Lines on their way into a file."""

    def __init__(self, handle: BinaryIO, header: Header) -> None:
        self._handle = handle
        self._handle.write(_encode(header) + b"\n")
        self.written = 0

    def add(self, records: Iterable[MemoryRecord]) -> None:
        for record in records:
            self._handle.write(_encode(record) + b"\n")
            self.written += 1


@contextmanager
def _written_file(path: Path, header: Header) -> Iterator[_Export]:
    """A file that appears under its name once it is complete, readable by its owner alone."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise InvalidExport(f"{path}: can't be written: {error.strerror or error}") from error
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield _Export(handle, header)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_bank(store: Store, bank_id: str, path: Path) -> int:
    """Every memory of a bank, in the order in which they were retained; returns how many. Blocks."""
    info = store.bank(bank_id)
    with _written_file(path, Header(FORMAT, VERSION, bank_id, info.model if info else None)) as export:
        after = 0
        while page := store.page(bank_id, after, PAGE):
            export.add(memory.record for memory in page if memory.record.layer == "fact")
            after = page[-1].row
        return export.written


def read_bank(path: Path, limits: Limits) -> list[MemoryRecord]:
    """The memories of a file, checked as any other input; raises `InvalidExport` naming the line. Blocks."""
    return list(_records(path, limits))


def _records(path: Path, limits: Limits) -> Iterator[MemoryRecord]:
    try:
        opened = path.open("rb")
    except OSError as error:
        raise InvalidExport(f"{path}: can't be read: {error.strerror or error}") from error
    with opened as handle:
        first = handle.readline(MAX_LINE)
        try:
            header = _header(first)
        except msgspec.MsgspecError:
            raise InvalidExport(f"{path}: is not an exported bank") from None
        if header.format != FORMAT or header.version != VERSION:
            raise InvalidExport(f"{path}: is '{header.format[:40]}' version {header.version}, not {FORMAT} {VERSION}")
        number = 1
        while line := handle.readline(MAX_LINE):
            number += 1
            try:
                yield _checked(_record(line), limits)
            except (msgspec.MsgspecError, AstrocyteError) as error:
                raise InvalidExport(f"{path}, line {number}: {error}") from None


def _checked(record: MemoryRecord, limits: Limits) -> MemoryRecord:
    memory = checked_memory(as_retained(record), limits)
    retained_at = utc("retained_at", record.retained_at)
    if retained_at is None or not record.memory_id.isascii() or not 1 <= len(record.memory_id) <= limits.label:
        raise InvalidExport("memory_id must be 1 to 256 ASCII characters")
    if record.layer != "fact":
        raise InvalidExport("layer must be fact: what was derived is derived again")
    if record.retained_by is not None:
        checked_label("retained_by", record.retained_by, limits)
    return msgspec.structs.replace(
        record,
        tags=memory.tags,
        occurred_at=memory.occurred_at,
        retained_at=retained_at,
        updated_at=utc("updated_at", record.updated_at),
        archived_at=utc("archived_at", record.archived_at),
    )


def batches(records: Iterable[MemoryRecord], size: int = PAGE) -> Iterator[Sequence[MemoryRecord]]:
    batch: list[MemoryRecord] = []
    for record in records:
        batch.append(record)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
