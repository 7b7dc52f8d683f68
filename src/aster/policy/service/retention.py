"""How long a tenant keeps its audit records: older ones are cut off its chain, by a record that says so.

Looked at when the tenant's settings are read anew, at most once an hour, beside the requests. What statistics need is
counted before; a chain that does not verify is not cut.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from aster.foundation.audit import AuditLog
from aster.foundation.errors import AsterError
from aster.foundation.logs import get_logger
from aster.foundation.sql import Database
from aster.policy.service.caller import chain_of
from aster.policy.service.envelope import timestamp
from aster.policy.service.tenants import TenantSettings
from aster.policy.service.usage import UsageCounts

EVERY_MS = 3_600_000
DAY_SECONDS = 86_400
CUT_RECORDS = 2_000
"""Records that one transaction removes; other writes go on in between."""

MOST_TENANTS = 10_000

logger = get_logger("aster.policy.service")


class Retention:
    """Used from one event loop. ``now_ms`` is the service's clock."""

    def __init__(self, database: Database, audit: AuditLog, counts: UsageCounts, *, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._audit = audit
        self._counts = counts
        self._now_ms = now_ms
        self._due: dict[str, int] = {}
        self._cutting: set[asyncio.Task[None]] = set()
        self._closing = False

    def noticed(self, tenant: str, settings: TenantSettings) -> None:
        """A tenant's settings were read: cut what is too old, if it is time."""
        days, now_ms = settings.audit_retention_days, self._now_ms()
        if self._closing or days is None or now_ms < self._due.get(tenant, 0):
            return
        if len(self._due) >= MOST_TENANTS:
            self._due.clear()
        self._due[tenant] = now_ms + EVERY_MS
        task = asyncio.create_task(self.cut(tenant, days))
        self._cutting.add(task)
        task.add_done_callback(self._cutting.discard)

    async def close(self) -> None:
        """Begin nothing more and wait for the transactions under way; what is left is cut after the next start."""
        self._closing = True
        await asyncio.gather(*self._cutting)

    async def cut(self, tenant: str, days: int) -> None:
        """Cut what is older, part by part; what prevents it is logged."""
        before = timestamp(datetime.fromtimestamp(self._now_ms() / 1000 - days * DAY_SECONDS, UTC))
        event = {
            "eventType": "AUDIT_CUT",
            "actorId": "service",
            "actorRole": "SERVICE",
            "success": True,
            "payload": {"auditRetentionDays": days},
        }
        try:
            is_counted = False
            while not is_counted and not self._closing:
                _, is_counted = await self._counts.count(tenant)
            left = 1
            while left and not self._closing:
                left = await self._database.write(
                    lambda connection: self._audit.cut(
                        connection, chain_of(tenant), before=before, limit=CUT_RECORDS, event=event
                    )
                )
        except AsterError as error:
            logger.error("audit records were not cut", tenant=tenant, error_code=error.code, reason=error.message)
