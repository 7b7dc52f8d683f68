"""How a tenant's versions are used: counted by the hour from its audit chain, each record once.

A question first counts what was recorded since the last one, in small writes, so that asking costs what is new and then
rows by key; neither grows with the age of the chain. What the tenant does not record (`auditEvaluations`) is not
counted; a sampled record counts for those it stands for.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from aster.foundation.audit import AuditLog, AuditRecord
from aster.foundation.sql import Connection, Database
from aster.policy.service.caller import chain_of
from aster.policy.service.durations import class_of, merged, percentile

HOUR_MS = 3_600_000
PART_RECORDS = 2_000
PARTS = 100
"""Records counted in one write, and writes for one question: what is left over is counted by the next."""

_SELECT = "SELECT version, hour_ms, evaluations, failures, total_micros, histogram FROM policy_usage"
_decode = msgspec.json.Decoder(dict[int, int]).decode


class Row(NamedTuple):
    """One version's hour; durations in microseconds."""

    version: int
    hour_ms: int
    evaluations: int
    failures: int
    total_micros: int
    histogram: Counter[int]


class Usage(msgspec.Struct, frozen=True, rename="camel"):
    """Of successes and failures; times in milliseconds, percentiles at most an eighth too high, null without any."""

    count: int
    error_count: int
    failure_rate: float
    avg_execution_time_ms: float | None
    p50: float | None
    p95: float | None
    p99: float | None


def usage_of(rows: Sequence[Row]) -> Usage:
    """Many hours as one."""
    count, failures = sum(row.evaluations for row in rows), sum(row.failures for row in rows)
    histogram = merged(row.histogram for row in rows)
    total = sum(row.total_micros for row in rows)
    return Usage(
        count=count,
        error_count=failures,
        failure_rate=failures / count if count else 0.0,
        avg_execution_time_ms=round(total / count / 1000, 3) if count else None,
        p50=_milliseconds(percentile(histogram, 0.50)),
        p95=_milliseconds(percentile(histogram, 0.95)),
        p99=_milliseconds(percentile(histogram, 0.99)),
    )


class UsageCounts:
    """The counts of one database, kept beside the chains."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def count(self, tenant: str) -> tuple[int, bool]:
        """Count what is new; returns the last counted sequence number, and whether that was all."""
        for _ in range(PARTS):
            reached = await self._database.look_up(lambda connection: _progress(connection, tenant))
            records = await asyncio.to_thread(self._audit.records, chain_of(tenant), after=reached, limit=PART_RECORDS)
            if not records:
                return reached, True
            rows = _rows_of(records)
            await self._database.write(_counting(tenant, reached, records[-1].sequence, rows))
            if len(records) < PART_RECORDS:
                return records[-1].sequence, True
        return records[-1].sequence, False

    async def rows(
        self, tenant: str, policy_id: str, *, since_ms: int, until_ms: int, version: int | None = None
    ) -> list[Row]:
        """The hours of a policy's versions that begin in a time, in their order."""

        def query(connection: Connection) -> list[Row]:
            found = connection.execute(
                f"{_SELECT} WHERE tenant = ? AND policy_id = ? AND hour_ms >= ? AND hour_ms <= ?"
                " AND version = coalesce(?, version) ORDER BY hour_ms, version",
                (tenant, policy_id, since_ms - since_ms % HOUR_MS, until_ms, version),
            )
            return [_row(values) for values in found]

        return await self._database.read(query)


_Key = tuple[str, int, int]


def _row(values: Sequence[Any]) -> Row:
    return Row._make((*values[:5], Counter(_decode(values[5]))))


def _rows_of(records: Iterable[AuditRecord]) -> dict[_Key, Row]:
    """The evaluations of stored policies among records, by policy, version and hour."""
    rows: dict[_Key, Row] = {}
    for record in records:
        event = record.event
        policy_id, version = event.get("policyId"), event.get("version")
        if event.get("eventType") != "POLICY_EVALUATED" or policy_id is None or version is None:
            continue
        moment_ms = int(datetime.fromisoformat(record.occurred_at).timestamp() * 1000)
        micros = event.get("executionTimeMicros", event.get("executionTimeMs", 0) * 1000)
        weight = event.get("payload", {}).get("sampledOneIn", 1)
        row = Row(
            version,
            moment_ms - moment_ms % HOUR_MS,
            weight,
            0 if event["success"] else weight,
            micros * weight,
            Counter({class_of(micros): weight}),
        )
        key = (policy_id, version, row.hour_ms)
        rows[key] = _sum(rows[key], row) if key in rows else row
    return rows


def _counting(tenant: str, reached: int, last: int, rows: dict[_Key, Row]) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        if _progress(connection, tenant) != reached:
            return  # somebody else was faster
        for (policy_id, version, hour_ms), row in rows.items():
            before = connection.execute(
                f"{_SELECT} WHERE tenant = ? AND policy_id = ? AND hour_ms = ? AND version = ?",
                (tenant, policy_id, hour_ms, version),
            ).fetchone()
            whole = row if before is None else _sum(row, _row(before))
            connection.execute(
                "INSERT INTO policy_usage"
                " (tenant, policy_id, version, hour_ms, evaluations, failures, total_micros, histogram)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, policy_id, hour_ms, version) DO UPDATE SET"
                " evaluations = excluded.evaluations, failures = excluded.failures,"
                " total_micros = excluded.total_micros, histogram = excluded.histogram",
                (tenant, policy_id, *whole[:5], msgspec.json.encode(whole.histogram).decode()),
            )
        connection.execute(
            "INSERT INTO policy_usage_progress (tenant, sequence) VALUES (?, ?)"
            " ON CONFLICT (tenant) DO UPDATE SET sequence = excluded.sequence",
            (tenant, last),
        )

    return work


def _sum(left: Row, right: Row) -> Row:
    return Row(
        left.version,
        left.hour_ms,
        left.evaluations + right.evaluations,
        left.failures + right.failures,
        left.total_micros + right.total_micros,
        left.histogram + right.histogram,
    )


def _progress(connection: Connection, tenant: str) -> int:
    row = connection.execute("SELECT sequence FROM policy_usage_progress WHERE tenant = ?", (tenant,)).fetchone()
    return row[0] if row else 0


def _milliseconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1000
