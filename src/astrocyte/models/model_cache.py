"""Converted models on disk: one file each, written in one step, checked when read, rebuilt when damaged.

A file is the SHA-256 of its content (64 hex characters), a newline, the content. It is written beside its place and
moved there, so a reader sees a whole file or none, and two processes that convert at once both end with a good one.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from aster.foundation.logs import get_logger

HEAD = 65

logger = get_logger("astrocyte.models")


def cache_directory(environ: Mapping[str, str] | None = None) -> Path:
    """``$ASTER_CACHE_DIR``, else ``$XDG_CACHE_HOME/aster``, else ``~/.cache/aster``."""
    variables = os.environ if environ is None else environ
    if own := variables.get("ASTER_CACHE_DIR", "").strip():
        return Path(own).expanduser()
    if shared := variables.get("XDG_CACHE_HOME", "").strip():
        return Path(shared).expanduser() / "aster"
    return Path("~/.cache/aster").expanduser()


def load_or_build(path: Path, build: Callable[[], bytes]) -> bytes:
    """The content of ``path``, or what ``build`` makes, kept there if the folder can be written."""
    kept = _read(path)
    if kept is not None:
        return kept
    content = build()
    try:
        _write(path, content)
    except OSError as error:
        logger.warning("the converted model can't be kept", path=str(path), reason=error.strerror or str(error))
    return content


def _read(path: Path) -> bytes | None:
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    content = raw[HEAD:]
    if raw[:HEAD] == _head(content):
        return content
    logger.warning("the kept model is damaged and is built again", path=str(path))
    return None


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(_head(content))
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _head(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b"\n"
