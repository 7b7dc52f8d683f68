"""Rate limits: what is told, who is refused, who is not."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from tests.policy.service.asgi import SECRET, ask
from tests.policy.service.conftest import Clock

from aster.foundation.sql import Database
from aster.policy.service.app import create_policy_service
from aster.policy.service.errors import RateLimited
from aster.policy.service.limits import Buckets, Limit
from aster.policy.service.settings import PolicySettings

ROOT = "/api/v1/policies"


async def test_a_tenant_over_its_limit_is_told_when_to_come_back(database: Database, clock: Clock) -> None:
    settings = PolicySettings(secret_key=SECRET, rate_requests=3, rate_seconds=60)
    service = create_policy_service(database, settings, environ={}, now_ms=clock)

    async def get(tenant: str = "acme", secret: str = SECRET) -> tuple[int, dict[str, str]]:
        answered = await ask(service, "GET", ROOT, tenant=tenant, secret=secret, timestamp_ms=clock.ms)
        return answered.status, answered.headers

    for left in ("2", "1", "0"):
        status, headers = await get()
        assert (status, headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == (200, "3", left)
    status, headers = await get()
    assert (status, headers["retry-after"], headers["x-ratelimit-remaining"]) == (429, "20", "0")
    assert (await get("other"))[0] == 200
    assert (await get(secret="wrong"))[0] == 401
    clock.ms += 20_000
    assert (await get())[0] == 200


async def test_a_tenant_can_lower_its_limit_but_not_raise_it(database: Database, clock: Clock) -> None:
    settings = PolicySettings(secret_key=SECRET, rate_requests=100, rate_seconds=60)
    service = create_policy_service(database, settings, environ={}, now_ms=clock)
    for requests, shown in [(5, "5"), (5000, "100")]:
        body = {"rateLimit": {"requests": requests, "windowSeconds": 60}}
        await ask(service, "PUT", "/api/v1/tenant/settings", body, role="OWNER", timestamp_ms=clock.ms)
        answered = await ask(service, "GET", ROOT, timestamp_ms=clock.ms)
        assert answered.headers["x-ratelimit-limit"] == shown


async def test_an_address_is_limited_before_its_signature_is_checked(database: Database, clock: Clock) -> None:
    settings = PolicySettings(secret_key=SECRET, address_requests=2)
    service = create_policy_service(database, settings, environ={}, now_ms=clock)
    statuses = [(await ask(service, "GET", ROOT, secret="wrong", timestamp_ms=clock.ms)).status for _ in range(3)]
    assert statuses == [401, 401, 429]


@given(
    st.integers(1, 50),
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 5)), max_size=200),
)
def test_never_more_than_the_bucket_and_its_refill(requests: int, seconds: int, calls: list[tuple[int, int]]) -> None:
    buckets, limit = Buckets(), Limit(requests, seconds)
    now, taken = 0, 0
    for passed, cost in calls:
        now += passed
        with contextlib.suppress(RateLimited):
            buckets.take("t", limit, cost, now)
            taken += min(cost, requests)
        assert taken <= requests + requests * now / (seconds * 1000) + 1e-6


def test_buckets_are_bounded() -> None:
    buckets = Buckets(most=2)
    for name in "abc":
        buckets.take(name, Limit(1, 1), 1, 0)
    buckets.take("a", Limit(1, 1), 1, 0)
