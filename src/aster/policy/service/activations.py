"""Noticing activated versions: those of this process at once, those of others as soon as their notice arrives, and
within `POLL_SECONDS` where there are no notices (SQLite) or one was lost.

A listener keeps what it told last and asks for what differs, so there is no queue that could overflow: one that reads
slowly is told the latest state, not every step to it.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from aster.foundation.sql import Database
from aster.policy.service.policies import TenantPolicies
from aster.policy.service.policy_rows import Activation

POLL_SECONDS = 1.0


class Listener:
    """One tenant's activations, for one reader."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._known: dict[str, int] = {}
        self.stirred = asyncio.Event()

    async def news(self) -> list[Activation]:
        """What became active since the last call; the first gives all that is active."""
        latest = await self._database.look_up(lambda link: TenantPolicies(link, self._tenant).activations())
        news = [each for each in latest if self._known.get(each.policy_id) != each.number]
        self._known = {each.policy_id: each.number for each in latest}
        return news

    async def wait(self) -> list[Activation]:
        """`news`, once there is any."""
        while True:
            await self.stirred.wait()
            self.stirred.clear()
            if news := await self.news():
                return news


class Activations:
    """The listeners of one process. Used from one event loop; polls only while somebody listens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: dict[str, set[Listener]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def listening(self, tenant: str) -> Iterator[Listener]:
        listener = Listener(self._database, tenant)
        self._listeners.setdefault(tenant, set()).add(listener)
        if self._polling is None:
            self._loop = asyncio.get_running_loop()
            self._polling = asyncio.create_task(self._poll())
        try:
            yield listener
        finally:
            self._listeners[tenant].discard(listener)
            if not self._listeners[tenant]:
                del self._listeners[tenant]
            if not self._listeners:
                self._polling.cancel()
                self._polling = None

    def changed(self, tenant: str) -> None:
        """A change of this process is durable."""
        for listener in self._listeners.get(tenant, ()):
            listener.stirred.set()

    def heard(self, tenant: str) -> None:
        """Another process changed something of a tenant; of any tenant, when none is named. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stir, tenant)

    def _stir(self, tenant: str) -> None:
        for each in [tenant] if tenant else list(self._listeners):
            self.changed(each)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            for tenant in self._listeners:
                self.changed(tenant)
