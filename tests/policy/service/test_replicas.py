"""Several processes of one service: on PostgreSQL and Redis they act as one, and refuse when either is down."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.policy.service.asgi import SECRET, ask, send, signed

from aster.foundation.audit import AuditLog
from aster.foundation.errors import ConfigError, StorageUnavailable
from aster.foundation.http.rates import Limit, RateLimited
from aster.foundation.sql import Database
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.replicas import Replicas
from aster.policy.service.settings import PolicySettings
from aster.policy.service.tenant_data import CHANGED

HEAD = "/api/v1/audit/head"
ASSIGNMENTS = "/api/v1/tenant/rbac/assignments"
FIRST = 'Module greeting.\n\nRule greet produce Text:\n  Return "hello".\n'
SECOND = FIRST.replace("hello", "welcome")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replicas, each with connections of its own, as two processes have."""

    first: PolicyHttpService
    second: PolicyHttpService

    @property
    def both(self) -> tuple[PolicyHttpService, PolicyHttpService]:
        return (self.first, self.second)


async def replica(schema: str, socket: Path, opened: list[Any], **settings: Any) -> PolicyHttpService:
    database = Database.open(schema)
    replicas = Replicas.open(f"unix://{socket}")
    opened += [database, replicas]
    return create_policy_service(database, PolicySettings(secret_key=SECRET, **settings), environ={}, replicas=replicas)


@pytest.fixture
async def pair(postgres_schema: str, empty_valkey: Path) -> AsyncIterator[Pair]:
    opened: list[Any] = []
    limits = {"rate_requests": 40, "rate_seconds": 3600}
    yield Pair(*[await replica(postgres_schema, empty_valkey, opened, **limits) for _ in range(2)])
    for each in opened:
        await each.close()


@pytest.fixture
async def free(postgres_schema: str, empty_valkey: Path) -> AsyncIterator[Pair]:
    """Without rate limits."""
    opened: list[Any] = []
    yield Pair(*[await replica(postgres_schema, empty_valkey, opened, rate_enabled=False) for _ in range(2)])
    for each in opened:
        await each.close()


@pytest.fixture
async def replicas(empty_valkey: Path) -> AsyncIterator[Replicas]:
    opened = Replicas.open(f"unix://{empty_valkey}")
    yield opened
    await opened.close()


async def test_of_50_concurrent_uses_of_a_nonce_on_two_replicas_one_succeeds(free: Pair) -> None:
    headers = signed("GET", HEAD, role="ADMIN")
    answers = await asyncio.gather(*(send(free.both[turn % 2], "GET", HEAD, headers=headers) for turn in range(50)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 49


async def test_a_nonce_that_redis_forgot_is_refused_by_the_database(free: Pair, replicas: Replicas) -> None:
    headers = signed("GET", HEAD, role="ADMIN")
    assert (await send(free.first, "GET", HEAD, headers=headers)).status == 200
    await replicas._client.flushall()
    assert (await send(free.second, "GET", HEAD, headers=headers)).status == 409


async def test_a_limit_is_a_limit_of_all_replicas_together(pair: Pair) -> None:
    answers = [await ask(pair.both[turn % 2], "GET", HEAD, role="ADMIN") for turn in range(50)]
    statuses = [answer.status for answer in answers]
    assert statuses[:40] == [200] * 40
    assert set(statuses[40:]) == {429}
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in answers[:40]] == list(range(39, -1, -1))
    assert (await ask(pair.second, "GET", HEAD, role="ADMIN", tenant="globex")).status == 200


async def test_a_version_counts_on_every_replica_as_soon_as_it_is_deployed(free: Pair) -> None:
    for source, expected in ((FIRST, "hello"), (SECOND, "welcome")):
        deployed = await ask(free.first, "POST", "/api/v1/policies", {"source": source}, role="ADMIN")
        assert deployed.status == 201, deployed.body
        for service in free.both:
            answered = await ask(service, "POST", "/api/v1/policies/evaluate", {"policyModule": "greeting"})
            assert answered.json["result"] == expected, answered.body


async def test_a_role_that_one_replica_takes_away_is_gone_on_the_other_when_the_notice_arrives(
    free: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aster.policy.service.tenant_cache.REFRESH_MS", 3_600_000)  # nothing but a notice helps
    heard: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def hear(tenant: str) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, tenant)

    free.second.database.listen(CHANGED, hear)
    async with asyncio.timeout(30):
        assert await heard.get() == ""
        assert (await ask(free.second, "GET", HEAD, role="ADMIN", user="eve")).status == 200
        assigned = await ask(free.first, "PUT", f"{ASSIGNMENTS}/eve", {"role": "VIEWER"}, role="OWNER")
        assert assigned.status == 201, assigned.body
        assert await heard.get() == "acme-corp"
        while (await ask(free.second, "GET", HEAD, role="ADMIN", user="eve")).status != 403:
            pass  # the service's own listener is another thread


async def test_replicas_write_one_chain_that_verifies(free: Pair) -> None:
    body = {"source": FIRST, "context": {}}
    answers = await asyncio.gather(
        *(ask(free.both[turn % 2], "POST", "/api/v1/policies/evaluate-source", body) for turn in range(60))
    )
    assert {answer.status for answer in answers} == {200}
    verified = AuditLog(free.first.database).verify("policy:acme-corp")
    assert (verified.valid, verified.records) == (True, 60)


async def test_without_redis_every_request_is_refused(postgres_schema: str, tmp_path: Path) -> None:
    opened: list[Any] = []
    service = await replica(postgres_schema, tmp_path / "nobody", opened)
    try:
        answered = await ask(service, "GET", HEAD, role="ADMIN")
        assert (answered.status, answered.code) == (503, "STORAGE_UNAVAILABLE")
        assert AuditLog(service.database).chains() == []
    finally:
        for each in opened:
            await each.close()


async def test_while_the_database_is_down_every_request_is_refused_and_served_again_after(own_server: Any) -> None:
    database = Database.open(own_server.url)
    try:
        service = create_policy_service(database, PolicySettings(secret_key=SECRET), environ={})
        assert (await ask(service, "GET", HEAD, role="ADMIN")).status == 200
        await asyncio.to_thread(own_server.stop)
        for _ in range(2):
            answered = await ask(service, "GET", HEAD, role="ADMIN")
            assert (answered.status, answered.code) == (503, "STORAGE_UNAVAILABLE")
        await asyncio.to_thread(own_server.start)
        assert (await ask(service, "GET", HEAD, role="ADMIN")).status == 200
    finally:
        await database.close()


async def test_a_bucket_is_refilled_and_never_gives_more_than_it_holds(replicas: Replicas) -> None:
    limit = Limit(10, 3600)
    left = [await replicas.take("tenant", "acme", limit, 3, 0) for _ in range(3)]
    assert [round(tokens) for tokens in left] == [7, 4, 1]
    with pytest.raises(RateLimited) as caught:
        await replicas.take("tenant", "acme", limit, 3, 0)
    assert int(dict(caught.value.headers)[b"retry-after"]) > 0
    assert round(await replicas.take("tenant", "other", limit, 99, 0)) == 0


async def test_a_redis_that_is_not_there_is_unavailable_and_its_password_untold() -> None:
    replicas = Replicas.open("redis://user:hunter2@127.0.0.1:1/0")
    with pytest.raises(StorageUnavailable) as caught:
        await replicas.check()
    await replicas.close()
    assert "127.0.0.1:1" in caught.value.message
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize("url", ["http://user:hunter2@host", "redis://user:hunter2@host:port/0", "redis"])
def test_a_url_that_is_no_redis_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Replicas.open(url)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"
