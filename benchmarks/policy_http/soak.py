"""Full load for a while, and whether anything grows: memory, descriptors, threads, errors.

    python -m benchmarks.policy_http.soak [--seconds 600] [--connections 32]

Not a measurement of speed. Every request is signed anew: stored evaluations, sources, batches, reads, refusals and
deployments. Memory must be flat once the caches that are bounded by count are full (used nonces: 10,000 in this
server), which is why growth is counted over the second half. Exit code 1 for any answer that was not expected, a chain
that does not verify, or growth above 10 %.
"""

import argparse
import asyncio
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
from benchmarks.policy_http.kill import start
from benchmarks.policy_http.load import cpu_seconds
from benchmarks.policy_http.servers import SECRET

from aster.foundation.audit import AuditLog
from aster.foundation.sql import Database
from aster.policy import compile_source
from aster.policy.client import PolicyClient
from aster.policy.service.signing import sign_request

TENANTS = [f"tenant{number}" for number in range(8)]
SOURCE = 'Module demo.\n\nRule ping given name as Text, produce Text:\n  Return "pong {number}".\n'
USER = "Module user.\n\nUse demo.\n\nRule ask given name as Text, produce Text:\n  Return demo.ping(name).\n"
API = "/api/v1/policies"
DOCUMENT = msgspec.json.encode({"policy": compile_source(SOURCE.format(number=1)).core_ir(), "context": ["a"]})
MOST_GROWTH = 1.10


def call(number: int) -> tuple[str, str, bytes, str, int]:
    """Method, target, body, role and the status to expect of the so manieth request."""
    kind = number % 20
    if kind == 0:
        return "POST", API, msgspec.json.encode({"source": SOURCE.format(number=number // 20 % 50)}), "MEMBER", 201
    if kind == 1:
        return "GET", "/api/v1/audit?size=10", b"", "ADMIN", 200
    if kind == 2:
        return "GET", "/api/v1/audit/head", b"", "VIEWER", 403
    if kind == 3:
        inputs = [{"name": "a"}] * 10
        body = msgspec.json.encode({"source": SOURCE.format(number=1), "inputs": inputs})
        return "POST", f"{API}/evaluate-source-batch", body, "MEMBER", 200
    if kind == 5:
        return "POST", f"{API}/evaluate-json", DOCUMENT, "MEMBER", 200
    if kind == 6:
        body = msgspec.json.encode({"source": USER, "context": ["a"]})
        return "POST", f"{API}/evaluate-source", body, "MEMBER", 200
    if kind < 9:
        body = msgspec.json.encode({"source": SOURCE.format(number=number % 50), "context": ["a"]})
        return "POST", f"{API}/evaluate-source?trace={'true' if kind == 4 else 'false'}", body, "MEMBER", 200
    return "POST", f"{API}/evaluate", msgspec.json.encode({"policyModule": "demo", "context": ["a"]}), "MEMBER", 200


async def connection(port: int, numbers: Iterator[int], until: float, found: Counter[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        number = next(numbers)
        method, target, body, role, expected = call(number)
        headers = sign_request(method, target, body, tenant=TENANTS[number % 8], secret=SECRET, role=role)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        told = f"{method} {target} HTTP/1.1\r\nHost: b\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        writer.write(told.encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        status = int(head.split(b" ", 2)[1])
        found[status] += 1
        if status != expected and (status, expected) != (200, 201):
            raise SystemExit(f"{method} {target} was answered {status}")
    writer.close()


def sizes(pid: int) -> tuple[float, int, int]:
    """Resident MiB, open descriptors, threads."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return int(status["VmRSS"].split()[0]) / 1024, descriptors, int(status["Threads"])


async def soak(port: int, pid: int, seconds: float, connections: int) -> bool:
    found: Counter[int] = Counter()
    numbers, started = itertools.count(), time.monotonic()
    until = started + seconds
    tasks = [asyncio.create_task(connection(port, numbers, until, found)) for _ in range(connections)]
    samples = []
    while time.monotonic() < until:
        done, _ = await asyncio.wait(tasks, timeout=seconds / 20)
        for task in done:
            task.result()
        memory, descriptors, threads = sizes(pid)
        samples.append(memory)
        passed = time.monotonic() - started
        print(
            f"{passed:6.0f} s {sum(found.values()):9} answers {sum(found.values()) / passed:6.0f}/s {memory:7.1f} MiB"
            f" {descriptors:4} descriptors {threads:3} threads {cpu_seconds(pid):7.1f} s CPU",
            flush=True,
        )
    await asyncio.gather(*tasks)
    half = samples[len(samples) // 2]
    print(f"answers by status: {dict(found)}; {half:.1f} MiB at half time, {samples[-1]:.1f} MiB at the end")
    return samples[-1] <= half * MOST_GROWTH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--port", type=int, default=18_190)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process = start(options.port, folder, "small")
        try:
            for tenant in TENANTS:
                with PolicyClient(f"http://127.0.0.1:{options.port}", tenant=tenant, secret=SECRET) as client:
                    client.deploy(SOURCE.format(number=0))
            is_flat = asyncio.run(soak(options.port, process.pid, options.seconds, options.connections))
        finally:
            process.terminate()
            process.wait()
        database = Database.open(Path(folder) / "policy.db")
        verified = [AuditLog(database).verify(f"policy:{tenant}") for tenant in TENANTS]
        database.close_now()
    print(f"{sum(each.records for each in verified)} records in {len(verified)} chains verified")
    if not is_flat or not all(each.valid for each in verified):
        raise SystemExit("memory grew" if not is_flat else "a chain is broken")


if __name__ == "__main__":
    main()
