"""Alive, ready, and metrics, as a probe sees them."""

import asyncio

import pytest
from prometheus_client import Counter
from tests.foundation.http.asgi import Answered, call

from aster.foundation import health as health_module
from aster.foundation.errors import AsterError, StorageError
from aster.foundation.health import Health
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Request
from aster.foundation.http.service import HttpService


def render(request: Request, error: AsterError) -> Reply:
    return Reply(500, error.code.encode())


async def probe(health: Health, path: str) -> Answered:
    return await call(HttpService("health", health.routes, render_error=render), "GET", path)


async def fine() -> None:
    return None


@pytest.fixture
def health() -> Health:
    started = Health()
    started.started = True
    return started


async def test_a_process_is_alive_before_it_is_ready() -> None:
    health = Health()
    health.add_check("database", fine)
    assert (await probe(health, "/livez")).status == 200
    answer = await probe(health, "/readyz")
    assert (answer.status, answer.json["status"]) == (503, "not ready")
    health.started = True
    answer = await probe(health, "/readyz")
    assert answer.status == 200
    assert answer.json == {"status": "ready", "checks": [{"name": "database", "status": "ok"}]}


@pytest.mark.parametrize(
    "error", [StorageError("lost"), OSError("lost"), TimeoutError(), RuntimeError("lost"), KeyError("lost")]
)
async def test_a_failing_check_means_not_ready_whatever_it_raises(health: Health, error: Exception) -> None:
    async def fails() -> None:
        raise error

    health.add_check("database", fails)
    health.add_check("node", fine)
    answer = await probe(health, "/readyz")
    assert answer.status == 503
    assert answer.json["checks"] == [{"name": "database", "status": "failed"}, {"name": "node", "status": "ok"}]
    assert b"lost" not in answer.body
    assert (await probe(health, "/livez")).status == 200


async def test_a_hanging_check_means_not_ready_and_is_ended(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "CHECK_SECONDS", 0.001)
    ended = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    health.add_check("database", hangs)
    assert (await probe(health, "/readyz")).status == 503
    assert ended.is_set()


async def test_checks_run_at_the_same_time(health: Health) -> None:
    barrier = asyncio.Barrier(3)

    async def meets() -> None:
        await barrier.wait()

    for name in ("one", "two", "three"):
        health.add_check(name, meets)
    assert (await probe(health, "/readyz")).status == 200


async def test_metrics_are_prometheus_text(health: Health) -> None:
    Counter("things", "Things counted.", registry=health.registry).inc()
    answer = await probe(health, "/metrics")
    assert b"things_total 1.0" in answer.body
    assert answer.header(b"content-type") == b"text/plain; version=0.0.4; charset=utf-8"


async def test_two_processes_worth_of_metrics_do_not_collide() -> None:
    for health in (Health(), Health()):
        Counter("things", "Things counted.", registry=health.registry)
