"""What an audit chain proves, over HTTP (ADMIN): its head as an anchor, its verification, its export."""

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any

import msgspec

from aster.foundation.audit import AuditLog, AuditRecord
from aster.foundation.audit_verify import Head
from aster.foundation.errors import StorageCorrupt
from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.audit_csv import audit_table
from aster.policy.audit_export import export_lines
from aster.policy.service.audit_filter import FILTERS, AuditFilter, filter_of, moment_of
from aster.policy.service.audit_routes import LARGEST_SEQUENCE, ROOT, SCAN_CHUNK, SCAN_RECORDS
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.envelope import problem
from aster.policy.service.queries import query_flag, query_integer, query_values

NDJSON = b"application/x-ndjson"
CSV = b"text/csv; charset=utf-8"
EXPORT_RECORDS = 10_000
WINDOW_DAYS = 30
"""What one request verifies unless it asks for everything."""

_HASH = re.compile(r"[0-9a-f]{64}")


class ChainHead(msgspec.Struct, frozen=True, rename="camel"):
    """The end of the tenant's chain: keep it elsewhere, and a cut tail can be proved. ``count``: records kept.

    ``lastTimestamp`` is when the last record says that it was written, null when there is none.
    """

    count: int
    last_sequence: int
    last_hash: str
    last_timestamp: str | None = None


class ChainVerification(msgspec.Struct, frozen=True, rename="camel"):
    """``broken…`` is the first record that does not fit: the time it tells, where it can be read, what is wrong.

    ``firstSequence`` to ``lastSequence`` is what was to be verified; ``head`` the hash of the last record that was.
    """

    valid: bool
    records_verified: int
    head: str
    first_sequence: int
    last_sequence: int
    broken_at: str | None = None
    broken_id: str | None = None
    broken_sequence: int | None = None
    reason: str | None = None


class AuditProofRoutes:
    """Handlers and their rows of the table."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                f"{ROOT}/head",
                self.head,
                summary="The last record's sequence and hash, as an anchor",
                access=Role.ADMIN,
                answer=ChainHead,
            ),
            Route(
                "GET",
                f"{ROOT}/verify-chain",
                self.verify,
                summary="Recompute the tenant's chain, whole or from start to end (at most 30 days unless full=true)",
                access=Role.ADMIN,
                answer=ChainVerification,
                query=("anchorSequence", "anchorHash", "start", "end", "full"),
                errors=(400,),
            ),
            Route(
                "GET",
                f"{ROOT}/export",
                self.export,
                summary="Records, oldest first: JSON lines for verification elsewhere, or a table (format=csv)",
                access=Role.ADMIN,
                query=("format", "after", "limit", *FILTERS),
                errors=(400,),
            ),
        ]

    async def head(self, request: Request, body: Any) -> ChainHead:
        chain = caller_of(request).chain
        head = await asyncio.to_thread(self._audit.head, chain)
        kept = await asyncio.to_thread(self._audit.kept, chain)
        told = await asyncio.to_thread(self._told_time, chain, head.sequence) if head.sequence else None
        return ChainHead(kept, head.sequence, head.hash, told)

    async def verify(self, request: Request, body: Any) -> ChainVerification:
        chain = caller_of(request).chain
        anchor = _anchor(request, chain)
        start, end = _window(request)
        found = await asyncio.to_thread(self._audit.verify, chain, anchor=anchor, since=start, until=end)
        broken = found.broken_sequence
        return ChainVerification(
            valid=found.valid,
            records_verified=found.records,
            head=found.head,
            first_sequence=found.first_sequence,
            last_sequence=found.last_sequence,
            broken_at=await asyncio.to_thread(self._told_time, chain, broken) if broken is not None else None,
            broken_id=str(broken) if broken is not None else None,
            broken_sequence=broken,
            reason=found.reason,
        )

    def _told_time(self, chain: str, sequence: int) -> str | None:
        """The time that a record tells, which may be a forged one; None when it is missing or can't be read."""
        try:
            found = self._audit.records(chain, after=sequence - 1, limit=1)
        except StorageCorrupt:
            return None
        return found[0].occurred_at if found and found[0].sequence == sequence else None

    async def export(self, request: Request, body: Any) -> Reply:
        chain = caller_of(request).chain
        after = query_integer(request, "after", 0, minimum=0, maximum=LARGEST_SEQUENCE)
        limit = query_integer(request, "limit", EXPORT_RECORDS, minimum=1, maximum=EXPORT_RECORDS)

        wanted, shape = filter_of(request), query_values(request).get("format", "ndjson")
        if shape not in ("ndjson", "csv"):
            raise ValidationFailed("an export is ndjson or csv", problems=problem("?format", "is neither"))
        if shape == "csv":
            return await asyncio.to_thread(self._table, chain, wanted, after, limit)
        if not wanted.is_empty:
            raise ValidationFailed(
                "JSON lines are for verification, which needs every record: filter with format=csv",
                problems=problem("?format", "can't be filtered"),
            )
        return await asyncio.to_thread(self._lines, chain, after, limit)

    def _lines(self, chain: str, after: int, limit: int) -> Reply:
        head = self._audit.head(chain)
        records = self._audit.records(chain, after=after, limit=limit)
        end = Head(chain, records[-1].sequence, records[-1].hash) if records else head
        return Reply(200, export_lines(records, end), NDJSON, _next_after(end.sequence, head))

    def _table(self, chain: str, wanted: AuditFilter, after: int, limit: int) -> Reply:
        """At most ``limit`` rows of the next `SCAN_RECORDS` records."""
        head = self._audit.head(chain)
        first, last = self._audit.span(chain, wanted.since, wanted.until) if wanted.is_of_a_time else (1, head.sequence)
        reached, found = max(after, first - 1), list[AuditRecord]()
        end = min(last, reached + SCAN_RECORDS)
        while reached < end and len(found) < limit:
            part = self._audit.records(chain, after=reached, limit=min(SCAN_CHUNK, end - reached))
            if not part:
                break
            for record in part:
                reached = record.sequence
                if wanted.matches(record):
                    found.append(record)
                    if len(found) == limit:
                        break
        more = _next_after(reached, head) if reached < last else []
        disposition = (b"content-disposition", b'attachment; filename="audit.csv"')
        return Reply(200, audit_table(found, head), CSV, [disposition, *more])


def _next_after(reached: int, head: Head) -> list[tuple[bytes, bytes]]:
    """Where to go on, when there is more."""
    return [(b"x-next-after", b"%d" % reached)] if reached < head.sequence else []


def _window(request: Request) -> tuple[str | None, str | None]:
    """``start`` and ``end``, both or neither; raises `ValidationFailed` for more than `WINDOW_DAYS` unless ``full``."""
    values = query_values(request)
    start, end = moment_of(values, "start"), moment_of(values, "end")
    if start is None and end is None:
        query_flag(request, "full")
        return None, None
    if start is None or end is None:
        raise ValidationFailed(
            "a part of the chain has a start and an end",
            problems=problem("?start" if start is None else "?end", "is missing"),
        )
    length = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    if length < timedelta() or (length > timedelta(days=WINDOW_DAYS) and not query_flag(request, "full")):
        raise ValidationFailed(
            f"end comes after start, at most {WINDOW_DAYS} days unless full=true",
            problems=problem("?end", "is not within the window"),
        )
    return start, end


def _anchor(request: Request, chain: str) -> Head | None:
    values = query_values(request)
    digest = values.get("anchorHash")
    if digest is None and "anchorSequence" not in values:
        return None
    if digest is None or "anchorSequence" not in values or not _HASH.fullmatch(digest):
        raise ValidationFailed(
            "an anchor is anchorSequence with anchorHash, 64 lower-case hex digits",
            problems=problem("?anchorHash", "is not a hash"),
        )
    return Head(chain, query_integer(request, "anchorSequence", 0, minimum=1, maximum=LARGEST_SEQUENCE), digest)
