"""Writers and readers at once: no error, no lost memory, no growing process.

    python benchmarks/memory/together.py [--store postgres] [--seconds 300] [--writers 8] [--readers 8] [--processes 1]

Each writer retains (one, then a batch), and forgets part of what it retained; each reader recalls and lists. In the
end every memory that was acknowledged and not forgotten must be there, none that was forgotten, and the audit chain and
the store's own checks must hold. ``--processes`` runs as many engines on the same store, as replicas do.
"""

import argparse
import asyncio
import multiprocessing
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.memory.stored import stored

from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte

BANKS = 4
FORGOTTEN_OF = 3


@dataclass
class Outcome:
    """What one process did: ids by bank that must be there, those that must not, counts, megabytes by quarter."""

    kept: dict[str, set[str]] = field(default_factory=dict)
    gone: dict[str, set[str]] = field(default_factory=dict)
    writes: int = 0
    reads: int = 0
    megabytes: list[float] = field(default_factory=list)


class Load:
    """Writers and readers of one process."""

    def __init__(self, engine: Astrocyte, process: int, until: float) -> None:
        self._engine = engine
        self._process = process
        self._until = until
        self.outcome = Outcome()

    async def write(self, writer: int) -> None:
        bank = f"b{writer % BANKS}"
        kept = self.outcome.kept.setdefault(bank, set())
        gone = self.outcome.gone.setdefault(bank, set())
        turn = 0
        while time.monotonic() < self._until:
            turn += 1
            name = f"process {self._process} writer {writer} turn {turn}"
            one = await self._engine.retain(f"{name} alone about apples", bank, tags=["one"])
            batch = [NewMemory(content=f"{name} item {n} about pears") for n in range(5)]
            several = await self._engine.retain_batch(bank, batch)
            ids = [result.memory_id for result in (one, *several) if result.memory_id is not None]
            assert len(ids) == 6, "a memory was not acknowledged"
            dropped = ids[::FORGOTTEN_OF]
            forgotten = await self._engine.forget(bank, memory_ids=dropped)
            assert forgotten.deleted_count == len(dropped), "another number was forgotten"
            kept |= set(ids) - set(dropped)
            gone |= set(dropped)
            self.outcome.writes += 3

    async def read(self, reader: int) -> None:
        bank = f"b{reader % BANKS}"
        while time.monotonic() < self._until:
            found = await self._engine.recall(f"apples of writer {reader}", bank, max_results=5)
            assert all(hit.bank_id == bank for hit in found.hits), "a hit of another bank"
            await self._engine.list_memories(bank, limit=20)
            self.outcome.reads += 2

    async def watch(self, seconds: float) -> None:
        for _ in range(4):
            await asyncio.sleep(seconds / 4)
            self.outcome.megabytes.append(resident_megabytes())


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def run(url: str, process: int, seconds: float, writers: int, readers: int) -> Outcome:
    config = {"storage": {"url": url}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(config) as engine:
        load = Load(engine, process, time.monotonic() + seconds)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.watch(seconds))
            for number in range(writers):
                group.create_task(load.write(number))
            for number in range(readers):
                group.create_task(load.read(number))
        return load.outcome


async def prove(url: str, outcomes: list[Outcome]) -> list[str]:
    """What is wrong with the store after all that; empty when nothing is."""
    faults = []
    async with Astrocyte.from_config_dict({"storage": {"url": url}, "embedding": {"provider": "none"}}) as engine:
        for bank in sorted({bank for outcome in outcomes for bank in outcome.kept}):
            there: set[str] = set()
            cursor = None
            while True:
                page = await engine.list_memories(bank, cursor=cursor, limit=1000)
                there |= {memory.memory_id for memory in page.memories}
                cursor = page.next_cursor
                if cursor is None:
                    break
            kept = set().union(*(outcome.kept.get(bank, set()) for outcome in outcomes))
            gone = set().union(*(outcome.gone.get(bank, set()) for outcome in outcomes))
            faults += [f"{bank}: lost {one}" for one in sorted(kept - there)]
            faults += [f"{bank}: still there {one}" for one in sorted(gone & there)]
            faults += [f"{bank}: from nowhere {one}" for one in sorted(there - kept)]
        chain = engine.audit.verify("memory")
        if not chain.valid:
            faults.append(f"audit chain: {chain.reason}")
        faults += engine._opened.store.problems()
    return faults


def in_process(arguments: tuple[Any, ...]) -> Outcome:
    return asyncio.run(run(*arguments))


def together(
    kind: str, *, seconds: float, writers: int, readers: int, processes: int
) -> tuple[list[Outcome], list[str]]:
    """What each process did, and what is wrong afterwards."""
    with stored(kind) as url:
        work = [(url, process, seconds, writers, readers) for process in range(processes)]
        if processes == 1:
            outcomes = [in_process(work[0])]
        else:
            with multiprocessing.get_context("spawn").Pool(processes) as pool:
                outcomes = pool.map(in_process, work)
        return outcomes, asyncio.run(prove(url, outcomes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    outcomes, faults = together(
        given.store, seconds=given.seconds, writers=given.writers, readers=given.readers, processes=given.processes
    )
    for outcome in outcomes:
        resident = " ".join(f"{megabytes:.0f}" for megabytes in outcome.megabytes)
        print(
            f"{outcome.writes / given.seconds:.0f} writes/s, {outcome.reads / given.seconds:.0f} reads/s,"
            f" resident MB by quarter: {resident}"
        )
    print("\n".join(faults) or "nothing lost, nothing left, the audit chain and the store's checks hold")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
