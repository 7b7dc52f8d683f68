"""The policy service over HTTP beside a bare ASGI app: rates, latencies, CPU a request, and which bars are met.

    python -m benchmarks.policy_http.run [--quick] [--requests 4000] [--rounds 3] [--data FOLDER] [--opa PROGRAM]

Every request is signed and unique, passes the three layers, is decided for real, and is answered when its audit record
and its nonce are on disk. All servers run for the whole program, and rounds take turns between them; a row is the
median round, a bar the median of the rounds' ratios. ``--quick`` takes a minute or two. OPA's REST server is measured
where its program is at hand.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec
import uvloop
from benchmarks.policy_http import opa
from benchmarks.policy_http.disk import require_disk, sync_ms
from benchmarks.policy_http.load import Measured, drive
from benchmarks.policy_http.servers import SECRET, SLOW_MS

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
CALL = {"policyModule": "loans", "context": CONTEXT}
STORED = msgspec.json.encode(CALL)
SOURCE = msgspec.json.encode({"source": FIFTY_LINES, "functionName": "decide", "context": CONTEXT})
BATCH = msgspec.json.encode({"requests": [CALL] * 50})
EVALUATE, EVALUATE_SOURCE = "/api/v1/policies/evaluate", "/api/v1/policies/evaluate-source"
FLOOR, STORE, SOURCES = "bare ASGI, the same hashing", "evaluate stored", "evaluate source, 50 lines"
EACH, SLOW, EACH_SLOW = "… a commit each", f"… +{SLOW_MS} ms a commit", f"… a commit each, +{SLOW_MS} ms"
UNAUDITED, OPA, OPA_LOGS = "… without audit", "OPA's REST server", "OPA, decision logs"


class Case(msgspec.Struct, frozen=True):
    """``share`` of the requests are sent: slow ones need fewer for the same time."""

    name: str
    kind: str
    path: str
    body: bytes
    connections: int
    share: float = 1.0


CASES = [
    *(Case(FLOOR, "echo", EVALUATE, STORED, count, share) for count, share in ((1, 0.25), (16, 1.0), (64, 1.0))),
    *(Case(STORE, "policy", EVALUATE, STORED, count, share) for count, share in ((1, 0.15), (16, 1.0), (64, 1.0))),
    Case(STORE, "policy", EVALUATE, STORED, 256),
    Case("… with rate limits", "limited", EVALUATE, STORED, 64),
    Case(UNAUDITED, "unaudited", EVALUATE, STORED, 64),
    Case(EACH, "single", EVALUATE, STORED, 64, 0.25),
    Case(EACH, "single", EVALUATE, STORED, 256, 0.25),
    Case(SLOW, "policy-slow", EVALUATE, STORED, 64),
    Case(SLOW, "policy-slow", EVALUATE, STORED, 256),
    Case(EACH_SLOW, "single-slow", EVALUATE, STORED, 64, 0.1),
    Case(EACH_SLOW, "single-slow", EVALUATE, STORED, 256, 0.1),
    Case("a batch of 50 stored", "policy", f"{EVALUATE}/batch", BATCH, 16, 0.05),
    *(Case(SOURCES, "policy", EVALUATE_SOURCE, SOURCE, count) for count in (4, 64)),
]
OPA_CASES = [
    Case(name, kind, opa.PATH, opa.body_of(CONTEXT), 64) for name, kind in ((OPA, "opa"), (OPA_LOGS, "opa-logs"))
]
Found = dict[tuple[str, int], Measured]
WARM = 1000


@contextmanager
def running(kind: str, port: int, data: Path, program: str | None) -> Iterator[int]:
    """A server in a process of its own; yields its process id once it answers."""
    with tempfile.TemporaryDirectory(dir=data) as folder, ExitStack() as processes:
        if kind.startswith("opa") and program is not None:
            process = processes.enter_context(opa.serving(program, port, Path(folder), logs=kind == "opa-logs"))
            _wait(port, process)
        else:
            command = [sys.executable, str(Path(__file__).with_name("servers.py")), kind, str(port), folder]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            processes.callback(process.wait)
            processes.callback(process.terminate)
            _wait(port, process)
            for tenant in TENANTS if kind != "echo" else ():
                with PolicyClient(f"http://127.0.0.1:{port}", tenant=tenant, secret=SECRET) as client:
                    client.deploy(LOANS)
        yield process.pid


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
    prepared = requests_for(case, max(case.connections, 100, int(requests * case.share)))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(drive(port, pid, prepared, case.connections))


def median(rounds: list[Measured]) -> Measured:
    """The round with the median CPU."""
    return sorted(rounds, key=lambda each: each.cpu)[len(rounds) // 2]


def tell(found: Found) -> None:
    print(f"{'':28} {'conns':>5} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs/req':>11} {'x floor':>8}")
    for (name, connections), row in found.items():
        floor = found[FLOOR, min(max(connections, 16), 64) if connections > 1 else 1]
        print(
            f"{name:28} {connections:5} {row.rate:8.0f} {row.quantile(0.5):8.2f} {row.quantile(0.99):8.2f}"
            f" {row.cpu:11.0f} {row.cpu / floor.cpu:8.2f}"
        )


class Bar(msgspec.Struct, frozen=True):
    """A promise: a ratio of one round, and the most or the least that it may be."""

    words: str
    ratio: Callable[[Found], float]
    most: float | None = None
    least: float | None = None

    def judged(self, value: float) -> str:
        met = value <= self.most if self.most is not None else value >= (self.least or 0)
        asked = f"<= {self.most}" if self.most is not None else f">= {self.least}"
        return f"{'met    ' if met else 'NOT MET'}  {self.words}: {value:.2f} ({asked})"


def _cpu(one: str, other: str) -> Callable[[Found], float]:
    return lambda found: found[one, 64].cpu / found[other, 64].cpu


def _rate(one: str, other: str, connections: int) -> Callable[[Found], float]:
    return lambda found: found[one, connections].rate / found[other, connections].rate


BARS = [
    Bar("CPU of a stored evaluation, floor = 1", _cpu(STORE, FLOOR), most=3.2),
    Bar("CPU of it with rate limits as well, floor = 1", _cpu("… with rate limits", FLOOR), most=3.2),
    Bar("throughput with audit, without = 1", _rate(STORE, UNAUDITED, 64), least=0.35),
    Bar("throughput of group commit, a commit each = 1, 64 connections", _rate(STORE, EACH, 64), least=10),
    Bar("… 256 connections", _rate(STORE, EACH, 256), least=10),
    Bar(f"… a disk {SLOW_MS} ms slower, 64 connections", _rate(SLOW, EACH_SLOW, 64), least=10),
    Bar(f"… a disk {SLOW_MS} ms slower, 256 connections", _rate(SLOW, EACH_SLOW, 256), least=10),
    Bar(
        "evaluate-source at 64 connections, at 4 = 1",
        lambda found: found[SOURCES, 64].rate / found[SOURCES, 4].rate,
        least=0.8,
    ),
]
OPA_BARS = [
    Bar("CPU of a stored evaluation, OPA's REST server = 1", _cpu(STORE, OPA), most=1.0),
    Bar("CPU of a stored evaluation, OPA with decision logs = 1", _cpu(STORE, OPA_LOGS), most=0.5),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1200 requests, 3 rounds")
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_080)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()), help="where the files lie: a disk")
    parser.add_argument("--opa", default=shutil.which("opa"), help="OPA's program")
    options = parser.parse_args()
    requests, count = (1200, 3) if options.quick else (options.requests, options.rounds)
    kind = require_disk(options.data)
    print(
        f"files on {kind}, where 4 KiB are durable after {sync_ms(options.data):.2f} ms; load {os.getloadavg()[0]:.1f}"
    )
    cases = [*CASES, *(OPA_CASES if options.opa else [])]
    with ExitStack() as servers:
        ports = {each: options.port + offset for offset, each in enumerate(dict.fromkeys(case.kind for case in cases))}
        pids = {
            each: servers.enter_context(running(each, port, options.data, options.opa)) for each, port in ports.items()
        }

        def found(case: Case, requests: int) -> Measured:
            return measure(case, ports[case.kind], pids[case.kind], requests)

        for case in cases:
            found(case, WARM)
        rounds: list[Found] = [
            {(case.name, case.connections): found(case, requests) for case in cases} for _ in range(count)
        ]
    tell({row: median([found[row] for found in rounds]) for row in rounds[0]})
    print()
    for bar in [*BARS, *(OPA_BARS if options.opa else [])]:
        print(bar.judged(statistics.median(map(bar.ratio, rounds))))
    if not options.opa:
        print("         the two bars beside OPA's REST server: not measured, no `opa` at hand (--opa PROGRAM)")


if __name__ == "__main__":
    main()
