"""Writing for a request: its nonce becomes durable together with what it changes, and before its answer leaves."""

from collections.abc import Callable
from typing import Any, TypeVar

from aster.foundation.http.reply import Reply, json_reply
from aster.foundation.http.request import Request
from aster.foundation.sql import Connection, Database
from aster.policy.service.caller import caller_of
from aster.policy.service.errors import NonceReplayed
from aster.policy.service.idempotency import replay_of
from aster.policy.service.nonces import Claim

T = TypeVar("T")


class Commits:
    """The write path of the HTTP service. ``now_ms`` is the service's clock."""

    def __init__(self, database: Database, *, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms

    async def write(self, request: Request, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction with the request's nonce; raises `NonceReplayed` with nothing written."""
        claim = claim_of(request)
        if claim is None:
            return await self._database.write(work)

        def both(connection: Connection) -> T:
            claim.insert(connection)
            return work(connection)

        try:
            value = await self._database.write(both)
        except NonceReplayed:
            claim.settled = True
            raise
        claim.settled = True
        return value

    async def change(self, request: Request, work: Callable[[Connection], Any]) -> Reply:
        """`write`, once for each ``Idempotency-Key``: asked again, the first answer is given again."""
        replay = await replay_of(request, caller_of(request).tenant, self._now_ms())

        def once(connection: Connection) -> Reply:
            if replay is not None and (earlier := replay.find(connection)) is not None:
                return earlier
            reply = _reply_of(request, work(connection))
            if replay is not None:
                replay.keep(connection, reply)
            return reply

        return await self.write(request, once)

    async def settle(self, request: Request) -> None:
        """Make the nonce durable if no write has done so: a request that changed nothing can't be replayed either."""
        claim = claim_of(request)
        if claim is not None:
            claim.settled = True
            await self._database.write(claim.insert)


def claim_of(request: Request) -> Claim | None:
    """The request's hold on its nonce, None once that is durable."""
    claim: Claim | None = request.state.get("claim")
    return None if claim is None or claim.settled else claim


def _reply_of(request: Request, value: Any) -> Reply:
    if isinstance(value, Reply):
        return value
    route = request.match.route
    return json_reply(value, route.status if route is not None else 200)
