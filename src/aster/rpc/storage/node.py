"""What a node keeps: one store in ``storage_path`` or in memory, opened when it is first used."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aster.config import AsterConfig
from aster.rpc.context import CallContext
from aster.rpc.dialing import Dialer
from aster.rpc.storage.blob_service import BlobService
from aster.rpc.storage.blobs import Blobs, Server
from aster.rpc.storage.doc_service import DocService
from aster.rpc.storage.docs import Docs
from aster.storage.blobs.sharing import Sharing
from aster.storage.blobs.store import BlobStore
from aster.storage.docs.store import DocStore
from aster.storage.limits import StorageLimits


@dataclass(frozen=True, slots=True)
class Opened:
    """The stores of a node, on one database."""

    blobs: BlobStore
    sharing: Sharing
    docs: DocStore


class NodeStorage:
    """The stores of one server or client, their services, and their lifetime."""

    def __init__(
        self,
        config: AsterConfig,
        dialer: Callable[[], Dialer | None],
        server: Server | None = None,
        address: Callable[[], str | None] = lambda: None,
        limits: StorageLimits | None = None,
    ) -> None:
        self._path = config.storage_path
        self._limits = StorageLimits.of(config) if limits is None else limits
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self.blobs = Blobs(lambda: self.opened().blobs, lambda: self.opened().sharing, dialer, server, address)
        self.docs = Docs(lambda: self.opened().docs, self.blobs, address)

    @property
    def services(self) -> Sequence[object]:
        """What a server offers of it."""
        return BlobService(lambda: self.opened().blobs, self._may_read), DocService(lambda: self.opened().docs)

    def opened(self) -> Opened:
        """The stores; opening them reads no content."""
        with self._lock:
            if self._opened is None:
                blobs = (
                    BlobStore.in_memory(self._limits) if self._path is None else BlobStore.at(self._path, self._limits)
                )
                self._opened = Opened(blobs, Sharing(blobs), DocStore(blobs))
            return self._opened

    async def close(self) -> None:
        """Finish what is being written. Safe to call twice; what is used afterwards opens anew."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await asyncio.to_thread(opened.blobs.close)

    def _may_read(self, digest: bytes, context: CallContext, secret: bytes) -> bool:
        """By a share; or as the value of a shared document whose id the caller shows. Code of this process always."""
        if context.roles is None:
            return True
        if self.opened().sharing.may_read(digest, roles=context.roles, secret=secret):
            return True
        replica = self.opened().docs.shared(secret)
        return replica is not None and replica.has_value(digest)
