"""Redis commands that travel together, on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError, ResponseError

from aster.policy.service.redis_pipeline import RedisPipeline


@pytest.fixture
async def client(empty_valkey: Path) -> AsyncIterator[Redis]:
    opened = Redis(unix_socket_path=str(empty_valkey))
    yield opened
    await opened.aclose()


async def test_commands_of_one_moment_are_sent_together_and_answered_one_by_one(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0
    make = client.pipeline

    def count(transaction: bool) -> object:
        nonlocal sent
        sent += 1
        return make(transaction=transaction)

    monkeypatch.setattr(client, "pipeline", count)
    pipeline = RedisPipeline(client)
    answers = await asyncio.gather(*(pipeline.ask("INCR", "n") for _ in range(100)))
    assert answers == list(range(1, 101))
    assert sent == 1


async def test_a_command_that_fails_fails_alone(client: Redis) -> None:
    pipeline = RedisPipeline(client)
    await pipeline.ask("SET", "text", b"x")
    told = await asyncio.gather(
        pipeline.ask("INCR", "n"), pipeline.ask("INCR", "text"), pipeline.ask("INCR", "n"), return_exceptions=True
    )
    assert told[0] == 1
    assert isinstance(told[1], ResponseError)
    assert told[2] == 2


async def test_who_gives_up_keeps_nobody_else_from_an_answer(client: Redis) -> None:
    pipeline = RedisPipeline(client)
    impatient, patient = pipeline.ask("INCR", "n"), pipeline.ask("INCR", "n")
    impatient.cancel()
    assert await patient == 2


async def test_when_there_is_no_server_all_are_told_and_the_next_one_asks_anew(tmp_path: Path, client: Redis) -> None:
    nobody = Redis(unix_socket_path=str(tmp_path / "nobody"))
    pipeline = RedisPipeline(nobody)
    told = await asyncio.gather(*(pipeline.ask("INCR", "n") for _ in range(300)), return_exceptions=True)
    assert all(isinstance(each, RedisError | NotConnected) for each in told)
    pipeline._client = client
    assert await pipeline.ask("INCR", "n") == 1
    await nobody.aclose()
