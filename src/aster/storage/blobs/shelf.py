"""Where blobs' bytes lie: in files or in memory.

A draft is written first, under a name of its own and a lock; once its bytes are durable it is placed under its hash, by
a rename. Files are read and written at offsets, so nothing is ever held in memory whole.
"""

import contextlib
import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from aster.foundation.errors import StorageBusy, StorageError, StorageFull, StorageUnwritable

SUFFIXES = (".data", ".chunks", ".have")
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Content(Protocol):
    """Bytes at offsets."""

    def size(self) -> int: ...
    def read_at(self, offset: int, length: int) -> bytes: ...
    def write_at(self, offset: int, data: bytes | memoryview) -> None: ...
    def resize(self, size: int) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


DraftContents = tuple[Content, Content, Content]
"""A draft's bytes, its chunks' hashes, and a byte a chunk that says it is there."""


class Draft(Protocol):
    """A blob that is being written: its bytes, its chunks' hashes, and a byte a chunk that says it is there."""

    @property
    def data(self) -> Content: ...
    @property
    def hashes(self) -> Content: ...
    @property
    def have(self) -> Content: ...

    def place(self, digest: bytes, *, has_list: bool) -> None:
        """Make the draft, once it is synced, the content of ``digest``, durably."""

    def discard(self) -> None:
        """Remove every trace of it."""

    def leave(self) -> None:
        """Let go of it; a named one can be taken up again."""


class Shelf(Protocol):
    """A place for blobs' bytes."""

    def draft(self, name: str | None = None) -> Draft:
        """A new draft, or the one of that name; `StorageBusy` while someone else writes it."""

    def open(self, digest: bytes, *, has_list: bool) -> tuple[Content, Content | None]:
        """The bytes and the chunk list of a placed blob; `FileNotFoundError` when they are gone."""

    def remove(self, digest: bytes) -> None: ...
    def placed(self) -> Iterator[bytes]: ...
    def drafts(self) -> Iterator[str]:
        """Names of drafts that are being written, or were left to be taken up again."""

    def glimpse(self, name: str) -> DraftContents:
        """A named draft to read beside whoever writes it; `FileNotFoundError` when there is none."""

    def sweep(self) -> None:
        """Remove what processes that died have left, other than named drafts."""

    def close(self) -> None: ...


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"{path}: {error.strerror}", path=str(path)) from error
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise StorageUnwritable(f"{path}: {error.strerror}", path=str(path)) from error
        raise StorageError(f"{path}: {error.strerror or error}", path=str(path)) from error


class FileContent:
    """A file, by its descriptor: it can be read to its end even when it has been removed meanwhile."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        self.path = path
        with storage_errors(path):
            self._descriptor = os.open(path, (os.O_RDWR | os.O_CREAT) if write else os.O_RDONLY, 0o600)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        with storage_errors(self.path):
            return os.pread(self._descriptor, length, offset)

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        with storage_errors(self.path):
            left = memoryview(data)
            while left:
                written = os.pwrite(self._descriptor, left, offset)
                offset, left = offset + written, left[written:]

    def resize(self, size: int) -> None:
        with storage_errors(self.path):
            os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        with storage_errors(self.path):
            os.fsync(self._descriptor)

    def lock(self) -> bool:
        """Is it ours alone? The lock ends with the process, however that ends."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class FileDraft:
    """Three files beside each other; the lock is on the first."""

    def __init__(self, folder: Path, stem: Path) -> None:
        self.stem = stem
        self._folder = folder
        self.data = FileContent(stem.with_suffix(".data"), write=True)
        if not self.data.lock():
            self.data.close()
            raise StorageBusy(
                f"blob {stem.name.partition('-')[2]} is being fetched or written already",
                hint="wait for the other download or process; what it has fetched is kept",
            )
        self.hashes = FileContent(stem.with_suffix(".chunks"), write=True)
        self.have = FileContent(stem.with_suffix(".have"), write=True)

    def place(self, digest: bytes, *, has_list: bool) -> None:
        target = blob_path(self._folder, digest)
        with storage_errors(target):
            if not target.parent.is_dir():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                _sync_folder(self._folder)
            if has_list:
                self.stem.with_suffix(".chunks").replace(target.with_suffix(".chunks"))
            self.stem.with_suffix(".data").replace(target.with_suffix(".data"))
            _sync_folder(target.parent)
        self.discard()

    def discard(self) -> None:
        for suffix in reversed(SUFFIXES):
            self.stem.with_suffix(suffix).unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        for content in (self.have, self.hashes, self.data):
            content.close()


class FileShelf:
    """Files in a folder: ``ab/abcd….data`` with ``ab/abcd….chunks``, and drafts under ``drafts/``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._drafts = folder / "drafts"
        with storage_errors(folder):
            self._drafts.mkdir(parents=True, exist_ok=True, mode=0o700)

    def draft(self, name: str | None = None) -> Draft:
        return FileDraft(self._folder, self._drafts / (f"keep-{name}" if name else f"new-{uuid.uuid4().hex}"))

    def open(self, digest: bytes, *, has_list: bool) -> tuple[Content, Content | None]:
        path = blob_path(self._folder, digest)
        data = FileContent(path.with_suffix(".data"))
        if not has_list:
            return data, None
        try:
            return data, FileContent(path.with_suffix(".chunks"))
        except BaseException:
            data.close()
            raise

    def remove(self, digest: bytes) -> None:
        path = blob_path(self._folder, digest)
        with storage_errors(path):
            path.with_suffix(".data").unlink(missing_ok=True)
            path.with_suffix(".chunks").unlink(missing_ok=True)

    def placed(self) -> Iterator[bytes]:
        found = set()
        for file in self._folder.glob("??/*"):
            with contextlib.suppress(ValueError):
                found.add(bytes.fromhex(file.stem))
        yield from sorted(found)

    def drafts(self) -> Iterator[str]:
        for file in sorted(self._drafts.glob("keep-*.data")):
            yield file.stem.removeprefix("keep-")

    def glimpse(self, name: str) -> DraftContents:
        stem = self._drafts / f"keep-{name}"
        with contextlib.ExitStack() as opened:
            data, hashes, have = (
                opened.enter_context(contextlib.closing(FileContent(stem.with_suffix(suffix)))) for suffix in SUFFIXES
            )
            opened.pop_all()
        return data, hashes, have

    def sweep(self) -> None:
        for file in self._drafts.glob("new-*.data"):
            with contextlib.suppress(StorageBusy, FileNotFoundError):
                FileDraft(self._folder, file.with_suffix("")).discard()

    def close(self) -> None:
        return None


def blob_path(folder: Path, digest: bytes) -> Path:
    name = digest.hex()
    return folder / name[:2] / name


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class MemoryContent:
    """Bytes in memory."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def size(self) -> int:
        return len(self._bytes)

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(memoryview(self._bytes)[offset : offset + length])

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        if offset > len(self._bytes):
            self.resize(offset)
        self._bytes[offset : offset + len(data)] = data

    def resize(self, size: int) -> None:
        if size < len(self._bytes):
            del self._bytes[size:]
        else:
            self._bytes.extend(bytes(size - len(self._bytes)))

    def sync(self) -> None:
        return None

    def close(self) -> None:
        return None


class MemoryDraft:
    """A draft in memory; its shelf knows it while it has a name."""

    def __init__(self, shelf: "MemoryShelf", name: str | None) -> None:
        self.data, self.hashes, self.have = MemoryContent(), MemoryContent(), MemoryContent()
        self.is_taken = False
        self._shelf = shelf
        self._name = name

    def place(self, digest: bytes, *, has_list: bool) -> None:
        self._shelf.contents[digest] = self.data, self.hashes if has_list else None
        self.discard()

    def discard(self) -> None:
        if self._name is not None:
            self._shelf.named.pop(self._name, None)

    def leave(self) -> None:
        self.is_taken = False


class MemoryShelf:
    """What `FileShelf` is, until the process ends."""

    def __init__(self) -> None:
        self.contents: dict[bytes, tuple[MemoryContent, MemoryContent | None]] = {}
        self.named: dict[str, MemoryDraft] = {}

    def draft(self, name: str | None = None) -> Draft:
        if name is None:
            return MemoryDraft(self, None)
        draft = self.named.setdefault(name, MemoryDraft(self, name))
        if draft.is_taken:
            raise StorageBusy(f"blob {name} is being fetched already", hint="wait for the other download")
        draft.is_taken = True
        return draft

    def open(self, digest: bytes, *, has_list: bool) -> tuple[Content, Content | None]:
        try:
            return self.contents[digest]
        except KeyError:
            raise FileNotFoundError(digest.hex()) from None

    def remove(self, digest: bytes) -> None:
        self.contents.pop(digest, None)

    def placed(self) -> Iterator[bytes]:
        yield from sorted(self.contents)

    def drafts(self) -> Iterator[str]:
        yield from sorted(self.named)

    def glimpse(self, name: str) -> DraftContents:
        try:
            draft = self.named[name]
        except KeyError:
            raise FileNotFoundError(name) from None
        return draft.data, draft.hashes, draft.have

    def sweep(self) -> None:
        return None

    def close(self) -> None:
        self.contents.clear()
        self.named.clear()
