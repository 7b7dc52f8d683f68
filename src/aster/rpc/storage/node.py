"""What a node keeps: one store in ``storage_path`` or in memory, opened when it is first used."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from aster.rpc.dialing import Dialer
from aster.rpc.storage.blob_service import BlobService, reader_of
from aster.rpc.storage.blobs import Blobs, Server
from aster.storage.blobs.sharing import Sharing
from aster.storage.blobs.store import BlobStore


class NodeStorage:
    """The stores of one server or client, their services, and their lifetime."""

    def __init__(
        self,
        path: str | None,
        dialer: Callable[[], Dialer | None],
        server: Server | None = None,
        address: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._store: BlobStore | None = None
        self._sharing: Sharing | None = None
        self.blobs = Blobs(self.store, self.sharing, dialer, server, address)

    @property
    def services(self) -> Sequence[object]:
        """What a server offers of it."""
        return (BlobService(self.store, reader_of(self.sharing)),)

    def store(self) -> BlobStore:
        """The blob store."""
        with self._lock:
            if self._store is None:
                self._store = BlobStore.in_memory() if self._path is None else BlobStore.at(self._path)
            return self._store

    def sharing(self) -> Sharing:
        """Its shares."""
        if self._sharing is None:
            self._sharing = Sharing(self.store())
        return self._sharing

    async def close(self) -> None:
        """Finish what is being written. Safe to call twice; what is used afterwards opens anew."""
        store, self._store, self._sharing = self._store, None, None
        if store is not None:
            await asyncio.to_thread(store.close)
