"""A branch of a Git repository: the files of its newest commit, by the hashes Git gives them."""

import asyncio
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from aster.foundation.extras import load_extra
from astrocyte.sources.config import GitSource
from astrocyte.sources.model import Batch, Document, Item, SourceUnavailable
from astrocyte.sources.texts import document

ANYWHERE = "**/"


class GitReader:
    """Keeps a bare copy in a temporary folder for as long as it runs; nothing of the repository is ever executed."""

    def __init__(self, settings: GitSource) -> None:
        self._settings = settings
        self._porcelain = load_extra("dulwich.porcelain", extra="sources")
        self._stores = load_extra("dulwich.object_store", extra="sources")
        self._folder = tempfile.TemporaryDirectory(prefix="astrocyte-git-")
        self._copy: Any = None
        self._is_first = True

    async def next(self, position: str | None) -> Batch:
        if not self._is_first:
            await asyncio.sleep(self._settings.interval_seconds)
        self._is_first = False
        try:
            return await asyncio.to_thread(self._batch)
        except SourceUnavailable:
            raise
        except Exception as error:
            raise SourceUnavailable(f"{self._settings.url} can't be fetched: {type(error).__name__}") from error

    async def acknowledge(self, batch: Batch) -> None:
        """Commits stay where they are."""

    async def close(self) -> None:
        if self._copy is not None:
            self._copy.close()
        await asyncio.to_thread(self._folder.cleanup)

    def _batch(self) -> Batch:
        head = self._fetch()
        tree = self._copy[head].tree
        items = [
            self._item(entry.path.decode("utf-8", "replace"), entry.sha)
            for entry in self._stores.iter_tree_contents(self._copy.object_store, tree)
            if _fits(entry.path.decode("utf-8", "replace"), self._settings.glob)
        ]
        return Batch(items=items, position=head.decode(), is_complete=True)

    def _fetch(self) -> bytes:
        """The newest commit of the branch, in our copy."""
        if self._copy is None:
            target = Path(self._folder.name) / "copy"
            self._copy = self._porcelain.init(str(target), bare=True)
        with open("/dev/null", "wb") as quiet:  # noqa: PTH123 - the library writes its progress to a file
            found = self._porcelain.fetch(self._copy, self._settings.url, outstream=quiet, errstream=quiet)
        refs = {name.decode(): sha for name, sha in found.refs.items() if sha is not None}
        wanted = f"refs/heads/{self._settings.branch}" if self._settings.branch else "HEAD"
        if wanted not in refs:
            raise SourceUnavailable(f"{self._settings.url} has no {wanted}")
        head: bytes = refs[wanted]
        return head

    def _item(self, name: str, sha: bytes) -> Item:
        async def load() -> Document:
            content = await asyncio.to_thread(lambda: self._copy[sha].data)
            return document(name, content, {"path": name, "repository": self._settings.url})

        return Item(key=name, fingerprint=sha.decode(), load=load)


def _fits(name: str, glob: str) -> bool:
    return fnmatch(name, glob) or (glob.startswith(ANYWHERE) and fnmatch(name, glob.removeprefix(ANYWHERE)))
