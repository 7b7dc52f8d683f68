"""``Idempotency-Key``: a change that is asked for twice is made once, and answered twice with the same answer.

An answer is kept for 24 hours, for its caller alone. The same key with another request is a conflict; a request that is
still being answered holds its repetitions back. What was refused is not kept: it may be tried again.
"""

import asyncio
import functools
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aster.foundation.http.errors import HttpError, ValidationFailed
from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.http.routes import Handler
from aster.foundation.sql import Connection
from astrocyte.access.identity import principal_label
from astrocyte.gateway.routes import CONTEXT
from astrocyte.memory import Astrocyte

HEADER = b"idempotency-key"
KEPT_MS = 24 * 3600 * 1000
PURGE_ROWS = 100

_KEY = re.compile(rb"[\x21-\x7e]{1,128}")


class IdempotencyConflict(HttpError):
    """The key was used for another request."""

    status = 409
    code = "IDEMPOTENCY_CONFLICT"


@dataclass(slots=True)
class _Turn:
    """Repetitions of one request, one after the other; forgotten when the last has its answer."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Idempotency:
    """Keeps answers in the engine's database; requests without a key pass by."""

    def __init__(self, engine: Astrocyte, *, now_ms: Callable[[], int] = _wall_clock_ms) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._is_ready = False
        self._turns: dict[tuple[str, str], _Turn] = {}

    def once(self, handler: Handler) -> Handler:
        """The handler, done once for each key of a caller."""

        @functools.wraps(handler)
        async def answer(request: Request, body: Any) -> Any:
            keys = request.headers_all(HEADER)
            if not keys:
                return await handler(request, body)
            if len(set(keys)) > 1 or not _KEY.fullmatch(keys[0]):
                raise ValidationFailed("Idempotency-Key must be 1 to 128 visible ASCII characters", problems=[])
            place = (principal_label(request.state[CONTEXT]), keys[0].decode())
            turn = self._turns.setdefault(place, _Turn())
            turn.users += 1
            try:
                async with turn.lock:
                    return await self._once(place, await _digest(request), lambda: handler(request, body))
            finally:
                turn.users -= 1
                if not turn.users:
                    del self._turns[place]

        return answer

    async def _once(self, place: tuple[str, str], digest: bytes, work: Callable[[], Any]) -> Reply:
        database = self._engine.database
        if not self._is_ready:
            await asyncio.to_thread(database.migrate, "memory_gateway", "astrocyte.gateway.migrations")
            self._is_ready = True
        now = self._now_ms()
        row = await database.look_up(lambda connection: _find(connection, place, now))
        if row is not None:
            if bytes(row[0]) != digest:
                raise IdempotencyConflict("this Idempotency-Key was used for another request")
            return Reply(row[1], bytes(row[2]), headers=[(b"idempotency-replayed", b"true")])
        value = await work()
        reply = value if isinstance(value, Reply) else json_reply(value)
        await database.write(lambda connection: _keep(connection, place, digest, reply, now))
        return reply


def _find(connection: Connection, place: tuple[str, str], now: int) -> Any:
    return connection.execute(
        "SELECT request_hash, status, body FROM memory_idempotency"
        " WHERE caller = ? AND idempotency_key = ? AND expires_ms > ?",
        (*place, now),
    ).fetchone()


def _keep(connection: Connection, place: tuple[str, str], digest: bytes, reply: Reply, now: int) -> None:
    connection.execute(
        "DELETE FROM memory_idempotency WHERE (caller, idempotency_key) IN (SELECT caller, idempotency_key"
        " FROM memory_idempotency WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)",
        (now, PURGE_ROWS),
    )
    connection.execute(
        "INSERT INTO memory_idempotency (caller, idempotency_key, request_hash, status, body, expires_ms)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (caller, idempotency_key) DO UPDATE SET"
        " request_hash = excluded.request_hash, status = excluded.status, body = excluded.body,"
        " expires_ms = excluded.expires_ms",
        (*place, digest, reply.status, reply.body, now + KEPT_MS),
    )


async def _digest(request: Request) -> bytes:
    digest = hashlib.sha256()
    for part in (request.method, request.path, request.query):
        digest.update(part.encode("latin-1") + b"\n")
    digest.update(await request.body())
    return digest.digest()
