"""The servers that `run` measures, each in a process of its own: python servers.py KIND PORT FOLDER.

``echo`` is the floor: a bare ASGI app on the same uvicorn that reads the body, hashes it and checks one HMAC. The
others are the policy service as `aster policy serve` runs it: ``policy`` without its rate limits, ``limited`` with them
(so high that they refuse nobody), ``unaudited`` without audit records and nonce rows, ``single`` with a transaction for
each request, ``small`` with 10,000 used nonces remembered in memory instead of 200,000, so that a soak soon sees that
memory full. With ``-slow`` every commit takes `SLOW_MS` longer, as on a disk whose fsync does.
"""

import asyncio
import hashlib
import hmac
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from aster.foundation.collector import spare_what_stays
from aster.foundation.http.server import HttpServer
from aster.foundation.sql import Connection, Database, SqliteDatabase

SECRET = "benchmark"
KINDS = ("echo", "policy", "limited", "unaudited", "single", "policy-slow", "single-slow", "small")
SLOW_MS = 3
PLENTY = 10**9


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Read, hash, check one HMAC, answer."""
    message = await receive()
    digest = hashlib.sha256(message["body"]).hexdigest().encode()
    hmac.compare_digest(hmac.digest(SECRET.encode(), digest, "sha256"), bytes(32))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


class SlowDisk(SqliteDatabase):
    """A file whose commits take longer."""

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with super()._transaction() as connection:
            yield connection
        time.sleep(SLOW_MS / 1000)


def service(kind: str, folder: str) -> Any:
    from prometheus_client import CollectorRegistry

    from aster.foundation.http.metrics import RequestMetrics
    from aster.policy.service import journal, nonces
    from aster.policy.service.app import create_policy_service
    from aster.policy.service.settings import PolicySettings

    if kind == "small":
        nonces.FRONT_CLAIMS = 5_000
    if kind.startswith("single"):
        journal.GROUP_ENTRIES = 1
    if kind == "unaudited":

        def forget(self: journal.Journal, claim: Any, chain: str, events: Sequence[journal.AnyEvent]) -> Any:
            claim.settled = True
            answer = asyncio.get_running_loop().create_future()
            answer.set_result(None)
            return answer

        journal.Journal.record = forget  # type: ignore[method-assign]
    file = Path(folder) / "policy.db"
    limited = kind == "limited"
    return create_policy_service(
        SlowDisk(file) if kind.endswith("-slow") else Database.open(file),
        PolicySettings(
            secret_key=SECRET,
            rate_enabled=limited,
            rate_requests=PLENTY,
            address_requests=PLENTY,
            most_versions=PLENTY,
        ),
        environ=dict(os.environ),
        metrics=RequestMetrics(CollectorRegistry()),
        alone=True,
    )


async def serve(app: Any, port: int) -> None:
    """As `aster policy serve` does, until the process is ended."""
    await HttpServer(host="127.0.0.1", port=port).start(app)
    spare_what_stays()
    await asyncio.Event().wait()


if __name__ == "__main__":
    kind, port, folder = sys.argv[1:]
    if kind == "echo":
        uvicorn.run(echo, port=int(port), lifespan="off", access_log=False, log_level="warning")
        raise SystemExit
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(service(kind, folder), int(port)))
