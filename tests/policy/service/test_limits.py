"""Rate limits: what is told, who is refused, who is not."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.service.asgi import SECRET, ask, send, signed
from tests.policy.service.conftest import Clock

from aster.foundation.http.rates import Buckets, Limit, RateLimited
from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

STORES = ("sqlite", "postgres")

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


@pytest.mark.parametrize(
    ("target", "options", "status"),
    [
        (ROOT, {}, 200),
        (ROOT, {"tenant": "not a tenant"}, 400),
        (ROOT, {"secret": "wrong"}, 401),
        (ROOT, {"role": "NOBODY"}, 403),
        ("/api/v1/nothing", {}, 404),
        ("/api/v1/audit/1/replay", {}, 405),
        (f"{ROOT}?page=x", {}, 400),
    ],
)
async def test_every_answer_tells_the_limit_once(
    service: PolicyHttpService, target: str, options: dict[str, str], status: int
) -> None:
    answered = await ask(service, "GET", target, **options)
    assert answered.status == status
    signed_by_a_tenant = status not in (400, 401) or "page" in target
    assert answered.headers["x-ratelimit-limit"] == ("60000" if signed_by_a_tenant else "600000")
    assert answered.names.count("x-ratelimit-limit") == answered.names.count("x-ratelimit-remaining") == 1


async def test_refusals_for_rates_and_sizes_tell_the_limit_as_well(database: Database) -> None:
    settings = PolicySettings(secret_key=SECRET, address_requests=4, rate_requests=1, body_bytes=1024)
    service = create_policy_service(database, settings, environ={})
    big = await send(service, "GET", ROOT, headers=[(b"x-padding", b"a" * 40_000)])
    heavy = await send(service, "POST", ROOT, b"a" * 2000, signed("POST", ROOT, b"a" * 2000))
    await ask(service, "GET", ROOT)
    of_tenant = await ask(service, "GET", ROOT)
    of_address = await ask(service, "GET", ROOT)
    without_tenant = await ask(service, "GET", ROOT, tenant="")
    found = [(each.status, each.headers["x-ratelimit-limit"]) for each in (big, heavy, of_tenant, of_address)]
    assert found == [(431, "4"), (413, "4"), (429, "1"), (429, "4")]
    assert without_tenant.status == 400, "layer 1 speaks before the rate does"
    for each in (of_tenant, of_address, without_tenant):
        assert each.names.count("x-ratelimit-limit") == 1
    assert "retry-after" in of_address.headers
    assert "retry-after" not in without_tenant.headers


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
