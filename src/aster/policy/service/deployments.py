"""Which version of a module is active: the question that every evaluation of a stored policy asks first.

Where several processes write one database it is read each time, so that all see a new version at once. Where this
process alone writes, it knows when the answer changes, and the look-up is spared.
"""

from aster.foundation.sql import Database
from aster.policy.service.policies import TenantPolicies
from aster.policy.service.policy_rows import Deployed

MOST_TENANTS = 10_000
MOST_MODULES = 1_000


class Deployments:
    """Used from one event loop. ``alone``: nobody else writes this database."""

    def __init__(self, database: Database, *, alone: bool) -> None:
        self._database = database
        self._alone = alone
        self._known: dict[str, dict[tuple[str, int | None], Deployed]] = {}
        self._changes = 0

    def known(self, tenant: str, module: str, version: int | None) -> Deployed | None:
        """What `find` would return, if that takes no look-up."""
        modules = self._known.get(tenant)
        return None if modules is None else modules.get((module, version))

    async def find(self, tenant: str, module: str, version: int | None) -> Deployed:
        """The active version, or the pinned one; raises `PolicyNotFound`."""
        if (known := self.known(tenant, module, version)) is not None:
            return known
        before = self._changes
        found = await self._database.look_up(
            lambda connection: TenantPolicies(connection, tenant).deployed(module, version)
        )
        if self._alone and self._changes == before:
            self._keep(tenant, (module, version), found)
        return found

    def forget(self, tenant: str) -> None:
        """Something of the tenant's has changed, and is durable."""
        self._changes += 1
        self._known.pop(tenant, None)

    def _keep(self, tenant: str, key: tuple[str, int | None], found: Deployed) -> None:
        if len(self._known) >= MOST_TENANTS:
            self._known.clear()
        modules = self._known.setdefault(tenant, {})
        if len(modules) >= MOST_MODULES:
            modules.clear()
        modules[key] = found
