"""kill -9 at random moments of retain, forget, migrate and backup: nothing acknowledged is lost, nothing half-written.

    python benchmarks/memory/crashes.py [--rounds 200] [--seed 1]

Each round starts a child that works on the same store and prints what was acknowledged, kills it with SIGKILL after a
random number of acknowledgements (or, for a migration and a backup, after a random time), and then checks: every
acknowledged memory is there, every acknowledged forget holds, batches are whole, the doctor is content, and a backup
exists as a whole or not at all. The random numbers are the seed's.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astrocyte.memory import Astrocyte

BATCH = 7
LONGEST_DELAY = 0.8

CHILD = """
import asyncio, secrets, sys
from astrocyte import Astrocyte, NewMemory

async def main(url, what):
    async with Astrocyte.from_config_dict({"storage": {"url": url}, "embedding": {"provider": "none"}}) as engine:
        print("open", flush=True)
        number = 0
        while True:
            number += 1
            name = secrets.token_hex(4)
            if what == "backup":
                await engine.back_up(f"{url.removeprefix('sqlite:///')}.copy-{name}")
                print("copied", name, flush=True)
                continue
            batch = [NewMemory(content=f"batch {name} part {part}", tags=[name]) for part in range(7)]
            results = await engine.retain_batch("b", batch)
            print("retained", *(result.memory_id for result in results), flush=True)
            if what == "forget":
                await engine.forget("b", tags=[name])
                print("forgotten", *(result.memory_id for result in results), flush=True)
            if number % 3 == 0:
                changed = results[0].memory_id
                if what == "retain":
                    await engine.update_memory("b", changed, content=f"batch {name} part 0, changed")

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


@dataclass
class Known:
    """What children said was done, over all rounds."""

    retained: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)

    def read(self, line: str) -> None:
        verb, *ids = line.split()
        if verb == "retained" and len(ids) == BATCH and all(len(one) == 16 for one in ids):
            self.retained |= set(ids)
        elif verb == "forgotten" and len(ids) == BATCH:
            self.forgotten |= set(ids)


def values(database: Path) -> dict[str, Any]:
    limits = {"max_results": 10_000}
    return {"storage": {"url": f"sqlite:///{database}"}, "embedding": {"provider": "none"}, "limits": limits}


def killed(database: Path, what: str, known: Known, draw: random.Random) -> None:
    """One child, killed: after some acknowledgements, or while it opens (and migrates) the store."""
    command = [sys.executable, "-c", CHILD, f"sqlite:///{database}", "retain" if what == "migrate" else what]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    with child.stdout as output:
        if what == "migrate":
            time.sleep(draw.uniform(0.2, LONGEST_DELAY))  # whenever: importing, migrating, writing
        else:
            for _ in range(draw.randint(2, 30) if what != "backup" else draw.randint(1, 4)):
                known.read(output.readline())
            time.sleep(draw.uniform(0, 0.01))
        os.kill(child.pid, signal.SIGKILL)
        for line in output.read().splitlines():
            known.read(line)
    child.wait()
    known.kills[what] += 1


async def checked(database: Path, known: Known) -> list[str]:
    """What does not hold; empty when all is well."""
    problems: list[str] = []
    async with Astrocyte.from_config_dict(values(database)) as engine:
        problems += [f"{one.check}: {one.detail}" for one in await engine.doctor() if not one.is_well]
        found: dict[str, str] = {}
        cursor = None
        while True:
            page = await engine.list_memories("b", cursor=cursor, limit=10_000)
            found |= {memory.memory_id: memory.tags[0] for memory in page.memories}
            cursor = page.next_cursor
            if cursor is None:
                break
    problems += [f"lost: {one}" for one in known.retained - known.forgotten - found.keys() - _maybe(known, found)]
    problems += [f"not forgotten: {one}" for one in known.forgotten & found.keys()]
    broken = {name: count for name, count in Counter(found.values()).items() if count != BATCH}
    problems += [f"half a batch: {name} has {count} of {BATCH}" for name, count in broken.items()]
    for copy in database.parent.glob(f"{database.name}.copy-*"):
        async with Astrocyte.from_config_dict(values(copy)) as engine:
            problems += [f"{copy.name}: {one.detail}" for one in await engine.doctor() if not one.is_well]
        for file in database.parent.glob(f"{copy.name}*"):
            file.unlink()
    return problems


def _maybe(known: Known, found: dict[str, str]) -> set[str]:
    """Memories whose forget was under way when the child was killed: gone or not, both are right, but as a batch."""
    missing = known.retained - known.forgotten - found.keys()
    return missing if len(missing) % BATCH == 0 and len(missing) <= BATCH * known.kills["forget"] else set()


def run(folder: Path, rounds: int, seed: int, tell: Callable[[str], None]) -> list[str]:
    """All rounds; returns what was found wrong, in words."""
    draw, known, wrong = random.Random(seed), Known(), []
    database = folder / "memory.db"
    for number in range(1, rounds + 1):
        what = draw.choice(("retain", "retain", "forget", "migrate", "backup"))
        if what == "migrate":
            fresh = folder / f"fresh-{number}.db"
            other = Known()
            killed(fresh, what, other, draw)
            wrong += [f"round {number}, {what}: {one}" for one in asyncio.run(checked(fresh, other))]
            known.kills[what] += 1
            for file in folder.glob(f"{fresh.name}*"):
                file.unlink()
            continue
        killed(database, what, known, draw)
        wrong += [f"round {number}, {what}: {one}" for one in asyncio.run(checked(database, known))]
        if number % 20 == 0:
            tell(f"{number} rounds, {len(known.retained)} memories acknowledged, {len(wrong)} problems")
    tell(f"killed {dict(known.kills)}; {len(known.retained)} acknowledged, {len(known.forgotten)} forgotten")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = run(Path(folder), arguments.rounds, arguments.seed, lambda text: print(text, flush=True))
    print("\n".join(wrong) or f"{arguments.rounds} rounds: nothing acknowledged was lost, nothing is half-written")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
