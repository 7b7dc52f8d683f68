"""The servers that `run` measures, each in a process of its own: python servers.py KIND PORT FOLDER.

``echo`` is the floor: a bare ASGI app on the same uvicorn that reads the body, hashes it and checks one HMAC. The
others are the policy service as `aster policy serve` runs it, without its rate limits; ``unaudited`` leaves out audit
records and nonce rows, ``single`` commits each request alone, ``small`` remembers 10,000 used nonces in memory instead
of 200,000, so that a soak soon sees that memory full.
"""

import asyncio
import hashlib
import hmac
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from aster.foundation.collector import spare_what_stays

SECRET = "benchmark"
KINDS = ("echo", "policy", "unaudited", "single", "small")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Read, hash, check one HMAC, answer."""
    message = await receive()
    digest = hashlib.sha256(message["body"]).hexdigest().encode()
    hmac.compare_digest(hmac.digest(SECRET.encode(), digest, "sha256"), bytes(32))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


def service(kind: str, folder: str) -> Any:
    from prometheus_client import CollectorRegistry

    from aster.foundation.http.metrics import RequestMetrics
    from aster.foundation.sql import Database
    from aster.policy.service import journal, nonces
    from aster.policy.service.app import create_policy_service
    from aster.policy.service.settings import PolicySettings

    if kind == "small":
        nonces.FRONT_CLAIMS = 5_000
    if kind == "single":
        journal.GROUP_ENTRIES = 1
    if kind == "unaudited":

        def forget(self: journal.Journal, claim: Any, chain: str, events: Sequence[journal.AnyEvent]) -> Any:
            claim.settled = True
            answer = asyncio.get_running_loop().create_future()
            answer.set_result(None)
            return answer

        journal.Journal.record = forget  # type: ignore[method-assign]
    return create_policy_service(
        Database.open(Path(folder) / "policy.db"),
        PolicySettings(secret_key=SECRET, rate_enabled=False),
        environ=dict(os.environ),
        metrics=RequestMetrics(CollectorRegistry()),
        alone=True,
    )


if __name__ == "__main__":
    kind, port, folder = sys.argv[1:]
    app = echo if kind == "echo" else service(kind, folder)
    if kind != "echo":
        spare_what_stays()
    uvicorn.run(app, port=int(port), lifespan="off", access_log=False, log_level="warning")
