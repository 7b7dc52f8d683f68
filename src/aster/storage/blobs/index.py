"""The index of the blob store: rows in SQLite, each function one step of a transaction or one question."""

from collections.abc import Iterable, Sequence

from aster.foundation.sql import Connection
from aster.storage.blobs.model import Entry, Tag, Usage
from aster.storage.errors import BlobNotFound, QuotaExceeded
from aster.storage.limits import StorageLimits


def find(connection: Connection, digest: bytes) -> Entry | None:
    row = connection.execute(
        "SELECT hash, size, is_collection, content FROM blobs WHERE hash = ?", (digest,)
    ).fetchone()
    return None if row is None else Entry(row[0], row[1], bool(row[2]), row[3])


def usage(connection: Connection) -> Usage:
    return Usage(*connection.execute("SELECT blobs, bytes FROM totals").fetchone())


def check_room(connection: Connection, size: int, limits: StorageLimits) -> None:
    """`QuotaExceeded` when one more blob of ``size`` bytes would pass a limit."""
    used = usage(connection)
    if used.bytes + size > limits.max_total_bytes:
        raise QuotaExceeded(
            f"the store holds {used.bytes} of {limits.max_total_bytes} bytes, no room for {size} more",
            hint="untag what is not needed and collect garbage, or raise max_total_bytes",
        )
    if used.blobs >= limits.max_blobs:
        raise QuotaExceeded(f"the store holds {used.blobs} blobs, its limit", hint="raise max_blobs")


def insert(connection: Connection, entry: Entry, now: float, limits: StorageLimits) -> None:
    """Add a row. One that is there gets the content anew, and its age begins anew: no collection takes it right now."""
    if connection.execute(
        "UPDATE blobs SET added_at = ?, content = ? WHERE hash = ?", (now, entry.content, entry.digest)
    ).rowcount:
        return
    check_room(connection, entry.size, limits)
    connection.execute(
        "INSERT INTO blobs (hash, size, added_at, is_collection, content) VALUES (?, ?, ?, ?, ?)",
        (entry.digest, entry.size, now, entry.is_collection, entry.content),
    )


def set_members(connection: Connection, collection: bytes, members: Iterable[tuple[str, bytes]]) -> None:
    connection.execute("UPDATE blobs SET is_collection = 1 WHERE hash = ?", (collection,))
    connection.executemany(
        "INSERT OR REPLACE INTO members VALUES (?, ?, ?)", ((collection, name, digest) for name, digest in members)
    )


def set_tag(connection: Connection, name: str, digest: bytes, now: float) -> None:
    if find(connection, digest) is None:
        raise BlobNotFound(f"no blob {digest.hex()} here to tag")
    connection.execute("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", (name, digest, now))


def tagged(connection: Connection, name: str) -> bytes | None:
    row = connection.execute("SELECT hash FROM tags WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def tags(connection: Connection, prefix: str) -> list[Tag]:
    rows = connection.execute(
        "SELECT name, tags.hash, size FROM tags JOIN blobs USING (hash) WHERE substr(name, 1, ?) = ? ORDER BY name",
        (len(prefix), prefix),
    )
    return [Tag(name, digest.hex(), size) for name, digest, size in rows]


def tags_of(connection: Connection, digest: bytes) -> tuple[str, ...]:
    rows = connection.execute("SELECT name FROM tags WHERE hash = ? ORDER BY name", (digest,))
    return tuple(row[0] for row in rows)


def page(connection: Connection, after: bytes, limit: int) -> list[Entry]:
    rows = connection.execute(
        "SELECT hash, size, is_collection, content FROM blobs WHERE hash > ? ORDER BY hash LIMIT ?", (after, limit)
    )
    return [Entry(row[0], row[1], bool(row[2]), row[3]) for row in rows]


def garbage(connection: Connection, after: bytes, before: float, limit: int) -> list[tuple[bytes, int]]:
    """Blobs that nothing keeps (see the view ``kept``) and that were added before a moment, by hash."""
    return connection.execute(
        "SELECT hash, size FROM blobs WHERE hash > ? AND added_at < ? AND hash NOT IN (SELECT hash FROM kept)"
        " ORDER BY hash LIMIT ?",
        (after, before, limit),
    ).fetchall()


def is_kept(connection: Connection, digest: bytes) -> bool:
    return connection.execute("SELECT 1 FROM kept WHERE hash = ?", (digest,)).fetchone() is not None


def remove(connection: Connection, digests: Sequence[bytes]) -> None:
    connection.executemany("DELETE FROM shares WHERE target = ?", ((f"blob:{digest.hex()}",) for digest in digests))
    connection.executemany("DELETE FROM blobs WHERE hash = ?", ((digest,) for digest in digests))


def hold(connection: Connection, holder: str, digest: bytes) -> None:
    connection.execute("INSERT OR IGNORE INTO holds VALUES (?, ?)", (holder, digest))


def let_go(connection: Connection, holder: str, digest: bytes) -> None:
    connection.execute("DELETE FROM holds WHERE holder = ? AND hash = ?", (holder, digest))
