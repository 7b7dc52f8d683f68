"""How stored policies are used, over HTTP (ADMIN): one version over time, two versions beside each other."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Route
from aster.policy.service.audit_filter import moment_of
from aster.policy.service.audit_routes import ROOT
from aster.policy.service.caller import Role, tenant_of
from aster.policy.service.envelope import problem
from aster.policy.service.policy_messages import iso
from aster.policy.service.queries import query_integer, query_values
from aster.policy.service.tenant_data import TenantData
from aster.policy.service.usage import Row, Usage, UsageCounts, usage_of

LONGEST_DAYS = 90
DEFAULT_DAYS = 30
MOST_BUCKETS = 5_000
LARGEST_VERSION = 2**31 - 1
CERTAIN = 1.96
"""Standard errors between two failure rates that are taken to differ (95 %)."""

SLOWER = 1.25
"""How many times longer the 95th percentile of the slower version is at least."""

_STARTS: Mapping[str, Callable[[datetime], datetime]] = {
    "hour": lambda moment: moment,
    "day": lambda moment: moment.replace(hour=0),
    "week": lambda moment: moment.replace(hour=0) - timedelta(days=moment.weekday()),
    "month": lambda moment: moment.replace(day=1, hour=0),
}


class UsageBucket(Usage, frozen=True, rename="camel", kw_only=True):
    """One version's use from ``timestamp`` on; weeks begin on Mondays, everything in UTC."""

    version: int
    timestamp: str


class VersionUsage(msgspec.Struct, frozen=True, rename="camel"):
    """``complete`` is false while older records wait to be counted: ask again. Only what is recorded counts."""

    policy_id: str
    granularity: str
    buckets: list[UsageBucket]
    complete: bool
    through_sequence: int


class ComparedVersion(Usage, frozen=True, rename="camel", kw_only=True):
    version: int


class Deltas(msgspec.Struct, frozen=True, rename="camel"):
    """B minus A."""

    failure_rate: float
    avg_execution_time_ms: float | None
    p95: float | None
    p99: float | None


Verdict = Literal["VERSION_A_BETTER", "VERSION_B_BETTER", "COMPARABLE"]


class VersionComparison(msgspec.Struct, frozen=True, rename="camel"):
    """The lower failure rate is better when it is certainly lower, else the clearly faster 95th percentile."""

    policy_id: str
    days: int
    version_a: ComparedVersion
    version_b: ComparedVersion
    deltas: Deltas
    verdict: Verdict
    complete: bool


class UsageRoutes:
    """Handlers and their rows of the table. ``now_ms`` is the service's clock."""

    def __init__(self, data: TenantData, counts: UsageCounts, *, now_ms: Callable[[], int]) -> None:
        self._data = data
        self._counts = counts
        self._now_ms = now_ms

    @property
    def routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                f"{ROOT}/stats/version-usage",
                self.version_usage,
                summary="How often, how well and how fast a policy's versions decided, over time",
                access=Role.ADMIN,
                answer=VersionUsage,
                query=("policyId", "version", "granularity", "from", "to"),
                errors=(400, 404),
            ),
            Route(
                "GET",
                f"{ROOT}/compare",
                self.compare_versions,
                summary="Two versions of a policy beside each other",
                access=Role.ADMIN,
                answer=VersionComparison,
                query=("policyId", "versionA", "versionB", "days"),
                errors=(400, 404),
            ),
        ]

    async def version_usage(self, request: Request, body: Any) -> VersionUsage:
        values = query_values(request)
        granularity = values.get("granularity", "day")
        if granularity not in _STARTS:
            raise ValidationFailed(
                f"granularity is one of {', '.join(_STARTS)}", problems=problem("?granularity", "is none of them")
            )
        since_ms, until_ms = self._time(values)
        policy_id = await self._policy(request, values)
        version = query_integer(request, "version", 0, minimum=1, maximum=LARGEST_VERSION) or None
        reached, complete = await self._counts.count(tenant_of(request))
        rows = await self._counts.rows(
            tenant_of(request), policy_id, since_ms=since_ms, until_ms=until_ms, version=version
        )
        return VersionUsage(policy_id, granularity, _buckets(rows, granularity), complete, reached)

    async def compare_versions(self, request: Request, body: Any) -> VersionComparison:
        values = query_values(request)
        days = query_integer(request, "days", DEFAULT_DAYS, minimum=1, maximum=LONGEST_DAYS)
        numbers = [
            query_integer(request, name, 0, minimum=1, maximum=LARGEST_VERSION) for name in ("versionA", "versionB")
        ]
        if 0 in numbers:
            raise ValidationFailed("name versionA and versionB", problems=problem("?versionA", "is missing"))
        policy_id = await self._policy(request, values)
        await self._data.policies(request, lambda policies: [policies.version(policy_id, number) for number in numbers])
        _, complete = await self._counts.count(tenant_of(request))
        until_ms = self._now_ms()
        since_ms = until_ms - days * 86_400_000
        found = [
            usage_of(
                await self._counts.rows(
                    tenant_of(request), policy_id, since_ms=since_ms, until_ms=until_ms, version=number
                )
            )
            for number in numbers
        ]
        first, second = (
            ComparedVersion(version=number, **msgspec.structs.asdict(usage))
            for number, usage in zip(numbers, found, strict=True)
        )
        return VersionComparison(policy_id, days, first, second, _deltas(*found), verdict(*found), complete)

    def _time(self, values: Mapping[str, str]) -> tuple[int, int]:
        """From and to in milliseconds; the last `DEFAULT_DAYS` without them. Raises `ValidationFailed`."""
        since, until = moment_of(values, "from"), moment_of(values, "to")
        until_ms = self._now_ms() if until is None else _milliseconds(until)
        since_ms = until_ms - DEFAULT_DAYS * 86_400_000 if since is None else _milliseconds(since)
        if not 0 <= until_ms - since_ms <= LONGEST_DAYS * 86_400_000:
            raise ValidationFailed(
                f"'to' comes after 'from', at most {LONGEST_DAYS} days", problems=problem("?to", "is not within them")
            )
        return since_ms, until_ms

    async def _policy(self, request: Request, values: Mapping[str, str]) -> str:
        """The policy that is asked about, withdrawn ones too; raises `ValidationFailed`, `PolicyNotFound`."""
        policy_id = values.get("policyId")
        if policy_id is None:
            raise ValidationFailed("name a policyId", problems=problem("?policyId", "is missing"))
        found = await self._data.policies(request, lambda policies: policies.find(policy_id, with_deleted=True))
        return found.id


def _buckets(rows: list[Row], granularity: str) -> list[UsageBucket]:
    start = _STARTS[granularity]
    grouped: dict[tuple[datetime, int], list[Row]] = {}
    for row in rows:
        moment = start(datetime.fromtimestamp(row.hour_ms / 1000, UTC))
        grouped.setdefault((moment, row.version), []).append(row)
    if len(grouped) > MOST_BUCKETS:
        raise ValidationFailed(
            f"that would be more than {MOST_BUCKETS} buckets", problems=problem("?granularity", "is too fine")
        )
    return [
        UsageBucket(
            version=version,
            timestamp=iso(int(moment.timestamp() * 1000)),
            **msgspec.structs.asdict(usage_of(found)),
        )
        for (moment, version), found in sorted(grouped.items())
    ]


def verdict(first: Usage, second: Usage) -> Verdict:
    """Which of two is better, where that can be told.

    Failure rates by the z-test of two proportions (Montgomery, Statistical Quality Control).
    """
    if not first.count or not second.count:
        return "COMPARABLE"
    pooled = (first.error_count + second.error_count) / (first.count + second.count)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / first.count + 1 / second.count))
    if spread and abs(first.failure_rate - second.failure_rate) > CERTAIN * spread:
        return "VERSION_A_BETTER" if first.failure_rate < second.failure_rate else "VERSION_B_BETTER"
    if first.p95 is None or second.p95 is None or max(first.p95, second.p95) <= SLOWER * min(first.p95, second.p95):
        return "COMPARABLE"
    return "VERSION_A_BETTER" if first.p95 < second.p95 else "VERSION_B_BETTER"


def _deltas(first: Usage, second: Usage) -> Deltas:
    def delta(name: str) -> float | None:
        before, after = getattr(first, name), getattr(second, name)
        return None if before is None or after is None else round(after - before, 6)

    return Deltas(
        failure_rate=round(second.failure_rate - first.failure_rate, 6),
        avg_execution_time_ms=delta("avg_execution_time_ms"),
        p95=delta("p95"),
        p99=delta("p99"),
    )


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
