"""Writing for a request: its nonce becomes durable together with what it changes, and before its answer leaves."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from aster.foundation.http.request import Request
from aster.foundation.sql import Database
from aster.policy.service.errors import NonceReplayed
from aster.policy.service.nonces import Claim

T = TypeVar("T")


class Commits:
    """The write path of the HTTP service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, request: Request, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one transaction with the request's nonce; raises `NonceReplayed` with nothing written."""
        claim = _unsettled(request)
        if claim is None:
            return await self._database.write(work)

        def both(connection: sqlite3.Connection) -> T:
            claim.insert(connection)
            return work(connection)

        try:
            value = await self._database.write(both)
        except NonceReplayed:
            claim.settled = True
            raise
        claim.settled = True
        return value

    async def settle(self, request: Request) -> None:
        """Make the nonce durable if no write has done so: a request that changed nothing can't be replayed either."""
        claim = _unsettled(request)
        if claim is not None:
            claim.settled = True
            await self._database.write(claim.insert)


def _unsettled(request: Request) -> Claim | None:
    claim: Claim | None = request.state.get("claim")
    return None if claim is None or claim.settled else claim
