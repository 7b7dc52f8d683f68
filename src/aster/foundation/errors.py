"""The family of errors: one base, one class for each thing a caller can act on, a stable code on every class."""

from collections.abc import Mapping
from typing import Any, ClassVar


class AsterError(Exception):
    """Base of every error this platform raises on purpose.

    ``code`` is a stable word for programs; ``message`` is for people and names the offending value (never a secret);
    ``hint`` tells the way out; ``details`` carries what a program may want to read.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(self, message: str, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: Mapping[str, Any] = details

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(AsterError):
    """A setting is missing, malformed or contradicts another one."""

    code = "CONFIG_INVALID"


class MissingExtra(AsterError):
    """A feature needs an optional dependency that is not installed."""

    code = "EXTRA_MISSING"


class StorageError(AsterError):
    """The data directory or database could not do what was asked; nothing was half-written."""

    code = "STORAGE_FAILED"


class StorageCorrupt(StorageError):
    """A stored file is not what it should be; it is left untouched."""

    code = "STORAGE_CORRUPT"


class StorageUnwritable(StorageError):
    """A stored file or folder can't be written by this process."""

    code = "STORAGE_UNWRITABLE"


class StorageBusy(StorageError):
    """Another process holds the data directory or a lock for longer than we wait."""

    code = "STORAGE_BUSY"


class StorageFull(StorageError):
    """The disk is full; the transaction was rolled back."""

    code = "STORAGE_FULL"


class StorageUnavailable(StorageError):
    """The database server can't be reached or stopped answering; try again later."""

    code = "STORAGE_UNAVAILABLE"


class ConstraintViolated(StorageError):
    """A row that the database's own rules refuse, such as a key that is taken; the work was undone."""

    code = "STORAGE_CONSTRAINT"
