"""kill -9 under load, again and again, on one database: nothing that was acknowledged may be missing.

    python -m benchmarks.policy_http.kill [--rounds 100]

Not a measurement. Each round starts the service on the same file, evaluates and deploys over 16 connections with
request ids of its own, and kills the process after a random time. Then the file is opened again: the hash chains
verify, every acknowledged evaluation is in its chain exactly once, every acknowledged version is stored, and an
acknowledged request that is sent again is refused as a replay. Exit code 1 at the first round that fails.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import msgspec
from benchmarks.policy_http.servers import SECRET

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Database
from aster.policy.service.policies import TenantPolicies
from aster.policy.service.signing import sign_request

TENANTS = ("acme", "globex")
CONNECTIONS = 16
SOURCE = 'Module round{number}.\n\nRule ping produce Text:\n  Return "pong {count}".\n'
EVALUATE, DEPLOY = "/api/v1/policies/evaluate-source", "/api/v1/policies"


class Acknowledged(msgspec.Struct):
    """What was answered, by tenant: evaluations by request id, versions by module and number; one request to replay."""

    evaluations: dict[str, set[str]] = msgspec.field(default_factory=lambda: {tenant: set() for tenant in TENANTS})
    versions: dict[str, set[tuple[str, int]]] = msgspec.field(default_factory=lambda: {name: set() for name in TENANTS})
    last: dict[str, Any] | None = None

    @property
    def count(self) -> int:
        return sum(map(len, self.evaluations.values())) + sum(map(len, self.versions.values()))


async def ask(http: httpx.AsyncClient, number: int, count: int, seen: Acknowledged) -> None:
    tenant, deploys = TENANTS[count % 2], count % 10 == 0
    path = DEPLOY if deploys else EVALUATE
    body = msgspec.json.encode({"source": SOURCE.format(number=number, count=count if deploys else 0)})
    request_id = f"{number}.{count}"
    headers = {
        **sign_request("POST", path, body, tenant=tenant, secret=SECRET, role="ADMIN"),
        "X-Request-Id": request_id,
        "Content-Type": "application/json",
    }
    answered = await http.post(path, content=body, headers=headers)
    if answered.status_code not in (200, 201):
        raise SystemExit(f"round {number}: answered {answered.status_code}: {answered.text}")
    if deploys:
        seen.versions[tenant].add((answered.json()["moduleName"], answered.json()["version"]))
    else:
        seen.evaluations[tenant].add(request_id)
        seen.last = {"url": path, "content": body, "headers": headers}


async def load(port: int, number: int, seen: Acknowledged, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Ask over many connections until the kill has ended them all."""
    counter = iter(range(10**9))

    async def connection(http: httpx.AsyncClient) -> None:
        while True:
            try:
                await ask(http, number, next(counter), seen)
            except httpx.TransportError:
                if process.poll() is not None:
                    return

    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=30) as http:
        tasks = [asyncio.create_task(connection(http)) for _ in range(CONNECTIONS)]
        before = seen.count
        while seen.count == before:
            await asyncio.sleep(0.01)
        await asyncio.sleep(seconds)
        process.kill()
        process.wait()
        await asyncio.gather(*tasks)


def start(port: int, folder: str, kind: str = "policy") -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(Path(__file__).with_name("servers.py")), kind, str(port), folder]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    for _ in range(2400):
        if process.poll() is not None:
            raise SystemExit("the server ended while it was starting")
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
        except httpx.TransportError:
            time.sleep(0.025)
        else:
            return process
    raise SystemExit("the server did not start")


def check(file: Path, seen: Acknowledged) -> int:
    """Raises `SystemExit` for anything that is missing; returns the records verified."""
    database, records = Database.open(file), 0
    log = AuditLog(database)
    for tenant in TENANTS:
        chain = f"policy:{tenant}"
        verified = log.verify(chain)
        if not verified.valid:
            raise SystemExit(f"{chain}: record {verified.broken_sequence}: {verified.reason}")
        records += verified.records
        found: Counter[str] = Counter()
        after = 0
        while page := log.records(chain, after=after, limit=5000):
            found.update(each.event["requestId"] for each in page if each.event["eventType"] == "POLICY_EVALUATED")
            after = page[-1].sequence
        if lost := [each for each in seen.evaluations[tenant] if found[each] != 1]:
            raise SystemExit(f"{chain}: acknowledged evaluations that are not there once: {sorted(lost)[:5]}")
        for module, version in seen.versions[tenant]:
            if not database.read_now(lambda link: stored(TenantPolicies(link, tenant), module, version)):  # noqa: B023
                raise SystemExit(f"{tenant}: acknowledged version {version} of {module} is not stored")
    database.close_now()
    return records


def stored(policies: TenantPolicies, module: str, version: int) -> bool:
    policy = policies.find_module(module)
    return policy is not None and version <= policy.last_version


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--port", type=int, default=18_180)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    everything = Acknowledged()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, options.rounds + 1):
            process = start(options.port, folder)
            if everything.last is not None:
                replayed = httpx.post(base(options.port, everything.last.pop("url")), **everything.last)
                if replayed.status_code != 409:
                    raise SystemExit(f"round {number}: a replay was answered {replayed.status_code}")
                everything.last = None
            asyncio.run(load(options.port, number, everything, process, moments.uniform(0.0, 1.5)))
            records = check(Path(folder) / "policy.db", everything)
            print(f"round {number}: {everything.count} acknowledged so far, {records} records verified", flush=True)
    print(f"nothing was lost in {options.rounds} kills")


def base(port: int, path: str) -> str:
    return f"http://127.0.0.1:{port}{path}"


if __name__ == "__main__":
    main()
