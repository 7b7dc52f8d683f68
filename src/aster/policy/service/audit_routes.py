"""Audit over HTTP: read the tenant's chain, take its head as an anchor, export it, verify it (ADMIN)."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from aster.foundation.audit import AuditLog, AuditRecord, Head
from aster.foundation.http.errors import NotFound, ValidationFailed
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.audit_export import export_lines
from aster.policy.service.audit_filter import FILTERS, AuditFilter, filter_of, moment_of
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.envelope import problem
from aster.policy.service.queries import page_and_size, query_integer, query_values

ROOT = "/api/v1/audit"
NDJSON = b"application/x-ndjson"
LARGEST_SEQUENCE = 10**14
EXPORT_RECORDS = 10_000
SCAN_CHUNK = 500
SCAN_RECORDS = 100_000
"""Records one filtered listing looks at; ``X-Next-Before`` tells where to go on."""

_HASH = re.compile(r"[0-9a-f]{64}")


class AuditEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One record as clients read it; ``payload`` is what is particular to its type."""

    sequence: int
    event_type: str
    occurred_at: str
    actor_id: str
    actor_role: str
    hash: str
    previous_hash: str
    request_id: str | None = None
    entrance: str | None = None
    client_ip: str | None = None
    key_id: str | None = None
    success: bool | None = None
    policy_module: str | None = None
    policy_function: str | None = None
    policy_id: str | None = None
    version: int | None = None
    execution_time_ms: int | None = None
    error_code: str | None = None
    source_hash: str | None = None
    input_hash: str | None = None
    result_hash: str | None = None
    trace_hash: str | None = None
    payload: dict[str, Any] = {}


class ChainHead(msgspec.Struct, frozen=True, rename="camel"):
    """The end of the tenant's chain: keep it elsewhere, and a cut tail can be proved."""

    count: int
    last_sequence: int
    last_hash: str


class ChainVerification(msgspec.Struct, frozen=True, rename="camel"):
    """``brokenAt`` is the sequence number of the first record that does not fit."""

    valid: bool
    records_verified: int
    head: str
    broken_at: int | None = None
    reason: str | None = None


class AuditRoutes:
    """Handlers and their rows of the table."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    @property
    def routes(self) -> list[Route]:
        return [
            *(
                Route(
                    "GET",
                    path,
                    handler,
                    summary="The tenant's audit records, newest first",
                    access=Role.ADMIN,
                    answer=list[AuditEntry],
                    query=(*FILTERS, "before", "page", "size"),
                )
                for path, handler in ((ROOT, self.list_records), (f"{ROOT}/logs", self.list_logs))
            ),
            *(
                Route(
                    "GET",
                    f"{ROOT}/{path}",
                    handler,
                    summary=summary,
                    access=Role.ADMIN,
                    answer=list[AuditEntry],
                    query=("before", "page", "size", *more),
                    errors=(400,),
                )
                for path, handler, summary, more in (
                    ("type/{event_type}", self.list_type, "Records of one type, newest first", ()),
                    ("policy/{module}/{function}", self.list_policy, "Records of one rule, newest first", ()),
                    ("range", self.list_range, "Records of a time, both ends included", ("startTime", "endTime")),
                )
            ),
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
                summary="Recompute the tenant's whole chain; a narrower start and end are accepted, and prove less",
                access=Role.ADMIN,
                answer=ChainVerification,
                query=("anchorSequence", "anchorHash", "start", "end"),
                errors=(400,),
            ),
            Route(
                "GET",
                f"{ROOT}/export",
                self.export,
                summary="Records as JSON lines, oldest first, for verification elsewhere",
                access=Role.ADMIN,
                query=("after", "limit"),
            ),
            Route(
                "GET",
                f"{ROOT}/{{sequence}}",
                self.read_record,
                summary="One record",
                access=Role.ADMIN,
                answer=AuditEntry,
                errors=(404,),
            ),
        ]

    async def list_records(self, request: Request, body: Any) -> Reply:
        return await self._listed(request, filter_of(request))

    async def list_type(self, request: Request, body: Any) -> Reply:
        return await self._listed(request, AuditFilter({"eventType": request.path_params["event_type"]}))

    async def list_policy(self, request: Request, body: Any) -> Reply:
        named = {"policyModule": request.path_params["module"], "policyFunction": request.path_params["function"]}
        return await self._listed(request, AuditFilter(named))

    async def list_range(self, request: Request, body: Any) -> Reply:
        values = query_values(request)
        if missing := [name for name in ("startTime", "endTime") if name not in values]:
            raise ValidationFailed(
                "a range needs startTime and endTime", problems=problem(f"?{missing[0]}", "is missing")
            )
        return await self._listed(
            request, AuditFilter({}, moment_of(values, "startTime"), moment_of(values, "endTime"))
        )

    async def _listed(self, request: Request, wanted: AuditFilter) -> Reply:
        chain = caller_of(request).chain
        page, size = page_and_size(request)
        end = (await asyncio.to_thread(self._audit.head, chain)).sequence
        before = query_integer(request, "before", end + 1, minimum=1, maximum=LARGEST_SEQUENCE)
        total = min(end, before - 1)
        if wanted.is_empty:
            records = await asyncio.to_thread(self._slice, chain, total - page * size, size)
            entries = [entry_of(record) for record in records]
            return json_reply(entries, headers=[(b"x-total-count", str(total).encode())])
        found, reached = await asyncio.to_thread(self._search, chain, total, wanted, page * size, size)
        return json_reply([entry_of(record) for record in found], headers=[(b"x-next-before", b"%d" % reached)])

    async def list_logs(self, request: Request, body: Any) -> Reply:
        """The documented alias."""
        return await self.list_records(request, body)

    async def read_record(self, request: Request, body: Any) -> AuditEntry:
        return entry_of(await asyncio.to_thread(record_of, self._audit, request))

    async def head(self, request: Request, body: Any) -> ChainHead:
        head = await asyncio.to_thread(self._audit.head, caller_of(request).chain)
        return ChainHead(head.sequence, head.sequence, head.hash)

    async def verify(self, request: Request, body: Any) -> ChainVerification:
        chain = caller_of(request).chain
        anchor = _anchor(request, chain)
        for name in ("start", "end"):
            moment_of(query_values(request), name)
        found = await asyncio.to_thread(self._audit.verify, chain, anchor=anchor)
        return ChainVerification(found.valid, found.records, found.head, found.broken_sequence, found.reason)

    async def export(self, request: Request, body: Any) -> Reply:
        chain = caller_of(request).chain
        after = query_integer(request, "after", 0, minimum=0, maximum=LARGEST_SEQUENCE)
        limit = query_integer(request, "limit", EXPORT_RECORDS, minimum=1, maximum=EXPORT_RECORDS)

        def read() -> bytes:
            records = self._audit.records(chain, after=after, limit=limit)
            last = records[-1] if records else None
            return export_lines(records, Head(chain, last.sequence, last.hash) if last else self._audit.head(chain))

        return Reply(200, await asyncio.to_thread(read), NDJSON)

    def _slice(self, chain: str, newest: int, size: int) -> list[AuditRecord]:
        """The records up to ``newest``, newest first."""
        count = min(size, max(newest, 0))
        return self._audit.records(chain, after=newest - count, limit=count)[::-1] if count else []

    def _search(
        self, chain: str, newest: int, wanted: AuditFilter, skip: int, size: int
    ) -> tuple[list[AuditRecord], int]:
        """Records that match, newest first, and the sequence number that was reached."""
        found: list[AuditRecord] = []
        reached = newest + 1
        for record in self._backwards(chain, newest):
            reached = record.sequence
            if wanted.matches(record):
                found.append(record)
                if len(found) == skip + size:
                    break
        return found[skip:], reached

    def _backwards(self, chain: str, newest: int) -> Iterator[AuditRecord]:
        oldest = max(0, newest - SCAN_RECORDS)
        while newest > oldest:
            chunk = self._slice(chain, newest, min(SCAN_CHUNK, newest - oldest))
            yield from chunk
            newest -= SCAN_CHUNK


def record_of(audit: AuditLog, request: Request) -> AuditRecord:
    """The record that the path names; raises `NotFound`."""
    text = request.path_params["sequence"]
    if text.isascii() and text.isdigit() and 1 <= int(text[:18]) <= LARGEST_SEQUENCE:
        found = audit.records(caller_of(request).chain, after=int(text[:18]) - 1, limit=1)
        if found and found[0].sequence == int(text[:18]):
            return found[0]
    raise NotFound("no such audit record")


def entry_of(record: AuditRecord) -> AuditEntry:
    return msgspec.convert(
        {
            **record.event,
            "sequence": record.sequence,
            "occurredAt": record.occurred_at,
            "hash": record.hash,
            "previousHash": record.previous_hash,
        },
        AuditEntry,
    )


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
