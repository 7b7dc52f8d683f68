"""What the replicas of one service share beside their database: a Redis (or Valkey) that counts for all of them.

* Rate limits: one token bucket a key, refilled by the server's own clock, taken from in one script.
* Nonces: a replay is refused by every replica before it is evaluated. The database's row still decides; a Redis that
  forgot costs work, not safety.

A Redis that does not answer is a `StorageUnavailable`: requests are refused (503), never let through.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aster.foundation.errors import ConfigError, StorageUnavailable
from aster.foundation.extras import load_extra
from aster.foundation.http.rates import Limit, settled
from aster.policy.service.redis_pipeline import RedisPipeline

if TYPE_CHECKING:
    from redis.asyncio import Redis

SCHEMES = frozenset({"redis", "rediss", "unix"})
ANSWER_SECONDS = 2.0
"""How long a command may take before the request is refused."""

_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local most, window, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(kept[1]) or most
local earned = math.max(0, now - (tonumber(kept[2]) or now)) * most / window
tokens = math.min(most, tokens + earned)
local paid = 0
if tokens >= wanted then
  tokens = tokens - wanted
  paid = 1
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%d', now))
redis.call('PEXPIRE', KEYS[1], window)
return {paid, string.format('%.6f', tokens)}
"""


class Replicas:
    """One Redis, shared by every process that was given its URL."""

    def __init__(self, client: "Redis", name: str) -> None:
        self._client = client
        self._name = name
        self._pipeline = RedisPipeline(client)

    @classmethod
    def open(cls, url: str) -> "Replicas":
        """``redis://host:port/0``, ``rediss://…`` (TLS) or ``unix:///socket``. Connects when first used.

        Raises `ConfigError`, and `MissingExtra` without the client; neither repeats a password.
        """
        asyncio_redis: Any = load_extra("redis.asyncio", extra="redis")
        try:
            parts = urlsplit(url)
            name = f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
            if parts.scheme not in SCHEMES:
                raise ValueError
            client = asyncio_redis.Redis.from_url(
                url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS, client_name="aster"
            )
        except ValueError:
            raise ConfigError("the Redis URL can't be read", hint="redis://USER:PASSWORD@HOST:6379/0") from None
        return cls(client, name)

    async def check(self) -> None:
        """Raise `StorageUnavailable` when it does not answer."""
        async with self._answering():
            await self._client.ping()

    async def is_new(self, tenant: str, nonce: str, *, milliseconds: int) -> bool:
        """Hold a nonce for all replicas, for so long; false when one of them holds it already."""
        async with self._answering():
            # A nonce has no '|' in it, so no two pairs give one key.
            key = f"aster:nonce|{nonce}|{tenant}"
            return bool(await self._pipeline.ask("SET", key, b"1", "NX", "PX", milliseconds))

    async def take(self, kind: str, key: str, limit: Limit, cost: int, now_ms: int) -> float:
        """Pay ``cost`` tokens from a bucket of all replicas; as `Buckets.take`."""
        wanted = min(cost, limit.requests)
        async with self._answering():
            paid, tokens = await self._pipeline.ask(
                "EVAL", _TAKE, 1, f"aster:rate|{kind}|{key}", limit.requests, limit.seconds * 1000, wanted
            )
        return settled(limit, float(tokens), wanted, now_ms, is_paid=bool(paid))

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        from redis.exceptions import RedisError

        try:
            yield
        except (RedisError, OSError) as error:
            raise StorageUnavailable(f"{self._name}: {type(error).__name__}", redis=self._name) from error
