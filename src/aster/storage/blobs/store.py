"""The blob store: what is added is durable and whole before its hash is told; what is read is verified.

Content lies on a shelf (files, or memory), everything else in an index. A blob's files are placed inside the
transaction that writes its row, and removed inside one that finds no row: SQLite lets one process write at a time, so
several processes may share a store's folder.
"""

import contextlib
import functools
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

from aster.foundation.errors import AsterError, StorageUnwritable
from aster.foundation.sql import Connection, Database, MemoryDatabase
from aster.storage.blobs import index
from aster.storage.blobs.chunks import CHUNK_BYTES, parse_hash
from aster.storage.blobs.collections import Member, collection_bytes, parse_collection
from aster.storage.blobs.glimpse import Glimpse
from aster.storage.blobs.mending import damage_of, salvage
from aster.storage.blobs.model import BlobRef, BlobState, BlobStatus, Collected, Damage, Entry, Tag, Usage
from aster.storage.blobs.partial import PartialBlob
from aster.storage.blobs.reading import BlobReader
from aster.storage.blobs.shelf import Draft, FileShelf, MemoryContent, MemoryShelf, Shelf, storage_errors
from aster.storage.blobs.writing import BlobWriter, is_zeros
from aster.storage.errors import BlobDamaged, BlobNotFound, NameInvalid, QuotaExceeded
from aster.storage.limits import DEFAULT_STORAGE_LIMITS, StorageLimits

DATABASE = "storage.db"
READ_BYTES = 4 * CHUNK_BYTES
PAGE = 512
MAX_TAG = 512
GRACE_SECONDS = 3600.0
MAX_COLLECTION_BYTES = 64 * 1024 * 1024


class BlobStore:
    """Blobs by hash. Methods block; `aster.rpc.storage` gives them an asynchronous face. Threads may share it."""

    def __init__(self, database: Database, shelf: Shelf, limits: StorageLimits = DEFAULT_STORAGE_LIMITS) -> None:
        database.migrate("blobs", "aster.storage.blobs.migrations")
        self.database = database
        self.limits = limits
        self._shelf = shelf
        self._open: Counter[bytes] = Counter()
        self._checked: set[bytes] = set()
        self._glimpsed: set[bytes] = set()
        self._lock = threading.Lock()
        shelf.sweep()

    @classmethod
    def in_memory(cls, limits: StorageLimits = DEFAULT_STORAGE_LIMITS) -> Self:
        """A store that is gone when it is closed."""
        return cls(MemoryDatabase(), MemoryShelf(), limits)

    @classmethod
    def at(cls, folder: str | os.PathLike[str], limits: StorageLimits = DEFAULT_STORAGE_LIMITS) -> Self:
        """The store in ``folder`` (a ``storage_path``), which is made when it is not there."""
        path = Path(folder).expanduser()
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / DATABASE).touch(mode=0o600)  # documents' keys are in it
        except OSError as error:
            raise StorageUnwritable(f"{path} can't be written: {error.strerror or error}") from None
        return cls(Database.open(path / DATABASE), FileShelf(path / "blobs"), limits)

    def add_bytes(self, data: bytes, *, tag: str | None = None) -> BlobRef:
        """Add bytes; returns once they are durable. With ``tag`` the blob is tagged in the same step."""
        with self.writer(tag=tag) as writer:
            writer.write(data)
            return writer.finish()

    def add_file(self, path: str | os.PathLike[str], *, tag: str | None = None) -> BlobRef:
        """Add a copy of a file, of any size, in bounded memory."""
        file = Path(path).expanduser()
        with self.writer(tag=tag) as writer, storage_errors(file), _opened(file) as stream:
            while piece := os.read(stream, READ_BYTES):
                writer.write(piece)
            return writer.finish()

    def add_collection(self, members: Iterable[Member], *, tag: str | None = None) -> BlobRef:
        """Add a collection of blobs that are here; what keeps it keeps them."""
        found = list(members)
        for member in found:
            if not self.has(member.hash):
                raise BlobNotFound(f"no blob {member.hash} here to put into a collection")
        ref = self.add_bytes(collection_bytes(found))
        return self.mark_collection(ref.hash, tag=tag)

    def mark_collection(self, reference: "BlobRef | str", *, tag: str | None = None) -> BlobRef:
        """Say that a blob is a collection, after reading it as one."""
        digest = _digest(reference)
        members = self.members(reference)

        def work(connection: Connection) -> None:
            index.set_members(connection, digest, [(member.name, bytes.fromhex(member.hash)) for member in members])
            if tag is not None:
                index.set_tag(connection, _tag_name(tag), digest, time.time())

        self.database.write_now(work)
        return self.ref(digest.hex())

    def members(self, reference: "BlobRef | str") -> Sequence[Member]:
        """What is in a collection, by name; `NameInvalid` for a blob that is none."""
        with self.open(reference) as reader:
            if reader.size > MAX_COLLECTION_BYTES:
                raise NameInvalid(f"a collection of {reader.size} bytes is above {MAX_COLLECTION_BYTES}")
            return parse_collection(reader.read())

    def writer(self, *, tag: str | None = None) -> BlobWriter:
        """For content that comes in pieces: ``with store.writer() as writer: writer.write(...); writer.finish()``."""
        name = None if tag is None else _tag_name(tag)
        room = self.limits.max_total_bytes - self.usage().bytes
        return BlobWriter(
            self._shelf.draft,
            lambda entry, draft: self._commit(entry, draft, name),
            self.limits.inline_bytes,
            max(0, min(self.limits.max_blob_bytes, room)),
        )

    def partial(self, reference: "BlobRef | str") -> PartialBlob:
        """The download of a blob, begun or taken up again; `StorageBusy` while another one runs."""
        digest = _digest(reference)
        draft = self._shelf.draft(digest.hex())
        try:
            return PartialBlob(digest, draft, lambda entry, draft: self._commit(entry, draft, None))
        except BaseException:
            draft.leave()
            raise

    def glimpse(self, reference: "BlobRef | str") -> Glimpse:
        """What has come of a blob that is not whole, to read it; `BlobNotFound` when nothing has."""
        digest = _digest(reference)
        try:
            contents = self._shelf.glimpse(digest.hex())
        except FileNotFoundError:
            raise BlobNotFound(f"nothing of blob {digest.hex()} is here") from None
        glimpse = Glimpse(digest, contents)
        if digest not in self._glimpsed:
            try:
                glimpse.check_list()
            except BaseException:
                glimpse.close()
                raise
            self._glimpsed.add(digest)
        return glimpse

    def check_room(self, size: int) -> None:
        """`QuotaExceeded` when a blob of this size has no room."""
        if size > self.limits.max_blob_bytes:
            raise QuotaExceeded(f"a blob of {size} bytes is above the limit of {self.limits.max_blob_bytes}")
        self.database.read_now(lambda connection: index.check_room(connection, size, self.limits))

    def open(self, reference: "BlobRef | str") -> BlobReader:
        """Open a blob; `BlobNotFound` when it is not (wholly) here, `BlobDamaged` when its files are gone or torn."""
        return self._open_pinned(_digest(reference), is_checked_anew=False)

    def _open_pinned(self, digest: bytes, *, is_checked_anew: bool) -> BlobReader:
        with self._lock:
            self._open[digest] += 1
        try:
            return self._opened(digest, is_checked_anew=is_checked_anew)
        except BaseException:
            self._release(digest)
            raise

    def read_bytes(self, reference: "BlobRef | str", start: int = 0, end: int | None = None) -> bytes:
        """Bytes ``start`` up to ``end``; the whole blob by default."""
        with self.open(reference) as reader:
            return reader.read(start, end)

    def export_file(self, reference: "BlobRef | str", path: str | os.PathLike[str]) -> Path:
        """Write a blob to a file, which appears whole or not at all; chunks of zeros become holes."""
        target = Path(path).expanduser()
        with self.open(reference) as reader, storage_errors(target):
            descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".new", dir=target.parent)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    for piece in reader.pieces():
                        if is_zeros(piece):
                            stream.seek(len(piece), os.SEEK_CUR)
                        else:
                            stream.write(piece)
                    stream.truncate(reader.size)
                    os.fsync(stream.fileno())
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        return target

    def has(self, reference: "BlobRef | str") -> bool:
        """Is the whole blob here?"""
        digest = _digest(reference)
        return self.database.read_now(lambda connection: index.find(connection, digest)) is not None

    def ref(self, reference: "BlobRef | str") -> BlobRef:
        """A blob's size and kind; `BlobNotFound` when it is not here."""
        entry = self._entry(_digest(reference))
        return BlobRef(entry.digest.hex(), entry.size, entry.is_collection)

    def status(self, reference: "BlobRef | str") -> BlobStatus:
        """How much of a blob is here, a download under way included."""
        digest = _digest(reference)
        entry = self.database.read_now(lambda connection: index.find(connection, digest))
        if entry is not None:
            names = self.database.read_now(lambda connection: index.tags_of(connection, digest))
            return BlobStatus(digest.hex(), BlobState.COMPLETE, entry.size, entry.size, names)
        try:
            with self.glimpse(digest.hex()) as glimpse:
                return BlobStatus(digest.hex(), BlobState.PARTIAL, glimpse.size, glimpse.bytes_present)
        except BlobNotFound:
            return BlobStatus(digest.hex(), BlobState.MISSING)

    def refs(self) -> Iterator[BlobRef]:
        """Every blob that is whole, by hash."""
        for entry in self._entries():
            yield BlobRef(entry.digest.hex(), entry.size, entry.is_collection)

    def tag(self, name: str, reference: "BlobRef | str") -> None:
        """Name a blob, and keep it; a name that is in use moves."""
        text, digest = _tag_name(name), _digest(reference)
        self.database.write_now(lambda connection: index.set_tag(connection, text, digest, time.time()))

    def untag(self, name: str) -> bool:
        """Take a name away; False when there was none."""
        return self.database.write_now(
            lambda connection: connection.execute("DELETE FROM tags WHERE name = ?", (name,)).rowcount > 0
        )

    def tags(self, prefix: str = "") -> Sequence[Tag]:
        """Every name that begins with ``prefix``, in order."""
        return self.database.read_now(lambda connection: index.tags(connection, prefix))

    def tagged(self, name: str) -> str | None:
        """The hash that has a name."""
        digest = self.database.read_now(lambda connection: index.tagged(connection, name))
        return None if digest is None else digest.hex()

    def usage(self) -> Usage:
        """What is stored now."""
        return self.database.read_now(index.usage)

    def collect_garbage(self, *, grace_seconds: float = GRACE_SECONDS) -> Collected:
        """Remove blobs that nothing keeps: no tag, no doc, no collection that is kept, nobody who has them open.

        Those added within ``grace_seconds`` stay, for whoever added them may be about to tag them.
        """
        before, after, blobs, size = time.time() - grace_seconds, b"", 0, 0
        while True:
            work = functools.partial(self._remove_page, after=after, before=before)
            removed, after = self.database.write_now(work)
            blobs, size = blobs + len(removed), size + sum(each for _, each in removed)
            for digest, _ in removed:
                self._remove_files(digest)
            if not after:
                break
        for digest in self._shelf.placed():
            self._remove_files(digest)
        self._shelf.sweep()
        return Collected(blobs, size)

    def remove(self, reference: "BlobRef | str") -> bool:
        """Remove a blob at once; False when it is not here, `NameInvalid` while something keeps it."""
        digest = _digest(reference)

        def work(connection: Connection) -> bool:
            if index.find(connection, digest) is None:
                return False
            if index.is_kept(connection, digest) or digest in self._open:
                raise NameInvalid(f"{digest.hex()} is kept by a tag, a doc, a collection or a reader", hint="untag it")
            index.remove(connection, [digest])
            return True

        removed = self.database.write_now(work)
        self._remove_files(digest)
        return removed

    def partials(self) -> Iterator[BlobStatus]:
        """Downloads that are under way or were left, by hash."""
        for name in self._shelf.drafts():
            status = self.status(name)
            if status.state is BlobState.PARTIAL:
                yield status

    def discard_partial(self, reference: "BlobRef | str") -> None:
        """Remove what an unfinished download has left; `StorageBusy` while it runs."""
        self.partial(reference).discard()

    def verify(self) -> Iterator[Damage]:
        """Read everything and hold it to its hashes; what is wrong, blob by blob. Nothing is changed."""
        for ref in self.refs():
            damage = self.check(ref)
            if damage is not None:
                yield damage

    def check(self, reference: "BlobRef | str") -> Damage | None:
        """Read one blob and hold it to its hash; what is wrong with it. A blob that is not here is not damaged."""
        digest = _digest(reference)
        try:
            with self._open_pinned(digest, is_checked_anew=True) as reader:
                return damage_of(reader)
        except BlobDamaged as error:
            return Damage(digest.hex(), error.message)
        except BlobNotFound:
            return None

    def repair(self, reference: "BlobRef | str") -> PartialBlob:
        """Turn a damaged blob into a download of what is missing from it; its tags stay."""
        digest = _digest(reference)
        partial = self.partial(digest.hex())
        try:
            with contextlib.suppress(BlobDamaged), self._open_pinned(digest, is_checked_anew=True) as reader:
                salvage(reader, partial)  # unless not even the list of its chunks is good
        except BaseException:
            partial.leave()
            raise
        return partial

    def close(self) -> None:
        """Finish what is being written. Safe to call twice."""
        self.database.close_now()
        self._shelf.close()

    def _entry(self, digest: bytes) -> Entry:
        entry = self.database.read_now(lambda connection: index.find(connection, digest))
        if entry is None:
            raise BlobNotFound(f"no blob {digest.hex()} here")
        return entry

    def _entries(self) -> Iterator[Entry]:
        after = b""
        while True:
            entries = self.database.read_now(functools.partial(index.page, after=after, limit=PAGE))
            yield from entries
            if len(entries) < PAGE:
                return
            after = entries[-1].digest

    def _opened(self, digest: bytes, *, is_checked_anew: bool) -> BlobReader:
        """Chunks are checked with every read, their list once in a process: a fault in it would fit no chunk."""
        entry = self._entry(digest)
        if entry.content is not None:
            content = MemoryContent()
            content.write_at(0, entry.content)
            return BlobReader(entry, content, None, lambda: self._release(digest))
        try:
            data, hashes = self._shelf.open(digest, has_list=entry.size > CHUNK_BYTES)
        except FileNotFoundError:
            raise BlobDamaged(f"blob {digest.hex()}: its file is gone", hash=digest.hex()) from None
        reader = BlobReader(entry, data, hashes, lambda: self._release(digest))
        try:
            if data.size() != entry.size:
                raise BlobDamaged(
                    f"blob {digest.hex()}: its file has {data.size()} bytes instead of {entry.size}", hash=digest.hex()
                )
            if is_checked_anew or digest not in self._checked:
                reader.check_list()
                self._checked.add(digest)
        except BaseException:
            data.close()
            if hashes is not None:
                hashes.close()
            raise
        return reader

    def _release(self, digest: bytes) -> None:
        with self._lock:
            self._open[digest] -= 1
            if self._open[digest] <= 0:
                del self._open[digest]

    def _commit(self, entry: Entry, draft: Draft | None, tag: str | None) -> BlobRef:
        def work(connection: Connection) -> None:
            now = time.time()
            index.insert(connection, entry, now, self.limits)
            if draft is not None:  # content that is here already is placed again, whatever had become of it
                draft.place(entry.digest, has_list=entry.size > CHUNK_BYTES)
            if tag is not None:
                index.set_tag(connection, tag, entry.digest, now)

        try:
            self.database.write_now(work)
        except BaseException:
            with contextlib.suppress(AsterError):
                self._remove_files(entry.digest)
            raise
        return BlobRef(entry.digest.hex(), entry.size, entry.is_collection)

    def _remove_page(
        self, connection: Connection, *, after: bytes, before: float
    ) -> tuple[list[tuple[bytes, int]], bytes]:
        """What was removed, and where the next page begins; empty after the last."""
        found = index.garbage(connection, after, before, PAGE)
        with self._lock:
            removable = [(digest, size) for digest, size in found if digest not in self._open]
        index.remove(connection, [digest for digest, _ in removable])
        return removable, found[-1][0] if len(found) == PAGE else b""

    def _remove_files(self, digest: bytes) -> None:
        """Remove a blob's files if it has no row; decided where no other process can add one meanwhile."""

        def work(connection: Connection) -> None:
            entry = index.find(connection, digest)
            if entry is None or entry.content is not None:
                self._shelf.remove(digest)

        entry = self.database.read_now(lambda connection: index.find(connection, digest))
        if entry is None or entry.content is not None:
            self.database.write_now(work)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[int]:
    try:
        number = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        raise BlobNotFound(f"there is no file {file}") from None
    try:
        yield number
    finally:
        os.close(number)


def _digest(reference: "BlobRef | str") -> bytes:
    return parse_hash(reference.hash if isinstance(reference, BlobRef) else reference)


def _tag_name(name: str) -> str:
    if not name or len(name) > MAX_TAG or not name.isprintable():
        raise NameInvalid(f"{name[:80]!r} can't be a tag", hint=f"1 to {MAX_TAG} printable characters")
    return name
