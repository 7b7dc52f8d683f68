"""The indexes of the banks in use: brought up to date when asked for, the least recently used ones let go."""

import threading
import zlib
from collections import OrderedDict

from astrocyte.recall.bank_index import BankIndex, build_index
from astrocyte.stores.store import UNFINISHED, Changes, Store

CACHE_BYTES = 512 * 1024 * 1024
STRIPES = 64
FOLLOWED_DROPS = 256
"""More forgotten memories than this at once, and building anew is quicker than following."""


class BankIndexes:
    """Thread-safe. Another process's writes are seen too, for the bank's version in the store decides."""

    def __init__(self, store: Store, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._store = store
        self._cache_bytes = cache_bytes
        self._kept: OrderedDict[str, BankIndex] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._lock = threading.Lock()
        # A bank is followed by one thread at a time; a fixed set of locks can't grow with the names strangers ask for.
        self._following = tuple(threading.Lock() for _ in range(STRIPES))

    @property
    def held(self) -> tuple[int, int]:
        """How many indexes are kept, and their bytes."""
        with self._lock:
            return len(self._kept), self._total

    def current(self, bank_id: str) -> BankIndex | None:
        """The bank's index as of now; None when there is no such bank. Blocks while rows are read."""
        with self._following[zlib.crc32(bank_id.encode()) % STRIPES]:
            with self._lock:
                kept = self._kept.get(bank_id)
            changes = self._store.changes(bank_id, kept.position if kept else None)
            index = kept if changes is None else self._followed(bank_id, kept, changes)
            with self._lock:
                self._keep(bank_id, index)
            return index

    def _followed(self, bank_id: str, kept: BankIndex | None, changes: Changes) -> BankIndex | None:
        index = None
        is_same_space = kept is None or kept.space is None or kept.space == changes.space
        is_same_epoch = kept is None or kept.position.epoch == changes.position.epoch
        is_same_place = kept is None or kept.space is None or kept.is_remote == changes.is_remote
        if (
            kept is not None
            and is_same_space
            and is_same_epoch
            and is_same_place
            and len(changes.dropped) <= FOLLOWED_DROPS
        ):
            index = self._finished(bank_id, kept.followed(changes))
        if index is None or index.is_sparse:
            everything = changes if kept is None else self._store.changes(bank_id, None)
            index = self._finished(bank_id, build_index(everything)) if everything is not None else None
        return index

    def _finished(self, bank_id: str, index: BankIndex) -> BankIndex:
        """A large bank is told in parts."""
        while index.position.version == UNFINISHED:
            changes = self._store.changes(bank_id, index.position)
            if changes is None:
                break
            is_same_epoch = index.position.epoch == changes.position.epoch
            index = index.followed(changes) if is_same_epoch else build_index(changes)
        return index

    def _keep(self, bank_id: str, index: BankIndex | None) -> None:
        if index is None:
            return
        self._kept[bank_id] = index
        self._kept.move_to_end(bank_id)
        size = index.nbytes  # which grows with the questions that are asked of it, too
        self._total += size - self._sizes.get(bank_id, 0)
        self._sizes[bank_id] = size
        while self._total > self._cache_bytes and len(self._kept) > 1:
            oldest, _ = self._kept.popitem(last=False)
            self._total -= self._sizes.pop(oldest)
