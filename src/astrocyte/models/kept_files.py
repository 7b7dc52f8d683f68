"""Converted models on disk: one file each, written in one step, named and checked by the SHA-256 of its content.

A file is written beside its place and moved there, so a reader sees a whole file or none, and two processes that
convert at once both end with a good one.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path


def cache_directory(environ: Mapping[str, str] | None = None) -> Path:
    """``$ASTER_CACHE_DIR``, else ``$XDG_CACHE_HOME/aster``, else ``~/.cache/aster``."""
    variables = os.environ if environ is None else environ
    if own := variables.get("ASTER_CACHE_DIR", "").strip():
        return Path(own).expanduser()
    if shared := variables.get("XDG_CACHE_HOME", "").strip():
        return Path(shared).expanduser() / "aster"
    return Path("~/.cache/aster").expanduser()


def environment_directory() -> Path:
    """Inside the Python environment, so that a model goes where the environment goes, as into a container's image."""
    return Path(sys.prefix, "share", "aster")


def find_kept(name: str, cache: Path | None = None) -> Path | None:
    """The file of that name in ``cache`` (or the user's), else in the environment; it is not looked into."""
    for folder in (cache or cache_directory(), environment_directory()):
        file = folder / name
        try:
            if file.is_file():
                return file
        except OSError:
            continue
    return None


def is_whole(file: Path, sha256: str) -> bool:
    """Whether the file can be read and has that SHA-256."""
    try:
        with file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest() == sha256
    except OSError:
        return False


def keep(file: Path, content: bytes) -> None:
    """Write it whole or not at all, durably. Raises `OSError`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        Path(name).chmod(0o644)  # others who share the environment may read it; its content is checked when it is
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
