"""The policy service over HTTP beside a bare ASGI app: rates, latencies, CPU a request, and which bars are met.

    python -m benchmarks.policy_http.run [--requests 6000] [--rounds 3]

Every request is signed and unique, passes the three layers, is decided for real, and is answered when its audit record
and its nonce are on disk. All servers run for the whole program, and rounds take turns between them; a row is the
median round. OPA's REST server is a program to be installed by hand, and no package of it is at hand here, so the two
bars that compare with it are not measured.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec
from benchmarks.policy_http.load import Measured, drive
from benchmarks.policy_http.servers import KINDS, SECRET

from aster.policy.client import PolicyClient
from aster.policy.service.signing import sign_request

TENANTS = [f"tenant{number}" for number in range(8)]
LOANS = """Module loans.

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
FIFTY_LINES = LOANS + "".join(
    f"""
Rule grade{number} given applicant as Applicant, produce Text:
  If applicant.score less than {500 + number}:
    Return "refused: score".
  If applicant.years less than {number}:
    Return "review".
  Return "granted".
"""
    for number in range(1, 6)
)
CONTEXT = {"applicant": {"income": 5200, "debt": 1100, "years": 3, "score": 640}}
STORED = msgspec.json.encode({"policyModule": "loans", "context": CONTEXT})
SOURCE = msgspec.json.encode({"source": FIFTY_LINES, "functionName": "decide", "context": CONTEXT})
EVALUATE, EVALUATE_SOURCE = "/api/v1/policies/evaluate", "/api/v1/policies/evaluate-source"


class Case(msgspec.Struct, frozen=True):
    name: str
    kind: str
    path: str
    body: bytes
    connections: int
    share: float = 1.0


CASES = [
    *(Case("bare ASGI, the same hashing", "echo", EVALUATE, STORED, count) for count in (1, 16, 64)),
    *(Case("evaluate stored", "policy", EVALUATE, STORED, count) for count in (1, 16, 64)),
    Case("… without audit", "unaudited", EVALUATE, STORED, 64),
    Case("… a commit each", "single", EVALUATE, STORED, 64, 0.25),
    *(Case("evaluate source, 50 lines", "policy", EVALUATE_SOURCE, SOURCE, count) for count in (4, 64)),
]


@contextmanager
def running(kind: str, port: int) -> Iterator[int]:
    """A server in a process of its own; yields its process id once it answers."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).with_name("servers.py")), kind, str(port), folder]
        process = subprocess.Popen(command)
        try:
            _wait(port, process)
            if kind != "echo":
                for tenant in TENANTS:
                    with PolicyClient(f"http://127.0.0.1:{port}", tenant=tenant, secret=SECRET) as client:
                        client.deploy(LOANS)
            yield process.pid
        finally:
            process.terminate()
            process.wait()


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise SystemExit("the server ended while it was starting")
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=1)
        except httpx.ConnectError:
            time.sleep(0.025)
        else:
            return
    raise SystemExit("the server did not start")


def requests_for(case: Case, count: int) -> list[bytes]:
    found = []
    for number in range(count):
        headers = sign_request("POST", case.path, case.body, tenant=TENANTS[number % len(TENANTS)], secret=SECRET)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {case.path} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
        found.append(f"{head}Content-Length: {len(case.body)}\r\n{lines}\r\n".encode() + case.body)
    return found


def measure(case: Case, port: int, pid: int, requests: int) -> Measured:
    count = max(100, int(requests * case.share * (0.25 if case.connections == 1 else 1)))
    return asyncio.run(drive(port, pid, requests_for(case, count), case.connections))


def median(rounds: list[Measured]) -> Measured:
    """The round with the median CPU."""
    return sorted(rounds, key=lambda each: each.cpu)[len(rounds) // 2]


def tell(found: dict[Case, Measured]) -> None:
    print(f"{'':28} {'conns':>5} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs/req':>11} {'x floor':>8}")
    for case, row in found.items():
        floor = next(each.cpu for other, each in found.items() if other.kind == "echo" and _alike(other, case))
        print(
            f"{case.name:28} {case.connections:5} {row.rate:8.0f} {row.quantile(0.5):8.2f} {row.quantile(0.99):8.2f}"
            f" {row.cpu:11.0f} {row.cpu / floor:8.2f}"
        )


def _alike(floor: Case, case: Case) -> bool:
    return floor.connections == (case.connections if case.connections != 4 else 16)


def bars(found: dict[Case, Measured]) -> Iterator[tuple[str, float, str, bool]]:
    def row(name: str, connections: int) -> Measured:
        return next(each for case, each in found.items() if (case.name, case.connections) == (name, connections))

    stored, floor = row("evaluate stored", 64), row("bare ASGI, the same hashing", 64)
    cpu = stored.cpu / floor.cpu
    yield "CPU of a stored evaluation, floor = 1", cpu, "<= 3.2", cpu <= 3.2
    kept = stored.rate / row("… without audit", 64).rate
    yield "throughput with audit, without = 1", kept, ">= 0.35", kept >= 0.35
    group = stored.rate / row("… a commit each", 64).rate
    yield "throughput of group commit, a commit each = 1", group, ">= 10", group >= 10
    steady = row("evaluate source, 50 lines", 64).rate / row("evaluate source, 50 lines", 4).rate
    yield "evaluate-source at 64 connections, at 4 = 1", steady, ">= 0.8", steady >= 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_080)
    options = parser.parse_args()
    rounds: dict[Case, list[Measured]] = {case: [] for case in CASES}
    with ExitStack() as servers:
        measured = {case.kind for case in CASES}
        ports = {kind: options.port + offset for offset, kind in enumerate(KINDS) if kind in measured}
        pids = {kind: servers.enter_context(running(kind, port)) for kind, port in ports.items()}
        for case in CASES:
            measure(case, ports[case.kind], pids[case.kind], 400)
        for _ in range(options.rounds):
            for case in CASES:
                rounds[case].append(measure(case, ports[case.kind], pids[case.kind], options.requests))
    tell({case: median(each) for case, each in rounds.items()})
    print()
    ratios = [list(bars({case: each[number] for case, each in rounds.items()})) for number in range(options.rounds)]
    for turn in zip(*ratios, strict=True):
        value = statistics.median(ratio for _, ratio, _, _ in turn)
        words, bar = turn[0][0], turn[0][2]
        met = value <= float(bar[3:]) if bar.startswith("<=") else value >= float(bar[3:])
        print(f"{'met    ' if met else 'NOT MET'}  {words}: {value:.2f} ({bar})")
    print(
        "         <= 1.0 x OPA's REST server, <= 0.5 x OPA with decision logs: not measured, OPA is not to be had here"
    )


if __name__ == "__main__":
    main()
