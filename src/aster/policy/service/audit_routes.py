"""Audit over HTTP: read the tenant's chain, take its head as an anchor, export it, verify it (ADMIN)."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from aster.foundation.audit import AuditLog, AuditRecord
from aster.foundation.http.errors import NotFound, ValidationFailed
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.service.audit_filter import FILTERS, AuditFilter, filter_of, moment_of
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.envelope import problem
from aster.policy.service.queries import (
    cursor_header,
    cursor_of,
    page_and_size,
    page_headers,
    query_integer,
    query_values,
)

ROOT = "/api/v1/audit"
LARGEST_SEQUENCE = 10**14
Sequence = Annotated[int, Meta(ge=1, le=LARGEST_SEQUENCE)]
PAGES = ("before", "page", "size", "cursor")
SCAN_CHUNK = 500
SCAN_RECORDS = 100_000
"""Records one filtered listing looks at; ``X-Next-Before`` tells where to go on."""


class AuditEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One record as clients read it; ``payload`` is what is particular to its type.

    ``timestamp``, ``currentHash`` and ``prevHash`` are what earlier clients call ``occurredAt``, ``hash`` and
    ``previousHash``.
    """

    id: str
    sequence: int
    event_type: str
    occurred_at: str
    actor_id: str
    actor_role: str
    hash: str
    previous_hash: str
    timestamp: str = ""
    current_hash: str = ""
    prev_hash: str = ""
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
    execution_time_micros: int | None = None
    error_code: str | None = None
    source_hash: str | None = None
    input_hash: str | None = None
    result_hash: str | None = None
    trace_hash: str | None = None
    payload: dict[str, Any] = {}


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
                    query=(*FILTERS, *PAGES, *more),
                    errors=(400,),
                )
                for path, handler, more in (
                    (ROOT, self.list_records, ()),
                    (f"{ROOT}/logs", self.list_logs, ("limit",)),
                )
            ),
            *(
                Route(
                    "GET",
                    f"{ROOT}/{path}",
                    handler,
                    summary=summary,
                    access=Role.ADMIN,
                    answer=list[AuditEntry],
                    query=(*PAGES, *more),
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
        page, size = page_and_size(request, also="limit")
        end = (await asyncio.to_thread(self._audit.head, chain)).sequence
        before = query_integer(request, "before", end + 1, minimum=1, maximum=LARGEST_SEQUENCE)
        total = min(end, before - 1, (cursor_of(request, Sequence) or end + 1) - 1)
        if wanted.is_empty:
            records = await asyncio.to_thread(self._slice, chain, total - page * size, size)
            headers = page_headers(request, page, size, total)
            if records and records[-1].sequence > 1:
                headers.append(cursor_header(records[-1].sequence))
            return json_reply([entry_of(record) for record in records], headers=headers)
        oldest = 0
        if wanted.is_of_a_time:
            first, last = await asyncio.to_thread(self._audit.span, chain, wanted.since, wanted.until)
            oldest, total = first - 1, min(total, last)
        found, reached = await asyncio.to_thread(self._search, chain, (oldest, total), wanted, page * size, size)
        headers = [(b"x-next-before", b"%d" % reached)]
        if oldest + 1 < reached <= end:
            headers.append(cursor_header(reached))
        return json_reply([entry_of(record) for record in found], headers=headers)

    async def list_logs(self, request: Request, body: Any) -> Reply:
        """The documented alias."""
        return await self.list_records(request, body)

    async def read_record(self, request: Request, body: Any) -> AuditEntry:
        return entry_of(await asyncio.to_thread(record_of, self._audit, request))

    def _slice(self, chain: str, newest: int, size: int) -> list[AuditRecord]:
        """The records up to ``newest``, newest first."""
        count = min(size, max(newest, 0))
        return self._audit.records(chain, after=newest - count, limit=count)[::-1] if count else []

    def _search(
        self, chain: str, span: tuple[int, int], wanted: AuditFilter, skip: int, size: int
    ) -> tuple[list[AuditRecord], int]:
        """Records of a span that match, newest first, and the sequence number that was reached."""
        found: list[AuditRecord] = []
        reached = span[1] + 1
        for record in self._backwards(chain, *span):
            reached = record.sequence
            if wanted.matches(record):
                found.append(record)
                if len(found) == skip + size:
                    break
        return found[skip:], reached

    def _backwards(self, chain: str, oldest: int, newest: int) -> Iterator[AuditRecord]:
        """The records above ``oldest``, newest first."""
        oldest = max(oldest, newest - SCAN_RECORDS)
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
            "id": str(record.sequence),
            "sequence": record.sequence,
            "occurredAt": record.occurred_at,
            "hash": record.hash,
            "previousHash": record.previous_hash,
            "timestamp": record.occurred_at,
            "currentHash": record.hash,
            "prevHash": record.previous_hash,
        },
        AuditEntry,
    )
