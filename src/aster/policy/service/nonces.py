"""Used nonces: consumed once per tenant, kept until no replay could pass the timestamp window, across restarts.

Rules:

* A nonce is claimed only after its signature was verified: forged requests can't burn anybody's nonces.
* The table decides. Its row is written in the same transaction as what the request changes, or before the answer
  leaves; two claims of one nonce, on one process or on several, can't both commit.
* The front (two generations of recent claims) refuses most replays without touching the table, and keeps equal
  requests that arrive together from being evaluated twice. Forgetting there costs time, not safety: it is bounded.
* Kept until ``max(received, timestamp) + window``: a request stamped ahead can't come back when its window opens.
"""

from collections.abc import Sequence
from functools import lru_cache

from aster.foundation.sql import Connection
from aster.policy.service.errors import NonceReplayed
from aster.policy.service.replicas import Replicas

WINDOW_MS = 300_000
FRONT_CLAIMS = 100_000
"""Claims a generation of the front holds (two are kept): about 25 MB a generation."""

PURGE_EVERY_MS = 1_000
PURGE_ROWS = 20_000
PURGE_SLACK_MS = 60_000
"""Rows stay this much longer, for replays that were received in time and are written a little later."""

_INSERT = "INSERT INTO policy_nonces (tenant, nonce, expires_ms) VALUES "
_UNLESS_LIVE = (
    " ON CONFLICT (tenant, nonce) DO UPDATE SET expires_ms = excluded.expires_ms WHERE policy_nonces.expires_ms < ?"
)
_PURGE = (
    "DELETE FROM policy_nonces WHERE (tenant, nonce) IN"
    " (SELECT tenant, nonce FROM policy_nonces WHERE expires_ms < ? ORDER BY expires_ms LIMIT ?)"
)


class Claim:
    """One request's hold on a nonce (``key``: tenant and nonce), until `insert` has made it permanent."""

    __slots__ = ("_store", "expires_ms", "key", "received_ms", "settled")

    def __init__(self, store: "NonceStore", key: tuple[str, str], received_ms: int, expires_ms: int) -> None:
        self._store = store
        self.key = key
        self.received_ms = received_ms
        self.expires_ms = expires_ms
        self.settled = False

    def insert(self, connection: Connection) -> None:
        """Write the row inside a transaction; raises `NonceReplayed` when another request was first."""
        insert_all(connection, [self])

    def purge(self, connection: Connection) -> None:
        """Drop old rows, when it is time."""
        self._store.purge(connection, self.received_ms)


class NonceStore:
    """The used nonces of one database. Times are milliseconds since 1970."""

    def __init__(self, replicas: Replicas | None = None) -> None:
        self._replicas = replicas
        self._recent: dict[tuple[str, str], int] = {}
        self._older: dict[tuple[str, str], int] = {}
        self._purged_ms = 0

    def claim(self, tenant: str, nonce: str, *, received_ms: int, timestamp_ms: int) -> Claim:
        """Hold a nonce; raises `NonceReplayed` for one that this process has seen. Call from one thread."""
        key = (tenant, nonce)
        seen = self._recent.get(key) or self._older.get(key, 0)
        if seen >= received_ms:
            raise replayed()
        expires_ms = max(received_ms, timestamp_ms) + WINDOW_MS
        if len(self._recent) >= FRONT_CLAIMS:
            self._older, self._recent = self._recent, {}
        self._recent[key] = expires_ms
        return Claim(self, key, received_ms, expires_ms)

    @property
    def is_shared(self) -> bool:
        """Whether replicas have to be asked as well."""
        return self._replicas is not None

    async def share(self, claim: Claim) -> None:
        """Hold the nonce among the replicas; `NonceReplayed`, or `StorageUnavailable` when they can't be asked."""
        if self._replicas is None:
            return
        tenant, nonce = claim.key
        if not await self._replicas.is_new(tenant, nonce, milliseconds=claim.expires_ms - claim.received_ms):
            raise replayed()

    def purge(self, connection: Connection, now_ms: int) -> None:
        """Drop rows whose time is over, at most once a second and so many at a time."""
        if now_ms - self._purged_ms >= PURGE_EVERY_MS:
            self._purged_ms = now_ms
            connection.execute(_PURGE, (now_ms - PURGE_SLACK_MS, PURGE_ROWS))


def insert_all(connection: Connection, claims: Sequence[Claim]) -> None:
    """Write the rows of all claims in one statement; raises `NonceReplayed` when one of them is a replay.

    Others may be written then: the caller undoes its transaction or savepoint.
    """
    if not claims:
        return
    if len({claim.key for claim in claims}) < len(claims):
        raise replayed()
    values: list[str | int] = []
    for claim in claims:
        values += (*claim.key, claim.expires_ms)
    values.append(min(claim.received_ms for claim in claims))
    if connection.execute(_insertion(len(claims)), values).rowcount != len(claims):
        raise replayed()
    claims[0].purge(connection)


@lru_cache(maxsize=512)
def _insertion(rows: int) -> str:
    return f"{_INSERT}{', '.join(['(?, ?, ?)'] * rows)}{_UNLESS_LIVE}"


def replayed() -> NonceReplayed:
    return NonceReplayed("this nonce was used before", hint="sign every request anew, also when it is sent again")
