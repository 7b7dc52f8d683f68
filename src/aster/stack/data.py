"""The data directory: made private, held by one process at a time, checked before anything is written."""

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from aster.foundation.errors import StorageBusy, StorageCorrupt, StorageUnwritable

SECRET_BYTES = 32
POLICY_SECRET = "policy.secret"  # noqa: S105 - a file name


class DataDirectory:
    """A folder of ours, locked from `open` to `close`; errors name it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def open(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageUnwritable(
                f"the data directory {self.path} can't be used: {error.strerror or error}",
                hint="choose another one with --data DIR",
                path=str(self.path),
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StorageBusy(
                f"the data directory {self.path} is in use by process {holder or '?'}",
                hint="stop that process, or choose another directory with --data DIR",
                path=str(self.path),
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor
        return self

    def close(self) -> None:
        """Release the lock; the kernel does the same for a process that was killed."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def file(self, name: str) -> Path:
        return self.path / name

    def secret(self, name: str) -> bytes:
        """A random secret that was made on the first start and lies in a file only its owner may read (hex text)."""
        file = self.file(name)
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return _read_secret(file)
        except OSError as error:
            raise StorageUnwritable(f"{file} can't be written: {error.strerror or error}") from error
        text = secrets.token_hex(SECRET_BYTES).encode()
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(text + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
        return text


def _read_secret(file: Path) -> bytes:
    try:
        text = file.read_bytes().strip()
    except OSError as error:
        raise StorageUnwritable(f"{file} can't be read: {error.strerror or error}") from error
    if len(text) != 2 * SECRET_BYTES or any(byte not in b"0123456789abcdef" for byte in text):
        raise StorageCorrupt(
            f"{file} does not hold a secret of {2 * SECRET_BYTES} hex characters",
            hint="remove it to have a new one made; clients must then use the new one",
        )
    return text
