"""The policy service over HTTP: requests a second, latency and server CPU a request, beside a bare ASGI app.

    python benchmarks/policy/service.py [--requests 4000] [--connections 1 16 64]

Every request is signed and unique. The floor is a plain ASGI app on the same uvicorn that reads the body, hashes it and
checks the same HMAC, and nothing else. The service does all three layers, the nonce, the decision, and a chained audit
record that is on disk before the answer. Server and client share the machine: compare rows of one run, not runs.
"""

import argparse
import asyncio
import hashlib
import hmac
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from aster.policy.client import PolicyClient
from aster.policy.service.signing import sign_request

SECRET = "benchmark"
TENANTS = [f"tenant{number}" for number in range(8)]
SOURCE = """Module loans.

Define Applicant has income as Int, debt as Int, years as Int, score as Int.

Rule decide given applicant as Applicant, produce Text:
  If applicant.score less than 500:
    Return "refused: score".
  If applicant.debt times 2 greater than applicant.income:
    Return "refused: debt".
  If applicant.years less than 1:
    Return "review".
  Return "granted".
"""
CONTEXT = {"applicant": {"income": 5200, "debt": 1100, "years": 3, "score": 640}}
SOURCE_BODY = msgspec.json.encode({"source": SOURCE, "context": CONTEXT})
STORED_BODY = msgspec.json.encode({"policyModule": "loans", "context": CONTEXT})
CASES = [
    ("floor: bare ASGI", "echo", "/echo", SOURCE_BODY),
    ("evaluate stored", "policy", "/api/v1/policies/evaluate", STORED_BODY),
    ("evaluate source", "policy", "/api/v1/policies/evaluate-source", SOURCE_BODY),
]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Read, hash, check one HMAC, answer."""
    message = await receive()
    digest = hashlib.sha256(message["body"]).hexdigest().encode()
    hmac.compare_digest(hmac.digest(SECRET.encode(), digest, "sha256"), bytes(32))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


def serve(kind: str, port: int, folder: str) -> None:
    import uvicorn

    app: Any = echo
    if kind == "policy":
        from aster.foundation.sql import Database
        from aster.policy.service.app import create_policy_service
        from aster.policy.service.settings import PolicySettings

        settings = PolicySettings(secret_key=SECRET, rate_enabled=False)
        app = create_policy_service(Database.open(Path(folder) / "policy.db"), settings)
    uvicorn.run(app, port=port, lifespan="off", access_log=False, log_level="warning")


@contextmanager
def running(kind: str, port: int) -> Iterator[int]:
    """A server in a process of its own; yields its process id once it answers."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--serve", kind, "--port", str(port), "--folder", folder]
        process = subprocess.Popen(command)
        try:
            _wait(port, process)
            yield process.pid
        finally:
            process.terminate()
            process.wait()


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    import socket

    for _ in range(400):
        if process.poll() is not None:
            raise SystemExit("the server ended while it was starting")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.025)
        else:
            return
    raise SystemExit("the server did not start")


def requests_for(path: str, body: bytes, count: int) -> list[bytes]:
    found = []
    for number in range(count):
        headers = sign_request("POST", path, body, tenant=TENANTS[number % len(TENANTS)], secret=SECRET)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        found.append(f"{head}{lines}\r\n".encode() + body)
    return found


async def drive(port: int, requests: Sequence[bytes], connections: int) -> tuple[float, list[float]]:
    """Send everything over so many connections; returns the seconds it took and each request's."""
    waiting = iter(requests)
    times: list[float] = []

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head[:16]:
                raise SystemExit(head.decode())
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - started)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(connections)))
    return time.perf_counter() - started, times


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--port", type=int, default=18_080)
    parser.add_argument("--serve", choices=["echo", "policy"])
    parser.add_argument("--folder", default="")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.port, options.folder)
        return
    print(f"{'':20} {'conns':>5} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs/req':>11} {'x floor':>8}")
    floors: dict[int, float] = {}
    for name, kind, path, body in CASES:
        with running(kind, options.port) as pid:
            if kind == "policy":
                for tenant in TENANTS:
                    with PolicyClient(f"http://127.0.0.1:{options.port}", tenant=tenant, secret=SECRET) as client:
                        client.request("POST", "/api/v1/policies", {"source": SOURCE})
            for connections in options.connections:
                asyncio.run(drive(options.port, requests_for(path, body, 200), connections))
                prepared = requests_for(path, body, options.requests)
                before = cpu_seconds(pid)
                seconds, times = asyncio.run(drive(options.port, prepared, connections))
                cpu = (cpu_seconds(pid) - before) / len(prepared) * 1e6
                floor = floors.setdefault(connections, cpu)
                p99 = statistics.quantiles(times, n=100)[98]
                print(
                    f"{name:20} {connections:5} {len(prepared) / seconds:8.0f} {statistics.median(times) * 1e3:8.2f}"
                    f" {p99 * 1e3:8.2f} {cpu:11.0f} {cpu / floor:8.2f}"
                )


if __name__ == "__main__":
    main()
