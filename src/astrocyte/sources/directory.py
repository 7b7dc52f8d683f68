"""A folder: every file that fits the pattern, looked through again as soon as something in it changes."""

import asyncio
import hashlib
from pathlib import Path

from aster.foundation.extras import load_extra
from astrocyte.sources.config import DirectorySource
from astrocyte.sources.model import Batch, Document, Item, SourceUnavailable
from astrocyte.sources.texts import MAX_BYTES, document

MAX_FILES = 100_000


class DirectoryReader:
    """Follows links to files inside the folder only: what a link points at outside is not read."""

    def __init__(self, settings: DirectorySource) -> None:
        self._settings = settings
        self._folder = Path(settings.path)
        self._watching = load_extra("watchfiles", extra="sources")
        self._is_first = True

    async def next(self, position: str | None) -> Batch:
        if not self._is_first:
            await self._changed()
        self._is_first = False
        items = await asyncio.to_thread(self._items)
        return Batch(items=items, position="", is_complete=True)

    async def acknowledge(self, batch: Batch) -> None:
        """Files stay where they are."""

    async def close(self) -> None:
        """Nothing is open between looks."""

    async def _changed(self) -> None:
        """Return when something changed, or after the interval: not every file system tells."""
        watch = self._watching.awatch(
            self._folder, rust_timeout=self._settings.interval_seconds * 1000, yield_on_timeout=True
        )
        try:
            async for _ in watch:
                return
        except (FileNotFoundError, OSError) as error:
            raise SourceUnavailable(f"{self._folder} can't be watched: {error.strerror or error}") from error

    def _items(self) -> list[Item]:
        root = self._folder.resolve()
        if not root.is_dir():
            raise SourceUnavailable(f"{self._folder} is no folder")
        items = []
        for path in sorted(root.glob(self._settings.glob)):
            if path.is_file() and path.resolve().is_relative_to(root) and not _is_hidden(path.relative_to(root)):
                items.append(_item(path, path.relative_to(root).as_posix()))
            if len(items) > MAX_FILES:
                raise SourceUnavailable(f"{self._folder} has more than {MAX_FILES} files; choose fewer with glob")
        return items


def _item(path: Path, name: str) -> Item:
    size = path.stat().st_size

    async def load() -> Document:
        try:
            content = await asyncio.to_thread(path.read_bytes) if size <= MAX_BYTES else b" " * (MAX_BYTES + 1)
        except OSError as error:
            raise SourceUnavailable(f"{name} can't be read: {error.strerror or error}") from error
        return document(name, content, {"path": name})

    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if size <= MAX_BYTES else f"{size} bytes"
    except OSError as error:
        raise SourceUnavailable(f"{name} can't be read: {error.strerror or error}") from error
    return Item(key=name, fingerprint=digest, load=load)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
