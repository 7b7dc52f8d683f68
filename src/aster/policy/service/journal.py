"""The journal of evaluations: nonces and audit records that arrive together are written together.

While one group is being made durable the next one gathers, on the event loop and without a timer: a group crosses to
the writer thread once, and pays for one statement where each of its members would pay for several. An evaluation is
answered only when its group is on disk. A replayed nonce undoes its own entry and nobody else's.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aster.foundation.audit import AuditLog
from aster.foundation.errors import AsterError
from aster.foundation.sql import Connection, Database
from aster.policy.service.errors import NonceReplayed
from aster.policy.service.nonces import Claim, insert_all

GROUP_ENTRIES = 512
Outcome = AsterError | None


@dataclass(frozen=True, slots=True)
class _Entry:
    claim: Claim | None
    chain: str
    events: Sequence[Mapping[str, Any]]
    answer: "asyncio.Future[None]"


class Journal:
    """Used from one event loop."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit
        self._waiting: list[_Entry] = []
        self._writing: asyncio.Task[None] | None = None

    async def record(self, claim: Claim | None, chain: str, events: Sequence[Mapping[str, Any]]) -> None:
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
            outcomes = await self._database.write(lambda connection: self._append(connection, group))
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

    def _append(self, connection: Connection, group: Sequence[_Entry]) -> list[Outcome]:
        """All at once if every nonce is new, else one by one."""
        claims = [entry.claim for entry in group if entry.claim is not None and not entry.claim.settled]
        if insert_all(connection, claims):
            self._append_events(connection, group)
            return [None] * len(group)
        return [self._append_one(connection, entry) for entry in group]

    def _append_one(self, connection: Connection, entry: _Entry) -> Outcome:
        connection.execute("SAVEPOINT entry")
        try:
            if entry.claim is not None and not entry.claim.settled:
                entry.claim.insert(connection)
            self._append_events(connection, [entry])
        except AsterError as error:
            connection.execute("ROLLBACK TO entry")
            connection.execute("RELEASE entry")
            return error
        connection.execute("RELEASE entry")
        return None

    def _append_events(self, connection: Connection, entries: Sequence[_Entry]) -> None:
        self._audit.append_many(connection, [(entry.chain, event) for entry in entries for event in entry.events])


def _fail_all(group: Sequence[_Entry], error: Exception) -> None:
    for entry in group:
        if not entry.answer.done():
            entry.answer.set_exception(error)


def _settle(claim: Claim | None) -> None:
    if claim is not None:
        claim.settled = True
