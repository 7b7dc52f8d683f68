"""How versions are used: counted once from the audit chain, by hour and longer, and compared."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.service.asgi import SECRET, ask

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Database
from aster.policy.service import usage
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.durations import class_of, merged, most_of, percentile
from aster.policy.service.settings import PolicySettings
from aster.policy.service.usage import Usage
from aster.policy.service.usage_routes import verdict

STORES = ("sqlite", "postgres")

POLICIES = "/api/v1/policies"
USAGE = "/api/v1/audit/stats/version-usage"
COMPARE = "/api/v1/audit/compare"
DIVIDE = "Module shares.\n\nRule share given n as Int, produce Int:\n  Return {most} divided by n.\n"
NOON = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
"""A Wednesday."""


async def deploy(service: PolicyHttpService, most: int = 10, tenant: str = "acme-corp") -> str:
    answered = await ask(service, "POST", POLICIES, {"source": DIVIDE.format(most=most)}, tenant=tenant)
    policy_id: str = answered.json["policyId"]
    return policy_id


async def evaluate(service: PolicyHttpService, n: int, **options: Any) -> None:
    await ask(service, "POST", f"{POLICIES}/evaluate", {"policyModule": "shares", "context": [n], **options})


async def read(service: PolicyHttpService, target: str, **options: Any) -> Any:
    answered = await ask(service, "GET", target, role="ADMIN", **options)
    assert answered.status == 200, answered.body
    return answered.json


def counted(found: Any) -> list[tuple[int, int, int]]:
    return [(bucket["version"], bucket["count"], bucket["errorCount"]) for bucket in found["buckets"]]


async def test_every_version_is_counted_with_its_failures(service: PolicyHttpService) -> None:
    policy_id = await deploy(service)
    for n in (1, 2, 0):
        await evaluate(service, n)
    await deploy(service, 20)
    await evaluate(service, 1)
    found = await read(service, f"{USAGE}?policyId={policy_id}")
    assert counted(found) == [(1, 3, 1), (2, 1, 0)]
    assert found["complete"]
    first = found["buckets"][0]
    assert first["failureRate"] == pytest.approx(1 / 3)
    assert 0 < first["p50"] <= first["p95"] <= first["p99"]
    assert counted(await read(service, f"{USAGE}?policyId={policy_id}&version=2")) == [(2, 1, 0)]


async def test_asking_again_counts_only_what_is_new(
    service: PolicyHttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy_id = await deploy(service)
    await evaluate(service, 1)
    assert counted(await read(service, f"{USAGE}?policyId={policy_id}")) == [(1, 1, 0)]
    seen: list[int] = []
    records = AuditLog.records

    def noted(self: AuditLog, chain: str, *, after: int = 0, limit: int = 100) -> Any:
        seen.append(after)
        return records(self, chain, after=after, limit=limit)

    monkeypatch.setattr(AuditLog, "records", noted)
    await evaluate(service, 2)
    assert counted(await read(service, f"{USAGE}?policyId={policy_id}")) == [(1, 2, 0)]
    assert seen == [2]


async def test_a_long_chain_is_counted_in_parts(service: PolicyHttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "PART_RECORDS", 2)
    monkeypatch.setattr(usage, "PARTS", 2)
    policy_id = await deploy(service)
    for n in range(1, 7):
        await evaluate(service, n)
    first = await read(service, f"{USAGE}?policyId={policy_id}")
    assert (first["complete"], first["throughSequence"], counted(first)) == (False, 4, [(1, 3, 0)])
    second = await read(service, f"{USAGE}?policyId={policy_id}")
    assert (second["complete"], counted(second)) == (True, [(1, 6, 0)])


async def test_sources_pinned_versions_and_other_tenants_are_told_apart(service: PolicyHttpService) -> None:
    policy_id = await deploy(service)
    await deploy(service, 20)
    await evaluate(service, 1, version=1)
    await ask(service, "POST", f"{POLICIES}/evaluate-source", {"source": DIVIDE.format(most=1), "context": [1]})
    assert counted(await read(service, f"{USAGE}?policyId={policy_id}")) == [(1, 1, 0)]
    foreign = await ask(service, "GET", f"{USAGE}?policyId={policy_id}", role="ADMIN", tenant="globex")
    assert (foreign.status, foreign.code) == (404, "POLICY_NOT_FOUND")


async def test_a_withdrawn_policy_can_still_be_asked_about(service: PolicyHttpService) -> None:
    policy_id = await deploy(service)
    await evaluate(service, 1)
    await ask(service, "DELETE", f"{POLICIES}/{policy_id}")
    assert counted(await read(service, f"{USAGE}?policyId={policy_id}")) == [(1, 1, 0)]


def event(policy_id: str, **fields: Any) -> dict[str, Any]:
    known = {"eventType": "POLICY_EVALUATED", "policyId": policy_id, "version": 1, "success": True}
    return {**known, "executionTimeMs": 0, "executionTimeMicros": 100, **fields}


async def recorded(database: Database, moments: list[datetime], *events: dict[str, Any]) -> None:
    """Each event at each moment, in the chain as the service writes it."""
    for moment in moments:
        log = AuditLog(database, now=lambda moment=moment: moment)  # type: ignore[misc]
        for each in events:
            await log.record("policy:acme-corp", each)


@pytest.fixture
def later(database: Database) -> PolicyHttpService:
    """A service whose clock says the end of March 2026; its requests are signed in that time."""
    end_ms = int(datetime(2026, 3, 31, tzinfo=UTC).timestamp() * 1000)
    return create_policy_service(database, PolicySettings(secret_key=SECRET), environ={}, now_ms=lambda: end_ms)


END_MS = int(datetime(2026, 3, 31, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("granularity", "starts"),
    [
        ("hour", ["2026-03-04T12:00:00.000Z", "2026-03-05T12:00:00.000Z", "2026-03-10T12:00:00.000Z"]),
        ("day", ["2026-03-04T00:00:00.000Z", "2026-03-05T00:00:00.000Z", "2026-03-10T00:00:00.000Z"]),
        ("week", ["2026-03-02T00:00:00.000Z", "2026-03-09T00:00:00.000Z"]),
        ("month", ["2026-03-01T00:00:00.000Z"]),
    ],
)
async def test_hours_make_days_weeks_and_months(
    later: PolicyHttpService, database: Database, granularity: str, starts: list[str]
) -> None:
    made = await ask(later, "POST", POLICIES, {"source": DIVIDE.format(most=1)}, timestamp_ms=END_MS)
    policy_id = made.json["policyId"]
    moments = [NOON + timedelta(days=days) for days in (0, 1, 6)]
    await recorded(database, moments, event(policy_id))
    target = f"{USAGE}?policyId={policy_id}&granularity={granularity}"
    found = await read(later, target, timestamp_ms=END_MS)
    assert [bucket["timestamp"] for bucket in found["buckets"]] == starts
    assert sum(bucket["count"] for bucket in found["buckets"]) == 3
    only = await read(later, f"{target}&from=2026-03-05T12:00:00Z&to=2026-03-06T00:00:00Z", timestamp_ms=END_MS)
    assert sum(bucket["count"] for bucket in only["buckets"]) == 1


async def test_a_sampled_record_counts_for_those_it_stands_for(service: PolicyHttpService, database: Database) -> None:
    policy_id = await deploy(service)
    now = [datetime.now(UTC)]
    await recorded(database, now, event(policy_id, payload={"sampledOneIn": 100}), event(policy_id, success=False))
    assert counted(await read(service, f"{USAGE}?policyId={policy_id}")) == [(1, 101, 1)]


async def test_two_versions_are_compared(service: PolicyHttpService, database: Database) -> None:
    policy_id = await deploy(service)
    await deploy(service, 20)
    now = [datetime.now(UTC)]
    good, bad = event(policy_id), event(policy_id, version=2, success=False)
    await recorded(database, now, *[good] * 30, *[bad] * 20, *[event(policy_id, version=2)] * 10)
    found = await read(service, f"{COMPARE}?policyId={policy_id}&versionA=1&versionB=2")
    assert (found["versionA"]["count"], found["versionB"]["errorCount"]) == (30, 20)
    assert (found["verdict"], found["days"]) == ("VERSION_A_BETTER", 30)
    assert found["deltas"]["failureRate"] == pytest.approx(2 / 3, abs=1e-6)
    turned = await read(service, f"{COMPARE}?policyId={policy_id}&versionA=2&versionB=1")
    assert turned["verdict"] == "VERSION_B_BETTER"
    unknown = await ask(service, "GET", f"{COMPARE}?policyId={policy_id}&versionA=1&versionB=9", role="ADMIN")
    assert (unknown.status, unknown.code) == (404, "VERSION_NOT_FOUND")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "policyId={id}&granularity=minute",
        "policyId={id}&from=2020-01-01T00:00:00Z&to=2020-06-01T00:00:00Z",
        "policyId={id}&from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z",
        "policyId={id}&from=2020-01-01",
        "policyId={id}&version=0",
    ],
)
async def test_a_question_that_can_not_be_answered_is_refused(service: PolicyHttpService, query: str) -> None:
    policy_id = await deploy(service)
    answered = await ask(service, "GET", f"{USAGE}?{query.format(id=policy_id)}", role="ADMIN")
    assert (answered.status, answered.code) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("query", ["versionA=1", "versionB=1", "versionA=1&versionB=1&days=91"])
async def test_a_comparison_needs_two_versions_within_90_days(service: PolicyHttpService, query: str) -> None:
    answered = await ask(service, "GET", f"{COMPARE}?policyId={await deploy(service)}&{query}", role="ADMIN")
    assert (answered.status, answered.code) == (400, "VALIDATION_ERROR")


def used(count: int, errors: int, p95: float | None) -> Usage:
    return Usage(count, errors, errors / count if count else 0.0, p95, p95, p95, p95)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (used(0, 0, None), used(100, 0, 1.0), "COMPARABLE"),
        (used(1000, 0, 1.0), used(1000, 100, 1.0), "VERSION_A_BETTER"),
        (used(1000, 100, 1.0), used(1000, 0, 9.0), "VERSION_B_BETTER"),
        (used(10, 1, 1.0), used(10, 2, 1.0), "COMPARABLE"),
        (used(1000, 0, 1.0), used(1000, 0, 1.2), "COMPARABLE"),
        (used(1000, 0, 1.0), used(1000, 0, 2.0), "VERSION_A_BETTER"),
        (used(1000, 1000, 2.0), used(1000, 1000, 1.0), "VERSION_B_BETTER"),
    ],
)
def test_a_verdict_needs_a_difference_that_counts(first: Usage, second: Usage, expected: str) -> None:
    assert verdict(first, second) == expected


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_never_too_low_and_at_most_an_eighth_too_high(durations: list[int], share: float) -> None:
    histogram = merged([{class_of(each): 1} for each in durations])
    told = percentile(histogram, share)
    exact = sorted(durations)[max(0, -(-int(share * 100) * len(durations) // 100) - 1)]
    assert told is not None
    assert exact <= told <= exact * 1.125 + 1


def test_classes_follow_one_another_without_gaps() -> None:
    for micros in (*range(5_000), *(random.Random(7).randrange(10**12) for _ in range(1_000))):
        found = class_of(micros)
        assert most_of(found - 1) < micros <= most_of(found) if found else micros == 0


def test_counters_survive_their_text() -> None:
    kept = merged([{class_of(3): 2}, {class_of(10**6): 5}])
    assert msgspec.json.decode(msgspec.json.encode(kept), type=dict[int, int]) == kept
