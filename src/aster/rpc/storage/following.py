"""Changes of a document as they happen, in pages, for as long as somebody asks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from aster.storage.docs.replica import Change, DocReplica
from aster.storage.docs.store import DocStore

LOOK_SECONDS = 1.0
"""How often what other processes wrote is looked for; changes of this one are told at once."""


class Following:
    """``async with Following(store, replica) as changes: async for page in changes: ...``, from entering on.

    Of a key that changes faster than it is read only the last change is told, so nothing piles up.
    """

    def __init__(self, store: DocStore, replica: DocReplica, prefix: str = "", after: int | None = None) -> None:
        self._store = store
        self._replica = replica
        self._prefix = prefix
        self._after = after
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._stop = self._store.listen(lambda: loop.call_soon_threadsafe(self._changed.set))
        if self._after is None:
            self._after = self._replica.refresh()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    async def __aiter__(self) -> AsyncIterator[Sequence[Change]]:
        seen = self._after or 0
        while True:
            self._changed.clear()
            while page := self._replica.changes(seen, self._prefix):
                seen = page[-1].seq
                yield page
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue
