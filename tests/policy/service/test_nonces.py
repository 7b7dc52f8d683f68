"""Nonces: one success each, for as long as the window is open, whoever restarts."""

import asyncio
from pathlib import Path

import pytest
from tests.policy.service.asgi import SECRET, ask, send, signed
from tests.policy.service.conftest import Clock

from aster.foundation.sql import Database
from aster.policy.service import nonces
from aster.policy.service.app import PolicyHttpService, create_policy_service
from aster.policy.service.settings import PolicySettings

STORES = ("sqlite", "postgres")

HEAD = "/api/v1/audit/head"


async def test_second_use_is_a_conflict(service: PolicyHttpService) -> None:
    assert (await ask(service, "GET", HEAD, role="ADMIN", nonce="n1")).status == 200
    answered = await ask(service, "GET", HEAD, role="ADMIN", nonce="n1")
    assert (answered.status, answered.code) == (409, "NONCE_REPLAYED")


async def test_tenants_do_not_share_nonces(service: PolicyHttpService) -> None:
    for tenant in ("acme", "globex"):
        assert (await ask(service, "GET", HEAD, tenant=tenant, role="ADMIN", nonce="n1")).status == 200


async def test_a_forged_request_does_not_burn_the_nonce(service: PolicyHttpService) -> None:
    assert (await ask(service, "GET", HEAD, secret="wrong", role="ADMIN", nonce="n1")).status == 401
    assert (await ask(service, "GET", HEAD, role="ADMIN", nonce="n1")).status == 200


async def test_of_50_concurrent_uses_one_succeeds(service: PolicyHttpService) -> None:
    headers = signed("GET", HEAD, role="ADMIN")
    answers = await asyncio.gather(*(send(service, "GET", HEAD, headers=headers) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 49


async def test_of_50_concurrent_uses_on_two_processes_one_succeeds(tmp_path: Path) -> None:
    """Two services with a writer each on one file, as two processes have."""
    databases = [Database.open(tmp_path / "policy.db", durability="normal") for _ in range(2)]
    services = [
        create_policy_service(database, PolicySettings(secret_key=SECRET), environ={}) for database in databases
    ]
    headers = signed("GET", HEAD, role="ADMIN")
    answers = await asyncio.gather(*(send(services[turn % 2], "GET", HEAD, headers=headers) for turn in range(50)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 49
    for database in databases:
        await database.close()


async def test_of_50_uses_around_a_restart_one_succeeds(tmp_path: Path) -> None:
    headers = signed("GET", HEAD, role="ADMIN")
    statuses: list[int] = []
    for _ in range(2):
        database = Database.open(tmp_path / "policy.db")
        service = create_policy_service(database, PolicySettings(secret_key=SECRET), environ={})
        answers = await asyncio.gather(*(send(service, "GET", HEAD, headers=headers) for _ in range(25)))
        statuses += sorted(answer.status for answer in answers)
        await database.close()
    assert statuses == [200] + [409] * 49


@pytest.mark.parametrize("restart", [False, True])
async def test_a_request_stamped_ahead_can_not_come_back(database: Database, clock: Clock, restart: bool) -> None:
    settings = PolicySettings(secret_key=SECRET)
    service = create_policy_service(database, settings, environ={}, now_ms=clock)
    stamped = clock.ms + 240_000
    for moved, status in [(0, 200), (300_001, 409), (540_000, 409), (540_001, 401)]:
        clock.ms = stamped - 240_000 + moved
        if restart:
            service = create_policy_service(database, settings, environ={}, now_ms=clock)
        answered = await ask(service, "GET", HEAD, role="ADMIN", nonce="n1", timestamp_ms=stamped)
        assert answered.status == status, moved


@pytest.mark.parametrize("restart", [False, True])
async def test_a_nonce_may_be_used_again_after_the_window(database: Database, clock: Clock, restart: bool) -> None:
    settings = PolicySettings(secret_key=SECRET)
    service = create_policy_service(database, settings, environ={}, now_ms=clock)
    for moved, status in [(0, 200), (300_000, 409), (1, 200), (1, 409)]:
        clock.ms += moved
        if restart:
            service = create_policy_service(database, settings, environ={}, now_ms=clock)
        answered = await ask(service, "GET", HEAD, role="ADMIN", nonce="n1", timestamp_ms=clock.ms)
        assert answered.status == status


async def test_old_rows_are_purged(stopped: PolicyHttpService, database: Database, clock: Clock) -> None:
    for turn in range(20):
        await ask(stopped, "GET", HEAD, role="ADMIN", nonce=f"n{turn}", timestamp_ms=clock.ms)
    clock.ms += nonces.WINDOW_MS + nonces.PURGE_SLACK_MS + 1
    await ask(stopped, "GET", HEAD, role="ADMIN", nonce="last", timestamp_ms=clock.ms)
    left = database.read_now(lambda connection: connection.execute("SELECT nonce FROM policy_nonces").fetchall())
    assert left == [("last",)]


async def test_the_front_is_bounded_and_forgetting_is_safe(
    service: PolicyHttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nonces, "FRONT_CLAIMS", 3)
    names = [f"n{turn}" for turn in range(20)]
    for status in (200, 409):
        for name in names:
            assert (await ask(service, "GET", HEAD, role="ADMIN", nonce=name)).status == status
