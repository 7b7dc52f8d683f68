"""Who may read a blob: nobody, until it is shared.

A share opens one blob, or whatever blob a tag names, to everybody who is admitted (``public``), to peers with a role
(``role``), or to whoever has a secret (``secret``; only its hash is kept). A collection that is shared opens its
members. Everything that does not match a share is refused as if the blob were not there.
"""

import secrets
import time
from collections.abc import Sequence, Set
from enum import StrEnum

from blake3 import blake3
from msgspec import Struct

from aster.foundation.sql import Connection
from aster.storage.blobs.store import BlobStore
from aster.storage.tickets import SECRET_BYTES

SECRET_CONTEXT = "aster blob share secret v1"  # noqa: S105 - names a use, not a secret

READABLE_BY = """
WITH RECURSIVE holders (hash) AS (
    SELECT ?
    UNION SELECT members.collection FROM members JOIN holders ON members.hash = holders.hash
)
SELECT shares.kind, shares.subject FROM shares
WHERE (expires_at IS NULL OR expires_at > ?) AND (
    target IN (SELECT 'blob:' || lower(hex(hash)) FROM holders)
    OR target IN (SELECT 'tag:' || name FROM tags WHERE hash IN (SELECT hash FROM holders))
)
"""


class ShareKind(StrEnum):
    """To whom a blob is open."""

    PUBLIC = "public"
    ROLE = "role"
    SECRET = "secret"  # noqa: S105 - a kind, not a secret


class Share(Struct, frozen=True):
    """``target`` is a hash (64 hex characters) or a tag; ``role`` is there for one that asks for it."""

    target: str
    kind: ShareKind
    role: str = ""
    expires_at: float | None = None


def tag_target(name: str) -> str:
    """What stands for a tag among the targets of shares."""
    return f"tag:{name}"


def blob_target(digest: bytes) -> str:
    """What stands for a blob."""
    return f"blob:{digest.hex()}"


class Sharing:
    """The shares of one store."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    def share(self, target: str, *, role: str | None = None, public: bool = False, expires_at: float | None) -> bytes:
        """Open a `target`; gives the secret to show, which is empty where none is asked for."""
        secret = b""
        if public:
            kind, subject = ShareKind.PUBLIC, b""
        elif role is not None:
            kind, subject = ShareKind.ROLE, role.encode()
        else:
            secret = secrets.token_bytes(SECRET_BYTES)
            kind, subject = ShareKind.SECRET, _hashed(secret)
        self._store.database.write_now(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?)", (target, str(kind), subject, expires_at)
            )
        )
        return secret

    def unshare(self, target: str) -> int:
        """Close a blob or tag again, to everybody; how many shares that took away."""
        return self._store.database.write_now(
            lambda connection: connection.execute("DELETE FROM shares WHERE target = ?", (target,)).rowcount
        )

    def shares(self) -> Sequence[Share]:
        """Every share that has not expired."""

        def query(connection: Connection) -> list[Share]:
            rows = connection.execute(
                "SELECT target, kind, subject, expires_at FROM shares WHERE expires_at IS NULL OR expires_at > ?"
                " ORDER BY target",
                (time.time(),),
            )
            return [
                Share(
                    target.partition(":")[2],
                    ShareKind(kind),
                    subject.decode() if kind == ShareKind.ROLE else "",
                    expires_at,
                )
                for target, kind, subject, expires_at in rows
            ]

        return self._store.database.read_now(query)

    def may_read(self, digest: bytes, *, roles: Set[str], secret: bytes) -> bool:
        """Is a blob open to a caller with these roles who shows this secret?"""
        rows = self._store.database.read_now(
            lambda connection: connection.execute(READABLE_BY, (digest, time.time())).fetchall()
        )
        shown = _hashed(secret) if secret else None
        return any(
            kind == ShareKind.PUBLIC
            or (kind == ShareKind.ROLE and subject.decode() in roles)
            or (kind == ShareKind.SECRET and shown is not None and secrets.compare_digest(subject, shown))
            for kind, subject in rows
        )


def _hashed(secret: bytes) -> bytes:
    return blake3(secret, derive_key_context=SECRET_CONTEXT).digest()
