"""Audit over HTTP: read the tenant's chain, take its head as an anchor, verify it (ADMIN)."""

import asyncio
import re
from typing import Any

import msgspec

from aster.foundation.audit import AuditLog, AuditRecord, Head
from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.service.caller import Role, caller_of
from aster.policy.service.envelope import problem
from aster.policy.service.queries import page_and_size, query_integer, query_values

_HASH = re.compile(r"[0-9a-f]{64}")
LARGEST_SEQUENCE = 10**14


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
        anchor = ("anchorSequence", "anchorHash")
        return [
            Route(
                "GET",
                "/api/v1/audit",
                self.list_records,
                summary="The tenant's audit records, newest first",
                access=Role.ADMIN,
                answer=list[AuditEntry],
                query=("page", "size"),
            ),
            Route(
                "GET",
                "/api/v1/audit/head",
                self.head,
                summary="The last record's sequence and hash, as an anchor",
                access=Role.ADMIN,
                answer=ChainHead,
            ),
            Route(
                "GET",
                "/api/v1/audit/verify-chain",
                self.verify,
                summary="Recompute the tenant's whole chain",
                access=Role.ADMIN,
                answer=ChainVerification,
                query=anchor,
            ),
        ]

    async def list_records(self, request: Request, body: Any) -> Reply:
        chain = caller_of(request).chain
        page, size = page_and_size(request)
        total = self._audit.head(chain).sequence
        newest = total - page * size
        wanted = min(size, max(newest, 0))
        records = self._audit.records(chain, after=newest - wanted, limit=wanted) if wanted else []
        entries = [entry_of(record) for record in reversed(records)]
        return json_reply(entries, headers=[(b"x-total-count", str(total).encode())])

    async def head(self, request: Request, body: Any) -> ChainHead:
        head = self._audit.head(caller_of(request).chain)
        return ChainHead(head.sequence, head.sequence, head.hash)

    async def verify(self, request: Request, body: Any) -> ChainVerification:
        chain = caller_of(request).chain
        anchor = _anchor(request, chain)
        found = await asyncio.to_thread(self._audit.verify, chain, anchor=anchor)
        return ChainVerification(found.valid, found.records, found.head, found.broken_sequence, found.reason)


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
