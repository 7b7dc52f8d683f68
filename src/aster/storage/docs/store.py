"""The documents of a node, in the database of its blobs: made, joined, named, shared; and the keys that sign."""

import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from aster.foundation.sql import Connection
from aster.storage.blobs.chunks import parse_hash
from aster.storage.blobs.store import BlobStore
from aster.storage.docs.clock import milliseconds_now
from aster.storage.docs.replica import DocReplica
from aster.storage.errors import DocNotFound, DocReadOnly, NameInvalid
from aster.storage.tickets import DocTicket
from aster.trust.keys import SigningKey


class DocInfo(Struct, frozen=True):
    """A document that is here: its id (64 hex characters), its name here, what may be done with it."""

    id: str
    name: str | None
    can_write: bool
    is_shared: bool
    entries: int


class DocStore:
    """The documents beside a blob store. Methods block; threads may share it."""

    def __init__(self, blobs: BlobStore, now: Callable[[], int] = milliseconds_now) -> None:
        blobs.database.migrate("docs", "aster.storage.docs.migrations")
        self.blobs = blobs
        self.now = now
        self._lock = threading.Lock()
        self._open: dict[bytes, DocReplica] = {}
        self._listeners: list[Callable[[], object]] = []

    def create(self, name: str | None = None) -> DocReplica:
        """A new document; its id is a key that was made for it."""
        key = SigningKey.generate()
        self._insert(key.public, name, key.seed)
        return self.open(key.public.hex())

    def join(self, ticket: DocTicket, name: str | None = None) -> DocReplica:
        """The document that a ticket is for; what it holds comes with the first exchange."""
        if ticket.write_key and SigningKey.from_seed(_seed(ticket.write_key)).public != ticket.namespace:
            raise NameInvalid("the ticket's write key is not the document's")
        self._insert(ticket.namespace, name, ticket.write_key or None)
        return self.open(ticket.doc_id)

    def open(self, reference: str) -> DocReplica:
        """A document by id or name; `DocNotFound` when it is not here."""
        namespace = self._resolve(reference)
        with self._lock:
            replica = self._open.get(namespace)
            if replica is None:
                replica = self._open[namespace] = DocReplica(self, namespace)
        replica.refresh()
        return replica

    def remove(self, reference: str) -> None:
        """Forget a document here; other nodes keep theirs."""
        namespace = self._resolve(reference)

        def work(connection: Connection) -> None:
            connection.execute("DELETE FROM entries WHERE doc = ?", (namespace,))
            connection.execute("DELETE FROM docs WHERE id = ?", (namespace,))
            prefix = f"doc:{namespace.hex()}:"
            connection.execute("DELETE FROM holds WHERE substr(holder, 1, ?) = ?", (len(prefix), prefix))

        self.blobs.database.write_now(work)
        with self._lock:
            self._open.pop(namespace, None)

    def collect_garbage(self, *, older_than: float | None = None) -> int:
        """Forget deletions that are older than so many seconds, by default ``tombstone_seconds``; how many there were.

        Without either nothing is forgotten.
        """
        horizon = self.blobs.limits.tombstone_seconds if older_than is None else older_than
        if older_than is None and horizon == 0:
            return 0
        return sum(self.open(info.id).forget_deletions(horizon) for info in self.docs())

    def docs(self) -> Sequence[DocInfo]:
        """Every document here, by name."""
        rows = self.blobs.database.read_now(
            lambda connection: connection.execute(
                "SELECT id, name, write_seed IS NOT NULL, is_shared,"
                " (SELECT COUNT(*) FROM entries WHERE doc = docs.id AND is_deleted = 0) FROM docs ORDER BY name, id"
            ).fetchall()
        )
        return [DocInfo(row[0].hex(), row[1], bool(row[2]), bool(row[3]), row[4]) for row in rows]

    def shared(self, namespace: bytes) -> DocReplica | None:
        """A document that is here and was shared."""
        row = self.blobs.database.read_now(
            lambda connection: connection.execute("SELECT is_shared FROM docs WHERE id = ?", (namespace,)).fetchone()
        )
        return self.open(namespace.hex()) if row is not None and row[0] else None

    def set_shared(self, namespace: bytes, *, is_shared: bool) -> None:
        """Answer nodes that know the document's id, or no longer."""
        self.blobs.database.write_now(
            lambda connection: connection.execute("UPDATE docs SET is_shared = ? WHERE id = ?", (is_shared, namespace))
        )

    def author(self) -> SigningKey:
        """The key that this node's entries are signed with unless another is given; made when there is none."""

        def work(connection: Connection) -> bytes:
            row = connection.execute("SELECT seed FROM authors ORDER BY made_at LIMIT 1").fetchone()
            return row[0] if row is not None else self._new_author(connection)

        with self._lock:
            seed = self.blobs.database.read_now(
                lambda connection: connection.execute("SELECT seed FROM authors ORDER BY made_at LIMIT 1").fetchone()
            )
        return SigningKey.from_seed(seed[0] if seed is not None else self.blobs.database.write_now(work))

    def create_author(self) -> SigningKey:
        """One more author of this node."""
        return SigningKey.from_seed(self.blobs.database.write_now(self._new_author))

    def write_key(self, namespace: bytes) -> SigningKey:
        """The document's own key; `DocReadOnly` where it is not known."""
        row = self.blobs.database.read_now(
            lambda connection: connection.execute("SELECT write_seed FROM docs WHERE id = ?", (namespace,)).fetchone()
        )
        if row is None:
            raise DocNotFound(f"no document {namespace.hex()} here")
        if row[0] is None:
            raise DocReadOnly(
                f"document {namespace.hex()} can only be read here", hint="join it with a ticket that lets one write"
            )
        return SigningKey.from_seed(row[0])

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call ``listener`` after every change, from whatever thread made it; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def announce(self) -> None:
        for listener in list(self._listeners):
            listener()

    def _insert(self, namespace: bytes, name: str | None, seed: bytes | None) -> None:
        if name is not None and (not name or len(name) > 256 or not name.isprintable() or len(name) == 64):
            raise NameInvalid(f"{name[:80]!r} can't be a document's name", hint="1 to 256 printable characters, not 64")

        def work(connection: Connection) -> None:
            row = connection.execute("SELECT id FROM docs WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] != namespace:
                raise NameInvalid(f"there is a document '{name}' already", hint="choose another name")
            connection.execute(
                "INSERT INTO docs (id, name, write_seed) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " name = coalesce(excluded.name, name), write_seed = coalesce(excluded.write_seed, write_seed)",
                (namespace, name, seed),
            )

        self.blobs.database.write_now(work)

    def _resolve(self, reference: str) -> bytes:
        row = self.blobs.database.read_now(
            lambda connection: connection.execute("SELECT id FROM docs WHERE name = ?", (reference,)).fetchone()
        )
        namespace = row[0] if row is not None else (parse_hash(reference) if len(reference) == 64 else None)
        if namespace is not None and row is None:
            row = self.blobs.database.read_now(
                lambda connection: connection.execute("SELECT id FROM docs WHERE id = ?", (namespace,)).fetchone()
            )
        if row is None:
            raise DocNotFound(f"no document '{reference[:80]}' here")
        found: bytes = row[0]
        return found

    @staticmethod
    def _new_author(connection: Connection) -> bytes:
        key = SigningKey.generate()
        connection.execute("INSERT INTO authors VALUES (?, ?, ?)", (key.public, key.seed, time.time()))
        return key.seed


def _seed(seed: bytes) -> bytes:
    if len(seed) != 32:
        raise NameInvalid("the ticket's write key is not the document's")
    return seed
