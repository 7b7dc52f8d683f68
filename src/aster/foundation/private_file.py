"""Files that only their owner can read, written at once and whole or not at all."""

import os
import stat
import tempfile
from pathlib import Path

from aster.foundation.errors import ConfigError
from aster.foundation.logs import get_logger

logger = get_logger("aster.trust")

_warned_of: set[tuple[Path, int]] = set()


def warn_if_readable_by_others(file: Path) -> None:
    """Say in the log, once a file and mode, that a secret can be read by more than its owner.

    A warning and no refusal: containers mount secrets as they please. Systems without modes have nothing to warn of.
    """
    if os.name != "posix":
        return
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return  # whoever reads it will say so
    if mode & (stat.S_IRGRP | stat.S_IROTH) and (file, mode) not in _warned_of:
        _warned_of.add((file, mode))
        logger.warning(f"{file} holds a secret and others can read it (mode {mode:o}): chmod 600 {file}")


def write_private_file(file: Path, text: str) -> None:
    """Replace ``file`` by ``text``, mode 0600; raises `ConfigError` and leaves what was there when that fails."""
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f"{file.name[:100]}.", suffix=".new", dir=file.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ConfigError(f"{file} can't be written: {error.strerror or error}") from None


def create_private_file(file: Path, text: str) -> None:
    """Write a new file, mode 0600; `ConfigError` when there is one already, which is left as it is."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{file} exists already", hint="it is never overwritten; choose another path") from None
    except OSError as error:
        raise ConfigError(f"{file} can't be written: {error.strerror or error}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        file.unlink(missing_ok=True)  # half a file is of no use
        raise ConfigError(f"{file} can't be written: {error.strerror or error}") from None
