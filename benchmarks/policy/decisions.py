"""Decisions against hand-written Python and other engines, in one interleaved run, as ratios (bars in brackets).

Usage: python -m benchmarks.policy.decisions [--rounds 5] [--no-peers] [--markdown]

Ours takes a dict, validates it against the declared types and gives JSON; the hand-written floor does not validate, and
the peers do not either. Answers are checked equal before anything is timed. CPU time, turns of a millisecond, medians.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.policy.peers import PEERS, Decide, installed
from benchmarks.policy.workloads import Workload, workloads

from aster.policy import compile_source

TURN_SECONDS = 0.001
"""How long one engine is measured before it is the next one's turn, but all inputs once at least."""

QUICK_SECONDS = 0.01
TURNS = 100
"""Turns of a round for engines that take all inputs in less than that; the others have one turn a round."""


def once(function: Callable[[Any], Any], contexts: list[dict[str, Any]], repeats: int) -> float:
    """CPU microseconds of one decision."""
    started = time.process_time()
    for _ in range(repeats):
        for context in contexts:
            function(context)
    return (time.process_time() - started) / repeats / len(contexts) * 1e6


def repeats_of(function: Callable[[Any], Any], contexts: list[dict[str, Any]]) -> int:
    """How many times the inputs fill a slice."""
    microseconds = once(function, contexts, 1)
    return max(1, int(TURN_SECONDS * 1e6 / max(microseconds, 0.05) / len(contexts)))


def measure(workload: Workload, peers: dict[str, dict[str, Decide]], rounds: int) -> dict[str, float]:
    """CPU microseconds of a decision by engine, the floor first, then ours."""
    program = compile_source(workload.source)
    functions: dict[str, Decide] = {
        "by hand": workload.by_hand,
        "ours": program.function("decide"),
        "ours, Program.evaluate": lambda context: program.evaluate("decide", context).value,
    }
    functions |= {name: forms[workload.name] for name, forms in peers.items() if workload.name in forms}
    for context in workload.contexts:
        expected = workload.by_hand(context)
        for name, function in functions.items():
            if function(context) != expected:
                raise SystemExit(
                    f"{workload.name}: {name} answers {function(context)!r}, not {expected!r}, to {context}"
                )
    timed: dict[str, list[float]] = {name: [] for name in functions}
    repeats = {name: repeats_of(function, workload.contexts) for name, function in functions.items()}
    count = len(workload.contexts)
    quick = {name for name in functions if once(functions[name], workload.contexts, 1) * count < QUICK_SECONDS * 1e6}
    for turn in range(rounds * TURNS):
        for name, function in functions.items():
            if name in quick or turn % TURNS == 0:
                timed[name].append(once(function, workload.contexts, repeats[name]))
    return {name: statistics.median(values) for name, values in timed.items()}


def verdict(name: str, bar: float | None, ratio: float) -> str:
    if bar is None:
        return ""
    met = ratio <= bar if name.startswith("ours") else ratio >= bar
    return f"{'≤' if name.startswith('ours') else '≥'} {bar:g}x {'met' if met else 'NOT MET'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--markdown", action="store_true", help="print a table for docs/benchmarks.md")
    options = parser.parse_args()
    print(f"# {platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    peers = {} if options.no_peers else installed()
    if options.markdown:
        print("\n| policy | engine | µs a decision | ratio | bar |\n|---|---|---|---|---|")
    for workload in workloads():
        found = measure(workload, peers, options.rounds)
        floor, ours = found["by hand"], found["ours"]
        for name, microseconds in found.items():
            mine = name.startswith("ours") or name == "by hand"
            ratio = microseconds / floor if mine else microseconds / ours
            bar = workload.bar if name == "ours" else PEERS[name][1] if name in PEERS else None
            words = f"{ratio:.2f}x by hand" if mine else f"{ratio:.1f}x ours"
            cells = (workload.name, name, f"{microseconds:.2f}", words, verdict(name, bar, ratio))
            print(
                "| " + " | ".join(cells) + " |" if options.markdown else "{:11} {:24} {:>9} us  {:18} {}".format(*cells)
            )


if __name__ == "__main__":
    main()
