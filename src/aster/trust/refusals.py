"""Refusals are told apart here, and only here: each goes to the log and, within a budget, to the audit chain.

Strangers cause them for free, so the chain takes `BURST` at once and one more every `SECONDS_EACH` after that; what it
leaves out is counted, and the count is written with the next refusal that fits, or when the server closes.
"""

import time
from collections.abc import Callable
from typing import Any

from aster.foundation.errors import StorageError
from aster.foundation.logs import get_logger
from aster.trust.nonces import AdmissionJournal

logger = get_logger("aster.trust")

BURST = 256
SECONDS_EACH = 10.0
MAX_REASON = 200


class Refusals:
    """Records who was turned away, and why."""

    def __init__(self, journal: AdmissionJournal, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal = journal
        self._clock = clock
        self._budget = float(BURST)
        self._seen = clock()
        self._suppressed = 0
        self.count = 0
        """How many were turned away."""

    async def record(self, peer: str | None, reason: str) -> None:
        """``peer`` is an EndpointId in hex, None when the connection ended before it proved one."""
        logger.info("a peer was refused", peer=peer, reason=reason)
        self.count += 1
        if not self._may_write():
            self._suppressed += 1
            return
        event: dict[str, Any] = {"event": "refused", "peer": peer, "reason": reason[:MAX_REASON]}
        await self._write(event)

    async def flush(self) -> None:
        """Write the count of what was left out."""
        if self._suppressed:
            await self._write({"event": "refused", "peer": None, "reason": "too many refusals to record each"})

    def _may_write(self) -> bool:
        now = self._clock()
        self._budget = min(float(BURST), self._budget + (now - self._seen) / SECONDS_EACH)
        self._seen = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    async def _write(self, event: dict[str, Any]) -> None:
        left_out, self._suppressed = self._suppressed, 0
        if left_out:
            event["suppressed"] = left_out
        try:
            await self._journal.refuse(event)
        except StorageError as error:
            self._suppressed += left_out + 1
            logger.error("a refusal could not be recorded", error=error.message)
