"""Audit chains as files: one record a line, JSON, with the chain's head at the end; verified without any database.

Several exports of one chain may follow one another in a file (pages). The first record must be the chain's first, or
follow the last one that a record of the file tells was cut off; of what came before nothing is proved.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from aster.foundation.audit import AuditRecord
from aster.foundation.audit_cut import Cut
from aster.foundation.audit_rows import GENESIS
from aster.foundation.audit_verify import Head, Verification, keyed_chain_hash, verify_rows
from aster.foundation.errors import AsterError

_encode = msgspec.json.Encoder(order="sorted").encode


class ExportedHead(msgspec.Struct, frozen=True):
    """The last line of an export: where the chain ended when it was written."""

    head: Head


class ExportUnreadable(AsterError):
    """The file is not an export of an audit chain."""

    code = "EXPORT_UNREADABLE"


def export_lines(records: Iterable[AuditRecord], head: Head) -> bytes:
    """The text of an export (UTF-8, a newline after each line)."""
    return b"".join(_encode(line) + b"\n" for line in (*records, ExportedHead(head)))


def verify_export(lines: Iterable[bytes], *, key: bytes | None = None) -> Verification:
    """Recompute an exported chain, with the service's ``key`` if it has one; raises `ExportUnreadable`.

    Without a head line a cut at the end can't be noticed; whoever forges the file can forge its head too, so compare
    the result's ``head`` with one kept elsewhere.
    """
    records: list[AuditRecord] = []
    end: Head | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _parse(line, number)
        if isinstance(found, ExportedHead):
            end = found.head
        else:
            records.append(found)
    if not records and end is None:
        raise ExportUnreadable("the file holds no audit records")
    chain = records[0].chain if records else (end.chain if end else "")
    if end is None:
        end = Head(chain, records[-1].sequence, records[-1].hash)
    seed = _seed_of(records)
    rows = _rows(records, seed[1].hex())
    return verify_rows(chain, rows, head=(end.sequence, _digest(end.hash)), seed=seed, hashed=keyed_chain_hash(key))


def _seed_of(records: Sequence[AuditRecord]) -> tuple[int, bytes]:
    """What the first record follows: nothing, or what a later one tells was cut off."""
    if records and records[0].sequence > 1:
        cut = Cut(records[0].sequence - 1, _digest(records[0].previous_hash))
        if any(cut.is_told_in(record.event) for record in records):
            return cut[:2]
    return 0, GENESIS


def _parse(line: bytes, number: int) -> AuditRecord | ExportedHead:
    try:
        if line.startswith(b'{"head":'):
            return msgspec.json.decode(line, type=ExportedHead)
        return msgspec.json.decode(line, type=AuditRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ExportUnreadable(f"line {number} is not a record of an audit export: {error}") from None


def _rows(records: Sequence[AuditRecord], previous: str) -> Iterator[tuple[int, bytes, bytes]]:
    for record in records:
        own = {"chain": record.chain, "sequence": record.sequence, "occurredAt": record.occurred_at}
        digest = _digest(record.hash) if record.previous_hash == previous else b""
        yield record.sequence, _encode({**record.event, **own}), digest
        previous = record.hash


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
