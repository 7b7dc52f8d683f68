"""Aster RPC beside its rivals and its floors, in one interleaved run; every variant is two processes on loopback.

    python benchmarks/rpc/compare.py --prepare
    python tools/private_network.py python benchmarks/rpc/compare.py [--quick] [--rounds 3] [--seconds 1] [--plot FILE]

Variants: ours (asyncio, and on uvloop), ``grpc.aio`` in the clear and on TLS with the same messages and codec, the
earlier ``aster-rpc`` 0.1.2, and as floors one raw QUIC stream of our transport and plain TCP, which only echo frames.
Needs `requirements/bench.txt` and the ``openssl`` program. The earlier package is called ``aster`` like ours and runs
on a Python of its own: ``--earlier-python FILE``, or the venv under ``--cache`` that ``--prepare`` makes once, outside
of the private network, where packages can be had. ``--no-earlier`` leaves it out.

Prints medians of the rounds, ratios, and whether each bar is met; what was not measured is named at the end. Ratios are
what to read; they are good to about 1.5x. The load of the machine at the beginning and the end is printed: ours is
bound by waking threads on an idle machine, by its share of the cores on a busy one.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "variants"
EARLIER = "aster-rpc==0.1.2"
LEVELS = (1, 16, 64, 256)
TICK = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

NOT_MEASURED = "not measured"

Answer = dict[str, float]
Key = tuple[str, str]
"""Variant, and what was measured."""


@dataclass(frozen=True)
class Variant:
    """A program and the environment that makes it one variant."""

    name: str
    program: str
    environment: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable


class Running:
    """A variant's two processes."""

    def __init__(self, variant: Variant) -> None:
        self.name = variant.name
        environment = os.environ | variant.environment | {"ASTER_LOG_LEVEL": "error", "PYTHONPATH": str(HERE)}
        command = [variant.python, str(HERE / variant.program)]
        self._server = _start([*command, "serve"], environment)
        self._client = _start([*command, "call", str(_line(self._server))], environment)
        _line(self._client)

    def ask(self, command: str, **arguments: float) -> Answer | None:
        """One measurement; None when the variant can't do it."""
        before = self._server_cpu()
        answer: Answer | None = self._exchange([command, arguments])
        if command == "unary" and answer is not None:
            answer["cpu"] += (self._server_cpu() - before) / answer["calls"] * 1e6
        return answer

    def idle(self, count: int) -> Answer | None:
        """Memory an idle connection, both ends."""
        before = self._server_bytes()
        opened = self._exchange(["idle", {"count": count}])
        if opened is None:
            return None
        grown = (self._server_bytes() - before) / count
        answer = self._exchange(None)
        return None if answer is None else {"client": answer["bytes"], "server": grown}

    def stop(self) -> None:
        for process in (self._client, self._server):
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _exchange(self, command: Any) -> Any:
        assert self._client.stdin is not None
        self._client.stdin.write(json.dumps(command) + "\n")
        self._client.stdin.flush()
        return _line(self._client)

    def _server_cpu(self) -> float:
        """Seconds of all its threads."""
        fields = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def _server_bytes(self) -> int:
        return int(Path(f"/proc/{self._server.pid}/statm").read_text().split()[1]) * PAGE_BYTES


def _start(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _line(process: "subprocess.Popen[str]") -> Any:
    """The next JSON line; other lines are a library's chatter."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        try:
            return json.loads(line)
        except ValueError:
            continue
    raise SystemExit(f"{' '.join(process.args)} ended early")  # type: ignore[arg-type]  # a list of str


def measure(variants: list[Running], options: argparse.Namespace) -> dict[Key, list[Answer]]:
    """Everything, round after round, each measurement of all variants side by side."""
    found: dict[Key, list[Answer]] = {}

    def note(running: Running, what: str, answer: Answer | None) -> None:
        if answer is not None:
            found.setdefault((running.name, what), []).append(answer)

    scale = 0.1 if options.quick else 1.0
    for running in variants:
        # First of all: later, connections would live in memory that others have given back.
        note(running, "idle", running.idle(int(200 * scale)))
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for level in LEVELS:
            for running in variants:
                running.ask("unary", in_flight=level, seconds=options.seconds / 5)
                note(running, f"unary {level}", running.ask("unary", in_flight=level, seconds=options.seconds))
        for what in ("down", "up"):
            for running in variants:
                count = int((60_000 if running.name.startswith("ours") else 6_000) * scale)
                note(running, what, running.ask(what, messages=count))
        for running in variants:
            note(running, "large", running.ask("large", count=int(40 * scale)))
        for running in variants:
            note(running, "bulk", running.ask("bulk", mib=int(64 * scale)))
        for running in variants:
            note(running, "connect", running.ask("connect", count=int(20 * scale)))
    return found


class Results:
    """Medians, and the ratios between them."""

    def __init__(self, found: dict[Key, list[Answer]]) -> None:
        self._found = found

    def median(self, name: str, what: str, figure: str) -> float | None:
        rows = self._found.get((name, what))
        return statistics.median(row[figure] for row in rows) if rows else None

    def ratio(self, ours: str, theirs: str, what: str, figure: str) -> float | None:
        above, below = self.median(ours, what, figure), self.median(theirs, what, figure)
        return None if above is None or not below else above / below


@dataclass(frozen=True)
class Bar:
    """What issue and specification ask for: ours against ``rival``, at least or at most ``bound``."""

    words: str
    rival: str
    what: str
    figure: str
    bound: float
    at_least: bool = True


BARS = (
    Bar("calls a second at 64 in flight", "grpc", "unary 64", "rate", 15),
    Bar("calls a second at 64 in flight", "earlier", "unary 64", "rate", 50),
    Bar("p50 at one in flight", "grpc", "unary 1", "p50", 0.5, at_least=False),
    Bar("server-stream messages a second", "grpc", "down", "rate", 15),
    Bar("CPU a call at 64 in flight", "grpc", "unary 64", "cpu", 0.05, at_least=False),
    Bar("1 MiB messages", "grpc-tls", "large", "rate", 0.5),
    Bar("64 MiB streams", "grpc-tls", "bulk", "rate", 0.4),
    Bar("64 MiB streams, share of a raw stream", "stream", "bulk", "rate", 0.85),
    Bar("cold connect and first call", "grpc-tls", "connect", "p50", 2, at_least=False),
    Bar("memory of an idle connection, client", "grpc-tls", "idle", "client", 1.5, at_least=False),
    Bar("memory of an idle connection, server", "grpc-tls", "idle", "server", 1.5, at_least=False),
    Bar("share of a raw stream at 64 in flight", "stream", "unary 64", "rate", 0.6),
)

COLUMNS = (
    *((f"{level}", f"unary {level}", "rate", 1.0, "{:,.0f}") for level in LEVELS),
    ("p50 1", "unary 1", "p50", 1.0, "{:,.0f}"),
    ("p50 64", "unary 64", "p50", 1.0, "{:,.0f}"),
    ("CPU us", "unary 64", "cpu", 1.0, "{:,.0f}"),
    ("down/s", "down", "rate", 1.0, "{:,.0f}"),
    ("up/s", "up", "rate", 1.0, "{:,.0f}"),
    ("1 MiB/s", "large", "rate", 1.0, "{:,.0f}"),
    ("bulk MiB/s", "bulk", "rate", 1.0, "{:,.0f}"),
    ("connect ms", "connect", "p50", 1e-3, "{:,.1f}"),
    ("idle KB c", "idle", "client", 1e-3, "{:,.0f}"),
    ("idle KB s", "idle", "server", 1e-3, "{:,.0f}"),
)


def report(results: Results, names: list[str], load_before: str) -> None:
    print(f"\n{machine()}; load {load_before} before, {load()} after\n")
    print("| variant | " + " | ".join(column[0] for column in COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for name in names:
        cells = []
        for _, what, figure, factor, form in COLUMNS:
            value = results.median(name, what, figure)
            cells.append("" if value is None else form.format(value * factor))
        print(f"| {name} | " + " | ".join(cells) + " |")
    unmeasured = []
    print("\n| bar | rival | asked | " + " | ".join(name for name in names if name.startswith("ours")) + " |")
    print("|---|---|---|" + "---|" * sum(name.startswith("ours") for name in names))
    for bar in BARS:
        cells = [
            _verdict(results.ratio(name, bar.rival, bar.what, bar.figure), bar) for name in names if _is_ours(name)
        ]
        if all(cell == NOT_MEASURED for cell in cells):
            unmeasured.append(f"{bar.words}, against {bar.rival}")
        asked = f"{'≥' if bar.at_least else '≤'} {bar.bound:g}x"
        print(f"| {bar.words} | {bar.rival} | {asked} | " + " | ".join(cells) + " |")
    if unmeasured:
        print("\nNOT MEASURED, so neither met nor missed: " + "; ".join(unmeasured))


def _is_ours(name: str) -> bool:
    return name.startswith("ours")


def _verdict(ratio: float | None, bar: Bar) -> str:
    if ratio is None:
        return NOT_MEASURED
    is_met = ratio >= bar.bound if bar.at_least else ratio <= bar.bound
    return f"{ratio:.3g}x {'met' if is_met else 'NOT MET'}"


def machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("iroh", "grpcio", "msgspec", "uvloop"))
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}"


def load() -> str:
    """Of the last minute, of all programs."""
    return f"{os.getloadavg()[0]:.1f}"


def plot(results: Results, names: list[str], file: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name in names:
        rates = [results.median(name, f"unary {level}", "rate") or float("nan") for level in LEVELS]
        axes.plot(LEVELS, rates, marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="calls in flight", ylabel="calls a second", title="Unary, 64 bytes")
    axes.set_xticks(LEVELS, [str(level) for level in LEVELS])
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=150)
    print(f"\nplot: {file}")


def prepare(home: Path) -> None:
    """Make the venv with the earlier package; a broken one is made anew."""
    python = home / "bin" / "python"
    if _has_earlier(python):
        print(f"{EARLIER} is in {home} already")
        return
    print(f"making a venv for {EARLIER} in {home}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", EARLIER]
    if subprocess.run(install).returncode:
        raise SystemExit(f"{EARLIER} can't be installed; outside of the private network, where packages can be had?")
    if not _has_earlier(python):
        raise SystemExit(f"{EARLIER} was installed in {home} and can't be imported")
    print("ready")


def earlier_python(options: argparse.Namespace) -> str | None:
    """A Python with the earlier package: the one given, or the one prepared. Ends the program when there is none."""
    if options.no_earlier:
        return None
    python = Path(options.earlier_python) if options.earlier_python else _earlier_home(options) / "bin" / "python"
    if not _has_earlier(python):
        raise SystemExit(
            f"{python} has no {EARLIER}: run this program once with --prepare outside of the private network, "
            "or leave the package and its bar out with --no-earlier"
        )
    return str(python)


def _earlier_home(options: argparse.Namespace) -> Path:
    return Path(options.cache) / EARLIER.replace("==", "-")


def _has_earlier(python: Path) -> bool:
    asked = [str(python), "-c", "from importlib.metadata import version; print('aster-rpc==' + version('aster-rpc'))"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, env={"PATH": os.environ.get("PATH", "")})
    except OSError:
        return False
    return said.stdout.strip() == EARLIER


def make_certificate(folder: str) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", f"{folder}/key.pem"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-nodes", "-days", "2", *key, "-out", f"{folder}/cert.pem", *name]
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: does it run at all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each unary measurement")
    parser.add_argument("--only", default="", help="variants by name, with commas")
    parser.add_argument("--plot", metavar="FILE", help="write calls a second by calls in flight")
    parser.add_argument("--json", metavar="FILE", help="write every figure")
    parser.add_argument("--prepare", action="store_true", help="make the earlier package's venv, and do nothing else")
    parser.add_argument("--earlier-python", metavar="FILE", help="a Python that has the earlier package")
    parser.add_argument("--no-earlier", action="store_true", help="leave the earlier package out")
    parser.add_argument("--cache", default=str(Path.home() / ".cache" / "aster-benchmarks"))
    options = parser.parse_args()
    if options.prepare:
        prepare(_earlier_home(options))
        return
    load_before = load()
    if options.quick:
        options.rounds, options.seconds = 1, min(options.seconds, 0.2)
    with tempfile.TemporaryDirectory() as folder:
        make_certificate(folder)
        variants = [
            Variant("ours", "ours.py"),
            Variant("ours-uvloop", "ours.py", {"ASTER_BENCHMARK_UVLOOP": "1"}),
            Variant("grpc", "grpc_aio.py"),
            Variant("grpc-tls", "grpc_aio.py", {"ASTER_BENCHMARK_TLS": folder}),
            Variant("stream", "floors.py", {"ASTER_BENCHMARK_FLOOR": "stream"}),
            Variant("tcp", "floors.py", {"ASTER_BENCHMARK_FLOOR": "tcp"}),
        ]
        wanted = [each for each in options.only.split(",") if each]
        if (not wanted or "earlier" in wanted) and (python := earlier_python(options)):
            variants.append(Variant("earlier", "earlier.py", python=python))
        variants = [variant for variant in variants if not wanted or variant.name in wanted]
        running: list[Running] = []
        try:
            running.extend(Running(variant) for variant in variants)
            found = measure(running, options)
        finally:
            for each in running:
                each.stop()
    names = [variant.name for variant in variants]
    report(Results(found), names, load_before)
    if options.json:
        Path(options.json).write_text(json.dumps({f"{name}: {what}": rows for (name, what), rows in found.items()}))
    if options.plot:
        plot(Results(found), names, options.plot)


if __name__ == "__main__":
    main()
