"""kill -9 at random moments of retain, forget, migrate and backup: nothing acknowledged is lost, nothing half-written.

    python benchmarks/memory/crashes.py [--rounds 200] [--seed 1] [--store postgres]

Each round starts a child that works on the same store and prints what was acknowledged, kills it with SIGKILL after a
random number of acknowledgements (or, for a migration and a backup, after a random time), and then checks: every
acknowledged memory is there, every acknowledged forget holds, batches are whole, the doctor is content, and a backup
exists as a whole or not at all. The random numbers are the seed's. With ``--store postgres`` the child is the client of
a server that goes on; its backups are its own, so there are none.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.memory.stored import stored

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


def values(url: str) -> dict[str, Any]:
    return {"storage": {"url": url}, "embedding": {"provider": "none"}, "limits": {"max_results": 10_000}}


def killed(url: str, what: str, known: Known, draw: random.Random) -> None:
    """One child, killed: after some acknowledgements, or while it opens (and migrates) the store."""
    command = [sys.executable, "-c", CHILD, url, "retain" if what == "migrate" else what]
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


async def checked(url: str, known: Known) -> list[str]:
    """What does not hold; empty when all is well."""
    problems: list[str] = []
    async with Astrocyte.from_config_dict(values(url)) as engine:
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
    return problems


async def checked_copies(database: Path) -> list[str]:
    """What is wrong with the backups beside a file, which are removed."""
    problems: list[str] = []
    for copy in database.parent.glob(f"{database.name}.copy-*"):
        async with Astrocyte.from_config_dict(values(f"sqlite:///{copy}")) as engine:
            problems += [f"{copy.name}: {one.detail}" for one in await engine.doctor() if not one.is_well]
        for file in database.parent.glob(f"{copy.name}*"):
            file.unlink()
    return problems


def _maybe(known: Known, found: dict[str, str]) -> set[str]:
    """Memories whose forget was under way when the child was killed: gone or not, both are right, but as a batch."""
    missing = known.retained - known.forgotten - found.keys()
    return missing if len(missing) % BATCH == 0 and len(missing) <= BATCH * known.kills["forget"] else set()


def run(url: str, rounds: int, seed: int, tell: Callable[[str], None]) -> list[str]:
    """All rounds on an empty store; returns what was found wrong, in words."""
    draw, known, wrong = random.Random(seed), Known(), []
    file = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None
    for number in range(1, rounds + 1):
        what = draw.choice(("retain", "retain", "forget", "migrate", "backup" if file else "retain"))
        if what == "migrate":
            other = Known()
            with empty_store(url, number) as fresh:
                killed(fresh, what, other, draw)
                wrong += [f"round {number}, {what}: {one}" for one in asyncio.run(checked(fresh, other))]
            known.kills[what] += 1
        else:
            killed(url, what, known, draw)
            found = asyncio.run(checked(url, known)) + (asyncio.run(checked_copies(file)) if file else [])
            wrong += [f"round {number}, {what}: {one}" for one in found]
        if number % 20 == 0:
            tell(f"{number} rounds, {len(known.retained)} memories acknowledged, {len(wrong)} problems")
    tell(f"killed {dict(known.kills)}; {len(known.retained)} acknowledged, {len(known.forgotten)} forgotten")
    return wrong


@contextmanager
def empty_store(url: str, number: int) -> Iterator[str]:
    """Another store beside one: a file, or a schema of the same server."""
    if url.startswith("sqlite"):
        fresh = f"{url}-fresh-{number}"
        yield fresh
        for file in Path(fresh.removeprefix("sqlite:///")).parent.glob(f"*-fresh-{number}*"):
            file.unlink()
        return
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA fresh_{number}")
    option = "options=" + quote(f"-c search_path=fresh_{number},public")
    yield f"{url}{'&' if '?' in url else '?'}{option}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    given = parser.parse_args()
    with stored(given.store) as url:
        if given.store == "postgres":
            asyncio.run(checked(url, Known()))  # so that pgvector is there for every schema
        wrong = run(url, given.rounds, given.seed, lambda text: print(text, flush=True))
    print("\n".join(wrong) or f"{given.rounds} rounds: nothing acknowledged was lost, nothing is half-written")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
