"""One download of a blob at a time: whoever asks for the same blob meanwhile joins it."""

import asyncio
import contextlib

from aster.rpc.storage.download import Download, Progress
from aster.storage.blobs.model import BlobRef
from aster.storage.errors import DownloadFailed


class Downloads:
    """The downloads of one node that are under way."""

    def __init__(self) -> None:
        self._running: dict[bytes, _Running] = {}

    async def run(self, download: Download, *, is_collection: bool | None) -> BlobRef:
        """Run a download, or wait for the one of the same blob that is under way.

        One that is joined and fails is followed by this one, for its peers may have what those have not. A download
        ends when all who wait for it are cancelled; what it has fetched stays. `StorageBusy` while another process
        fetches the blob into the same store.
        """
        while (running := self._running.get(download.digest)) is not None:
            if running.is_ending:
                await asyncio.wait([running.task])
                continue
            with contextlib.suppress(DownloadFailed):
                return await running.join(download.progress)
        progress = download.progress
        return await self._begin(download, is_collection).join(progress)

    def _begin(self, download: Download, is_collection: bool | None) -> "_Running":
        running = self._running[download.digest] = _Running(download, is_collection)
        running.task.add_done_callback(lambda _: self._running.pop(download.digest))
        return running


class _Running:
    def __init__(self, download: Download, is_collection: bool | None) -> None:
        self._told: list[Progress] = []
        self._waiting = 0
        self.is_ending = False
        download.progress = self._tell
        self.task = asyncio.ensure_future(download.run(is_collection=is_collection))

    async def join(self, progress: Progress | None) -> BlobRef:
        self._waiting += 1
        if progress is not None:
            self._told.append(progress)
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if progress is not None:
                self._told.remove(progress)
            if not self._waiting and not self.task.done():
                self.is_ending = True
                self.task.cancel()
                await asyncio.wait([self.task])

    def _tell(self, here: int, size: int) -> None:
        for progress in self._told:
            progress(here, size)
