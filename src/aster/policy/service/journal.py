"""The journal of evaluations: nonces and audit records that arrive together are written together.

While one group is being made durable the next one gathers, on the event loop and without a timer: a group crosses to
the writer thread once, and pays for one statement where each of its members would pay for several. An evaluation is
answered only when its group is on disk. A replayed nonce undoes its own entry and nobody else's: then the group is
written anew, one entry after the other.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aster.foundation.audit import AuditError, AuditLog, Event
from aster.foundation.errors import AsterError
from aster.foundation.sql import Connection, Database
from aster.policy.service.errors import NonceReplayed
from aster.policy.service.nonces import Claim, insert_all

GROUP_ENTRIES = 512
AnyEvent = Mapping[str, Any] | Event
Outcome = AsterError | None


class _Entry:
    __slots__ = ("answer", "chain", "claim", "events")

    def __init__(
        self, claim: Claim | None, chain: str, events: Sequence[AnyEvent], answer: "asyncio.Future[None]"
    ) -> None:
        self.claim = claim
        self.chain = chain
        self.events = events
        self.answer = answer


class Journal:
    """Used from one event loop."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit
        self._waiting: list[_Entry] = []
        self._writing: asyncio.Task[None] | None = None

    async def record(self, claim: Claim | None, chain: str, events: Sequence[AnyEvent]) -> None:
        """Append ``events`` to ``chain`` and settle the nonce; returns when both are durable.

        Raises `NonceReplayed` with nothing written, `StorageError` when the disk refuses.
        """
        entry = _Entry(claim, chain, events, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_groups())
        try:
            await entry.answer
        except NonceReplayed:
            _settle(claim)
            raise
        _settle(claim)

    async def _write_groups(self) -> None:
        """Until nothing waits; then the next entry starts anew."""
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP_ENTRIES], self._waiting[GROUP_ENTRIES:]
                await self._write(group)
        finally:
            self._writing = None

    async def _write(self, group: Sequence[_Entry]) -> None:
        try:
            outcomes = await self._append(group)
        except Exception as error:  # noqa: BLE001 - whatever broke the group is every member's answer
            _fail_all(group, error)
            return
        for entry, outcome in zip(group, outcomes, strict=True):
            if entry.answer.done():
                continue
            if outcome is None:
                entry.answer.set_result(None)
            else:
                entry.answer.set_exception(outcome)

    async def _append(self, group: Sequence[_Entry]) -> Sequence[Outcome]:
        """All at once if every nonce is new, else one by one."""
        try:
            await self._database.write(lambda connection: self._append_all(connection, group))
        except (NonceReplayed, AuditError) as error:
            if len(group) == 1:
                return [error]
        else:
            return [None] * len(group)
        return await self._database.write(lambda connection: [self._append_one(connection, entry) for entry in group])

    def _append_all(self, connection: Connection, group: Sequence[_Entry]) -> None:
        insert_all(connection, [entry.claim for entry in group if entry.claim is not None and not entry.claim.settled])
        self._audit.append_many(connection, [(entry.chain, event) for entry in group for event in entry.events])

    def _append_one(self, connection: Connection, entry: _Entry) -> Outcome:
        connection.execute("SAVEPOINT entry")
        try:
            self._append_all(connection, [entry])
        except AsterError as error:
            connection.execute("ROLLBACK TO entry")
            connection.execute("RELEASE entry")
            return error
        connection.execute("RELEASE entry")
        return None


def _fail_all(group: Sequence[_Entry], error: Exception) -> None:
    for entry in group:
        if not entry.answer.done():
            entry.answer.set_exception(error)


def _settle(claim: Claim | None) -> None:
    if claim is not None:
        claim.settled = True
