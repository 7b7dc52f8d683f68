"""Audit records are kept as long as the tenant says: cut off, told, counted before, provable after."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.policy.service.asgi import ask
from tests.policy.service.test_usage import counted, deploy, event, recorded

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Database
from aster.policy.audit_export import verify_export
from aster.policy.service import retention
from aster.policy.service.app import PolicyHttpService
from aster.policy.service.retention import Retention
from aster.policy.service.tenants import TenantSettings
from aster.policy.service.usage import UsageCounts

STORES = ("sqlite", "postgres")

AUDIT = "/api/v1/audit"
NOW = datetime.now(UTC)
NOW_MS = int(NOW.timestamp() * 1000)


async def old_and_new(service: PolicyHttpService, database: Database) -> str:
    """Five evaluations of long ago and one of today, after the deployment; returns the policy's id."""
    past = [NOW - timedelta(days=days) for days in (50, 49, 48, 47, 46)]
    made = "00000000-0000-4000-8000-000000000000"
    known = {"actorId": "ada", "actorRole": "MEMBER"}
    await recorded(database, past, event(made, **known))
    await recorded(database, [NOW], event(made, **known))
    return await deploy(service)


async def cut(database: Database, days: int | None = 30) -> None:
    audit = AuditLog(database)
    keeping = Retention(database, audit, UsageCounts(database, audit), now_ms=lambda: NOW_MS)
    if days is not None:
        await keeping.cut("acme-corp", days)
    keeping.noticed("acme-corp", TenantSettings(audit_retention_days=days))
    await keeping.close()


async def read(service: PolicyHttpService, target: str) -> Any:
    answered = await ask(service, "GET", f"{AUDIT}{target}", role="ADMIN")
    assert answered.status == 200, answered.body
    return answered.json


async def test_old_records_are_cut_and_the_chain_says_so(
    service: PolicyHttpService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CUT_RECORDS", 2)
    await old_and_new(service, database)
    await cut(database)
    records = await read(service, "")
    assert [record["sequence"] for record in records] == [10, 9, 8, 7, 6]
    assert [record["eventType"] for record in records[:3]] == ["AUDIT_CUT"] * 3
    assert records[0]["payload"] == {"auditRetentionDays": 30}
    assert (await read(service, "/head"))["count"] == 5
    assert (await read(service, "/verify-chain"))["valid"]
    assert (await ask(service, "GET", f"{AUDIT}/3", role="ADMIN")).status == 404


async def test_without_the_setting_everything_stays(service: PolicyHttpService, database: Database) -> None:
    await old_and_new(service, database)
    await cut(database, days=None)
    assert (await read(service, "/head"))["count"] == 7


async def test_an_export_after_a_cut_verifies_elsewhere(service: PolicyHttpService, database: Database) -> None:
    await old_and_new(service, database)
    await cut(database)
    lines = (await ask(service, "GET", f"{AUDIT}/export", role="ADMIN")).body.splitlines()
    found = verify_export(lines)
    assert (found.valid, found.records, found.head) == (True, 3, (await read(service, "/head"))["lastHash"])
    assert not verify_export(lines[1:]).valid
    assert not verify_export([*lines[:2], *lines[3:]]).valid


async def test_what_was_cut_stays_counted(service: PolicyHttpService, database: Database) -> None:
    policy_id = await deploy(service)
    await recorded(database, [NOW - timedelta(days=40)], *[event(policy_id)] * 5)
    await cut(database)
    found = await read(service, f"/stats/version-usage?policyId={policy_id}&from={iso(60)}&to={iso(0)}")
    assert counted(found) == [(1, 5, 0)]


def iso(days: int) -> str:
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_setting_it_is_enough(
    service: PolicyHttpService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the tenant asks next makes the service look at it."""
    done, work = asyncio.Event(), Retention.cut

    async def noted(self: Retention, *arguments: Any) -> None:
        await work(self, *arguments)
        done.set()

    monkeypatch.setattr(Retention, "cut", noted)
    await old_and_new(service, database)
    changed = await ask(service, "PATCH", "/api/v1/tenant/settings", {"auditRetentionDays": 30}, role="OWNER")
    assert changed.status == 200
    await read(service, "/head")
    await done.wait()
    assert (await read(service, "/head"))["count"] == 4
    assert (await read(service, "?eventType=AUDIT_CUT"))[0]["payload"] == {"auditRetentionDays": 30}
    assert (await read(service, "/verify-chain"))["valid"]


async def test_closing_waits_for_the_part_under_way_and_leaves_the_rest_for_the_next_start(
    service: PolicyHttpService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CUT_RECORDS", 1)
    await old_and_new(service, database)
    audit, begun, cutting = AuditLog(database), asyncio.Event(), AuditLog.cut
    loop = asyncio.get_running_loop()

    def noted(*arguments: Any, **options: Any) -> int:
        loop.call_soon_threadsafe(begun.set)
        return cutting(*arguments, **options)

    monkeypatch.setattr(AuditLog, "cut", noted)
    keeping = Retention(database, audit, UsageCounts(database, audit), now_ms=lambda: NOW_MS)
    keeping.noticed("acme-corp", TenantSettings(audit_retention_days=30))
    await begun.wait()
    await keeping.close()
    kept = (await read(service, "/head"))["count"]
    assert kept == 7  # one record was cut, one tells of it
    assert (await read(service, "?eventType=AUDIT_CUT"))[0]["sequence"] == 8
    keeping.noticed("globex", TenantSettings(audit_retention_days=30))
    await database.write(lambda connection: None)
    assert (await read(service, "/head"))["count"] == kept
    await cut(database)
    assert (await read(service, "/verify-chain"))["valid"]


@pytest.mark.parametrize("days", [0, -1, 40_000, "30", 1.5])
async def test_a_time_that_makes_no_sense_is_refused(service: PolicyHttpService, days: Any) -> None:
    answered = await ask(service, "PATCH", "/api/v1/tenant/settings", {"auditRetentionDays": days}, role="OWNER")
    assert answered.status == 400


async def test_a_broken_chain_is_kept_as_it_is(
    service: PolicyHttpService, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await old_and_new(service, database)
    database.write_now(
        lambda connection: connection.execute(
            "UPDATE audit_records SET hash = (SELECT hash FROM audit_records WHERE sequence = 1) WHERE sequence = 2"
        )
    )
    await cut(database)
    assert (await read(service, "/head"))["count"] == 7
    assert "audit records were not cut" in caplog.text
