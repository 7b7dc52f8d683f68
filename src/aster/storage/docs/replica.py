"""One document in the store's database: entries merged in transactions, sums kept beside them in memory.

Changes are numbered. A replica that has been changed by another process finds out by its number, and a subscriber asks
for everything after the last number that it saw, so nothing is queued and nothing is lost.
"""

import functools
import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct

from aster.foundation.logs import get_logger
from aster.foundation.sql import Connection
from aster.storage.blobs import index
from aster.storage.docs.clock import HybridClock
from aster.storage.docs.entries import Entry, check_entry, key_bytes, sign_entry
from aster.storage.docs.reconciling import Part, answer, opening
from aster.storage.docs.summary import Summary
from aster.storage.errors import DocNotFound, EntryRefused, QuotaExceeded
from aster.storage.tickets import DocTicket
from aster.trust.keys import SigningKey

if TYPE_CHECKING:
    from aster.storage.docs.store import DocStore

logger = get_logger("aster.storage")

PAGE = 256


class Change(Struct, frozen=True):
    """A key that was set or deleted, here (``is_local``) or by another replica; ``seq`` numbers changes here."""

    key: str
    author: str
    size: int
    hash: str
    is_deleted: bool
    is_local: bool
    seq: int


class DocReplica:
    """One document. Methods block; threads may share it."""

    def __init__(self, store: "DocStore", namespace: bytes) -> None:
        self.namespace = namespace
        self.id = namespace.hex()
        self.refused = 0
        self._store = store
        self._limits = store.blobs.limits
        self._database = store.blobs.database
        self._lock = threading.RLock()
        self._clock = HybridClock(now=store.now)
        self._loaded = self._forgotten = 0
        self.summary = Summary()
        self.refresh()

    def set(self, key: str, value: bytes, author: SigningKey | None = None) -> Entry:
        """Set a key; a value above ``doc_inline_bytes`` becomes a blob."""
        encoded = key_bytes(key, self._limits)
        inline = len(value) <= self._limits.doc_inline_bytes
        if not inline:
            self._store.blobs.add_bytes(value)
        return self._write(encoded, value, author, inline=inline)

    def delete(self, key: str, author: SigningKey | None = None) -> bool:
        """Delete a key everywhere, by an entry that says so; False when there was none."""
        encoded = key_bytes(key, self._limits)
        found = self.entry(encoded)
        if found is None or found.is_deleted:
            return False
        self._write(encoded, None, author, inline=True)
        return True

    def get(self, key: str) -> bytes | None:
        """The value of a key; None when there is none. `BlobNotFound` for a large value that has not come yet."""
        found = self.entry(key_bytes(key, self._limits))
        if found is None or found.is_deleted:
            return None
        return found.value if found.value is not None else self._store.blobs.read_bytes(found.hash.hex())

    def changes(self, after: int = 0, prefix: str = "", limit: int = PAGE) -> list[Change]:
        """What has changed after a number, in the order it changed; of a key only the last."""
        start = prefix.encode()
        rows = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT key, author, size, hash, is_deleted, is_local, seq FROM entries"
                " WHERE doc = ? AND seq > ? AND substr(key, 1, ?) = ? ORDER BY seq LIMIT ?",
                (self.namespace, after, len(start), start, limit),
            ).fetchall()
        )
        return [_change(row) for row in rows]

    def entries(self, prefix: str = "", *, deleted: bool = False) -> Iterator[Change]:
        """The keys that begin with ``prefix``, in order."""
        start, after = prefix.encode(), b""
        while True:
            rows = self._database.read_now(functools.partial(_page, doc=self.namespace, start=start, after=after))
            for row in rows:
                if deleted or not row[4]:
                    yield _change(row)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def missing(self, limit: int) -> list[tuple[bytes, int]]:
        """Hashes and sizes of values that are blobs and not here."""
        rows = self._database.read_now(
            lambda connection: connection.execute(
                "SELECT DISTINCT hash, size FROM entries WHERE doc = ? AND value IS NULL AND is_deleted = 0"
                " AND hash NOT IN (SELECT hash FROM blobs) LIMIT ?",
                (self.namespace, limit),
            ).fetchall()
        )
        return [(row[0], row[1]) for row in rows]

    def has_value(self, digest: bytes) -> bool:
        """Is that the hash of a value of this document?"""
        query = "SELECT 1 FROM entries WHERE hash = ? AND doc = ? LIMIT 1"
        return self._database.read_now(
            lambda connection: connection.execute(query, (digest, self.namespace)).fetchone() is not None
        )

    def entry(self, key: bytes) -> Entry | None:
        """The entry of a key, deleted ones included."""
        return self._database.read_now(lambda connection: _find(connection, self.namespace, key))

    def found(self, keys: Iterable[bytes]) -> Iterator[Entry]:
        """The entries of those keys that are here, deleted ones included, in the order that was asked for."""
        left = iter(keys)
        while page := list(islice(left, PAGE)):
            yield from self._database.read_now(functools.partial(_find_all, namespace=self.namespace, keys=page))

    def identity(self, entry: Entry) -> bytes:
        """What the sums are made of."""
        return entry.identity(self.namespace)

    def merge(self, entries: Sequence[Entry]) -> None:
        """Take entries of another replica; those that are not rightly signed, or from the future, are left and counted.

        The document's state does not depend on the order in which entries come, nor on how often.
        """
        news = self._database.read_now(lambda connection: [each for each in entries if self._is_news(connection, each)])
        taken = [entry for entry in news if self._is_sound(entry)]
        if taken:
            self._apply(taken, is_local=False)

    def forget_deletions(self, older_than: float) -> int:
        """Remove the entries of keys that were deleted so many seconds ago; how many.

        A replica that was away for longer and still has such a key brings it back.
        """
        before = self._clock.before(older_than)

        def work(connection: Connection) -> int:
            count = connection.execute(
                "DELETE FROM entries WHERE doc = ? AND is_deleted = 1 AND clock < ?", (self.namespace, before)
            ).rowcount
            connection.execute("UPDATE docs SET forgotten = forgotten + ? WHERE id = ?", (count, self.namespace))
            return count

        count = self._database.write_now(work)
        self.refresh()
        return count

    def refresh(self) -> int:
        """Take note of what was written since, by any process; the number of the last change."""
        with self._lock:
            forgotten = self._database.read_now(self._forgotten_now)
            if forgotten != self._forgotten:
                self.summary, self._loaded, self._forgotten = Summary(), 0, forgotten
            while rows := self._database.read_now(self._rows_after):
                if not self._loaded:
                    self.summary = Summary((row[0], int.from_bytes(row[1], "big")) for row in rows)
                else:
                    for key, identity, _, _ in rows:
                        self.summary.put(key, int.from_bytes(identity, "big"))
                self._clock.see(max(row[2] for row in rows))
                self._loaded = rows[-1][3]
            return self._loaded

    def opening(self) -> tuple[Part, ...]:
        """The first message of an exchange with another replica."""
        with self._lock:
            self.refresh()
            return opening(self)

    def answer(self, message: Iterable[Part], max_bytes: int) -> tuple[Part, ...]:
        """What to send back to a message of an exchange, with at most about ``max_bytes`` of entries."""
        with self._lock:
            self.refresh()
            return answer(self, message, max_bytes)

    def ticket(self, addresses: Sequence[str], *, write: bool) -> DocTicket:
        """What lets another node read the document, or write it too; it answers such nodes from now on."""
        seed = self._store.write_key(self.namespace).seed if write else b""
        self._store.set_shared(self.namespace, is_shared=True)
        return DocTicket(self.namespace, seed, tuple(addresses))

    def _write(self, key: bytes, value: bytes | None, author: SigningKey | None, *, inline: bool) -> Entry:
        writer = self._store.write_key(self.namespace)
        with self._lock:
            self.refresh()
            entry = sign_entry(writer, author or self._store.author(), key, self._clock.tick(), value, inline=inline)
            self._apply([entry], is_local=True)
        return entry

    def _apply(self, entries: Sequence[Entry], *, is_local: bool) -> None:
        with self._lock:
            self._database.write_now(lambda connection: self._merge(connection, entries, is_local=is_local))
            self.refresh()
        self._store.announce()

    def _merge(self, connection: Connection, entries: Sequence[Entry], *, is_local: bool) -> None:
        row = connection.execute("SELECT seq FROM docs WHERE id = ?", (self.namespace,)).fetchone()
        if row is None:
            raise DocNotFound(f"document {self.id} was removed")
        seq, count = row[0], len(self.summary)
        for entry in entries:
            old = _find(connection, self.namespace, entry.key)
            if old is not None and old.rank >= entry.rank:
                continue
            if old is None:
                count += 1
            if count > self._limits.max_doc_entries:
                raise QuotaExceeded(f"document {self.id} has {count - 1} keys, its limit")
            seq += 1
            _store(connection, self.namespace, entry, self.identity(entry), seq, is_local=is_local)
            holder = f"doc:{self.id}:{entry.key.hex()}"
            if old is not None:
                index.let_go(connection, holder, old.hash)
            if entry.value is None and not entry.is_deleted:
                index.hold(connection, holder, entry.hash)
        connection.execute("UPDATE docs SET seq = ? WHERE id = ?", (seq, self.namespace))

    def _is_news(self, connection: Connection, entry: Entry) -> bool:
        mine = _find(connection, self.namespace, entry.key)
        return mine.rank < entry.rank if mine is not None else not self._is_forgotten(entry)

    def _is_forgotten(self, entry: Entry) -> bool:
        """A deletion of what is not here, so old that a garbage collection would forget it."""
        horizon = self._limits.tombstone_seconds
        return entry.is_deleted and horizon > 0 and entry.clock < self._clock.before(horizon)

    def _is_sound(self, entry: Entry) -> bool:
        try:
            check_entry(self.namespace, entry, self._limits)
            if self._clock.is_ahead(entry.clock, self._limits.max_clock_skew_seconds):
                raise EntryRefused(f"an entry of {entry.key[:40]!r} is refused: it is from the future")
        except EntryRefused as error:
            self.refused += 1
            logger.warning("an entry was refused", doc=self.id, reason=error.message)
            return False
        return True

    def _forgotten_now(self, connection: Connection) -> int:
        row = connection.execute("SELECT forgotten FROM docs WHERE id = ?", (self.namespace,)).fetchone()
        return 0 if row is None else int(row[0])

    def _rows_after(self, connection: Connection) -> list[tuple[bytes, bytes, int, int]]:
        return connection.execute(
            "SELECT key, identity, clock, seq FROM entries WHERE doc = ? AND seq > ? ORDER BY seq",
            (self.namespace, self._loaded),
        ).fetchall()


def _page(
    connection: Connection, *, doc: bytes, start: bytes, after: bytes
) -> list[tuple[bytes, bytes, int, bytes, int, int, int]]:
    return connection.execute(
        "SELECT key, author, size, hash, is_deleted, is_local, seq FROM entries"
        " WHERE doc = ? AND key > ? AND key >= ? AND substr(key, 1, ?) = ? ORDER BY key LIMIT ?",
        (doc, after, start, len(start), start, PAGE),
    ).fetchall()


def _find(connection: Connection, namespace: bytes, key: bytes) -> Entry | None:
    row = connection.execute(
        "SELECT key, author, clock, is_deleted, size, hash, author_signature, write_signature, value"
        " FROM entries WHERE doc = ? AND key = ?",
        (namespace, key),
    ).fetchone()
    return None if row is None else Entry(row[0], row[1], row[2], bool(row[3]), *row[4:])


def _find_all(connection: Connection, *, namespace: bytes, keys: Sequence[bytes]) -> list[Entry]:
    found = (_find(connection, namespace, key) for key in keys)
    return [entry for entry in found if entry is not None]


def _store(
    connection: Connection, namespace: bytes, entry: Entry, identity: bytes, seq: int, *, is_local: bool
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            namespace,
            entry.key,
            entry.author,
            entry.clock,
            entry.is_deleted,
            entry.size,
            entry.hash,
            entry.author_signature,
            entry.write_signature,
            entry.value,
            identity,
            seq,
            is_local,
        ),
    )


def _change(row: tuple[bytes, bytes, int, bytes, int, int, int]) -> Change:
    key, author, size, digest, is_deleted, is_local, seq = row
    shown = "" if is_deleted else digest.hex()
    return Change(key.decode(), author.hex(), size, shown, bool(is_deleted), bool(is_local), seq)
