"""What the layers ask about a tenant on every request, read from the database once a second.

A change counts at once in the process that made it, and as soon as its notice arrives in the others of a PostgreSQL
database; `REFRESH_MS` later at the latest, should a notice be lost.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from aster.foundation.sql import Database
from aster.policy.service.caller import Role
from aster.policy.service.tenants import TenantAdministration, TenantSettings

REFRESH_MS = 1_000
MOST_TENANTS = 10_000
MOST_USERS = 1_000


@dataclass(frozen=True, slots=True)
class _Known:
    read_ms: int
    settings: TenantSettings
    ceilings: dict[str, Role] = field(default_factory=dict)


class TenantCache:
    """Settings and ceilings by tenant. Used from one event loop."""

    def __init__(self, database: Database, *, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._known: dict[str, _Known] = {}
        self._forgotten = 0
        self._watching: list[Callable[[str, TenantSettings], None]] = []

    def watch(self, noticed: Callable[[str, TenantSettings], None]) -> None:
        """Call ``noticed`` with each tenant's settings whenever they were read."""
        self._watching.append(noticed)

    async def settings(self, tenant: str) -> TenantSettings:
        now_ms = self._now_ms()
        known = self._known.get(tenant)
        if known is None or not 0 <= now_ms - known.read_ms < REFRESH_MS:
            known = await self._fresh(tenant, now_ms)
        return known.settings

    def known_settings(self, tenant: str) -> TenantSettings | None:
        """What `settings` would return, if that takes no look-up."""
        known = self._known.get(tenant)
        if known is None or not 0 <= self._now_ms() - known.read_ms < REFRESH_MS:
            return None
        return known.settings

    def known_ceiling(self, tenant: str, user: str) -> Role | None:
        """What `ceiling` would return, if that takes no look-up."""
        known = self._known.get(tenant)
        if known is None or not 0 <= self._now_ms() - known.read_ms < REFRESH_MS:
            return None
        return known.ceilings.get(user)

    async def ceiling(self, tenant: str, user: str) -> Role:
        """The most a user may be in a tenant."""
        now_ms = self._now_ms()
        ceilings = (await self._fresh(tenant, now_ms)).ceilings
        found = ceilings.get(user)
        if found is None:
            found = await self._database.look_up(
                lambda connection: TenantAdministration(connection, tenant).ceiling(user, now_ms=now_ms)
            )
            if len(ceilings) < MOST_USERS:
                ceilings[user] = found
        return found

    def forget(self, tenant: str) -> None:
        """What was read of a tenant may have changed; of every tenant, when none is named. From any thread."""
        self._forgotten += 1
        if tenant:
            self._known.pop(tenant, None)
        else:
            self._known = {}

    async def _fresh(self, tenant: str, now_ms: int) -> _Known:
        known = self._known.get(tenant)
        if known is None or not 0 <= now_ms - known.read_ms < REFRESH_MS:
            forgotten = self._forgotten
            settings, _ = await self._database.look_up(lambda link: TenantAdministration(link, tenant).settings())
            if len(self._known) >= MOST_TENANTS:
                self._known.clear()
            known = _Known(now_ms, settings)
            if forgotten == self._forgotten:  # else what was read may be old already: good for this request alone
                self._known[tenant] = known
            for noticed in self._watching:
                noticed(tenant, settings)
        return known
