"""``Idempotency-Key``: a change that is asked for twice is made once, and answered twice with the same answer.

The answer is kept for 24 hours, in the transaction that made the change. The same key with another request is a
conflict. A refused change is not kept: it may be tried again. The request's nonce must still be a new one each time.
"""

import hashlib
import re

from aster.foundation.http.errors import ValidationFailed
from aster.foundation.http.reply import Reply
from aster.foundation.http.request import Request
from aster.foundation.sql import Connection
from aster.policy.service.envelope import problem
from aster.policy.service.errors import IdempotencyConflict
from aster.policy.service.headers import HeaderConflict, single_headers

HEADER = b"idempotency-key"
KEPT_MS = 24 * 3600 * 1000
PURGE_ROWS = 100

_KEY = re.compile(rb"[\x21-\x7e]{1,128}")


class Replay:
    """One request's idempotency key: what was answered before, and keeping what is answered now."""

    __slots__ = ("_hash", "_key", "_now_ms", "_tenant")

    def __init__(self, tenant: str, key: str, request_hash: bytes, now_ms: int) -> None:
        self._tenant = tenant
        self._key = key
        self._hash = request_hash
        self._now_ms = now_ms

    def find(self, connection: Connection) -> Reply | None:
        """The earlier answer; raises `IdempotencyConflict` when the key was used for another request."""
        row = connection.execute(
            "SELECT request_hash, status, body FROM policy_idempotency WHERE tenant = ? AND key = ? AND expires_ms > ?",
            (self._tenant, self._key, self._now_ms),
        ).fetchone()
        if row is None:
            return None
        if bytes(row[0]) != self._hash:
            raise IdempotencyConflict("this Idempotency-Key was used for another request")
        return Reply(row[1], bytes(row[2]), headers=[(b"idempotency-replayed", b"true")])

    def keep(self, connection: Connection, reply: Reply) -> None:
        connection.execute(
            "INSERT INTO policy_idempotency (tenant, key, request_hash, status, body, expires_ms)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, key) DO UPDATE SET request_hash = excluded.request_hash,"
            " status = excluded.status, body = excluded.body, expires_ms = excluded.expires_ms",
            (self._tenant, self._key, self._hash, reply.status, reply.body, self._now_ms + KEPT_MS),
        )
        connection.execute(
            "DELETE FROM policy_idempotency WHERE (tenant, key) IN"
            " (SELECT tenant, key FROM policy_idempotency WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)",
            (self._now_ms, PURGE_ROWS),
        )


async def replay_of(request: Request, tenant: str, now_ms: int) -> Replay | None:
    """None when the request has no key; raises `ValidationFailed` for a malformed one."""
    try:
        key = single_headers(request).get(HEADER) or None
    except HeaderConflict:
        key = b""
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise ValidationFailed(
            "Idempotency-Key must be 1 to 128 visible ASCII characters",
            problems=problem("Idempotency-Key", "is malformed"),
        )
    digest = hashlib.sha256()
    for part in (request.method, request.path, request.query):
        digest.update(part.encode("latin-1") + b"\n")
    digest.update(await request.body())
    return Replay(tenant, key.decode("ascii"), digest.digest(), now_ms)
