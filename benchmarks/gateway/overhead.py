"""What the gateway adds to a call: authentication in each mode, access decisions, routing, HTTP.

    python -m benchmarks.gateway.overhead [--rounds 15] [--calls 200] [--markdown]

Everything runs in one process, in turns within each round; medians over all calls, microseconds. "gateway" is one
request through the ASGI app without a socket; "floor" is the same app's table with an anonymous dev caller and no
rules. Bar: authentication + access + routing under 300 microseconds at the median in every mode, with the provider's
keys at hand; decisions flat in the number of grants.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from aster.foundation.http.server import HttpServer
from astrocyte.access.decisions import Authorizer
from astrocyte.access.grants import Grant
from astrocyte.access.identity import AstrocyteContext
from astrocyte.access.rules import AccessRules
from astrocyte.gateway.app import create_gateway
from astrocyte.gateway.settings import resolve_settings
from astrocyte.memory import Astrocyte

BAR_MICROSECONDS = 300
FLAT = 2.0
GRANTS = (10, 1_000, 100_000)
SECRET, KEY = "s" * 32, "k" * 32
ISSUER, AUDIENCE, KID = "https://issuer.example", "astrocyte", "one"
MEMORIES = 1_000

Timed = Callable[[], Awaitable[Any]]


async def call(app: Any, path: str, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
    """One request without a socket; anything but a success ends the program."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST" if body else "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    if sent[0]["status"] != 200:
        raise SystemExit(f"{path} answered {sent[0]['status']}: {sent[1]['body'][:200]!r}")


async def measure(timed: dict[str, Timed], rounds: int, calls: int) -> dict[str, float]:
    """Median microseconds of each, taken in turns."""
    found: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name, work in timed.items():
            for _ in range(calls):
                began = time.perf_counter_ns()
                await work()
                found[name].append((time.perf_counter_ns() - began) / 1000)
    return {name: statistics.median(times) for name, times in found.items()}


class Provider:
    """An identity provider's key set on a real socket."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self._document = {"keys": [public | {"kid": KID, "use": "sig", "alg": "RS256"}]}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        import json

        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(self._document).encode()})

    def token(self) -> str:
        claims = {"sub": "alice", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 3600}
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": KID})


def modes(provider: Provider, url: str) -> dict[str, tuple[dict[str, str], list[tuple[bytes, bytes]]]]:
    """Environment and headers of each mode."""
    hs256 = jwt.encode({"sub": "user:alice", "exp": int(time.time()) + 3600}, SECRET, algorithm="HS256")
    alice = (b"x-astrocyte-principal", b"user:alice")
    oidc = {"JWKS_URL": url, "ISSUER": ISSUER, "AUDIENCE": AUDIENCE}
    return {
        "dev": ({}, [alice]),
        "api_key": ({"ASTROCYTE_API_KEY": KEY}, [(b"x-api-key", KEY.encode()), alice]),
        "jwt_hs256": ({"ASTROCYTE_JWT_SECRET": SECRET}, [(b"authorization", f"Bearer {hs256}".encode())]),
        "jwt_oidc": (
            {f"ASTROCYTE_OIDC_{name}": value for name, value in oidc.items()},
            [(b"authorization", f"Bearer {provider.token()}".encode())],
        ),
    }


def decisions(grants: int) -> Timed:
    """A decision for a caller and a bank that the cache has not seen, among so many grants."""
    rules = AccessRules(
        enabled=True,
        grants=tuple(
            Grant(f"bank-{number}-*" if number % 3 == 0 else f"bank-{number}", f"user:u{number}", frozenset({"read"}))
            for number in range(grants)
        ),
    )
    authorizer = Authorizer(rules)
    number = 0

    async def decide() -> None:
        nonlocal number
        number += 1
        who = AstrocyteContext(f"user:u{number % grants}")
        authorizer.authorize(who, "recall", [f"bank-{number % grants}-{number}"])

    return decide


async def run(rounds: int, calls: int) -> tuple[dict[str, float], dict[int, float], dict[str, float]]:
    provider = Provider()
    server = HttpServer(host="127.0.0.1", port=0)
    await server.start(provider)
    with tempfile.TemporaryDirectory() as folder:
        values: dict[str, Any] = {
            "storage": {"url": f"sqlite:///{Path(folder) / 'memory.db'}"},
            "embedding": {"provider": "none"},
            "access_control": {"enabled": True},
        }
        async with Astrocyte.from_config_dict(values) as engine:
            body = b'{"operation": "recall", "bank_id": "user-alice"}'
            timed: dict[str, Timed] = {}
            for mode, (environ, headers) in modes(provider, server.url).items():
                app = create_gateway(engine, resolve_settings(environ={"ASTROCYTE_AUTH_MODE": mode, **environ}))
                typed = [*headers, (b"content-type", b"application/json")]
                timed[mode] = lambda app=app, typed=typed: call(app, "/v1/authz/check", typed, body)  # type: ignore[misc]
            access = await measure(timed, rounds, calls)
            flat = {grants: (await measure({"": decisions(grants)}, rounds, calls))[""] for grants in GRANTS}
            recalled = await recalls(engine, rounds, calls)
        await server.close()
    return access, flat, recalled


async def recalls(engine: Astrocyte, rounds: int, calls: int) -> dict[str, float]:
    """A recall in process, through the ASGI app, and over HTTP on a kept-alive connection."""
    alice = AstrocyteContext("user:alice")
    for number in range(MEMORIES):
        await engine.retain(f"fact {number} about topic {number % 50}", "user-alice", context=alice)
    app = create_gateway(engine, resolve_settings(environ={}))
    served = HttpServer(host="127.0.0.1", port=0)
    await served.start(app)
    body = b'{"query": "topic 7", "bank_id": "user-alice"}'
    headers = [(b"x-astrocyte-principal", b"user:alice"), (b"content-type", b"application/json")]
    async with httpx.AsyncClient() as client:

        async def over_http() -> None:
            answer = await client.post(f"{served.url}/v1/recall", content=body, headers=headers)
            answer.raise_for_status()

        found = await measure(
            {
                "in process": lambda: engine.recall("topic 7", "user-alice", context=alice),
                "through the ASGI app": lambda: call(app, "/v1/recall", headers, body),
                "over HTTP": over_http,
            },
            rounds,
            max(1, calls // 10),
        )
    await served.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=200)
    given = parser.parse_args()
    access, flat, recalled = asyncio.run(run(given.rounds, given.calls))
    print("| authentication + access + routing | µs | bar |\n|---|---|---|")
    for mode, value in access.items():
        print(f"| {mode} | {value:.0f} | {'met' if value < BAR_MICROSECONDS else 'NOT MET'} (< {BAR_MICROSECONDS}) |")
    print("\n| grants | µs a decision | against the fewest | bar |\n|---|---|---|---|")
    least = flat[GRANTS[0]]
    for grants, value in flat.items():
        ratio = value / least
        print(f"| {grants:,} | {value:.1f} | {ratio:.2f}x | {'met' if ratio < FLAT else 'NOT MET'} (< {FLAT:g}x) |")
    print("\n| recall, 1,000 memories, keywords | µs | against in process |\n|---|---|---|")
    for name, value in recalled.items():
        print(f"| {name} | {value:.0f} | {value / recalled['in process']:.2f}x |")


if __name__ == "__main__":
    main()
