"""kill -9 of a process that retains or embeds anew, on a file or as a server's client: the acknowledged is whole."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.astrocyte.letters import Letters

from astrocyte.memories import NewMemory
from astrocyte.memory import Astrocyte

ROOT = Path(__file__).resolve().parents[2]
STORES = ("sqlite", "postgres")

CHILD = """
import asyncio, sys
from astrocyte import Astrocyte, NewMemory

async def main():
    settings = {"storage": {"url": sys.argv[1]}, "embedding": {"provider": "none"}}
    async with Astrocyte.from_config_dict(settings) as engine:
        for number in range(100_000):
            if number % 5 == 4:
                batch = [NewMemory(content=f"batch {number} part {part}") for part in range(7)]
                results = await engine.retain_batch("b", batch)
            else:
                results = [await engine.retain(f"single {number}", "b")]
            if number % 7 == 6:
                await engine.forget("b", memory_ids=[results[0].memory_id])
                print("forgotten", results[0].memory_id, flush=True)
            else:
                print("retained", *(result.memory_id for result in results), flush=True)

asyncio.run(main())
"""


def killed_after(url: str, lines: int) -> tuple[set[str], set[str]]:
    """Ids that the child said were retained and forgotten before it was killed."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, url], stdout=subprocess.PIPE, text=True)
    retained: set[str] = set()
    forgotten: set[str] = set()
    assert child.stdout is not None
    with child.stdout as output:
        for _ in range(lines):
            verb, *ids = output.readline().split()
            (retained if verb == "retained" else forgotten).update(ids)
        os.kill(child.pid, signal.SIGKILL)
        for line in output.read().splitlines():
            if re.fullmatch(r"retained( [0-9a-f]{16})+", line):
                retained.update(line.split()[1:])
    child.wait()
    return retained, forgotten


REEMBED = """
import asyncio, sys
from astrocyte import Astrocyte
from tests.astrocyte.letters import Letters

async def main():
    settings = Astrocyte.from_config_dict({"storage": {"url": sys.argv[1]}, "embedding": {"provider": "none"}}).settings
    async with Astrocyte(settings, provider=Letters("abc")) as engine:
        while True:
            done = await engine.reembed("b", limit=7)
            print(done.remaining, flush=True)
            if done.is_finished:
                break
    sys.stdin.read()

asyncio.run(main())
"""
MEMORIES = 100


@pytest.mark.parametrize("lines", [1, 8, 14, 15])
async def test_a_reembedding_that_is_killed_leaves_the_bank_as_it_was_or_finished(url: str, lines: int) -> None:
    settings = Astrocyte.from_config_dict({"storage": {"url": url}, "embedding": {"provider": "none"}}).settings
    async with Astrocyte(settings, provider=Letters("ehx")) as engine:
        await engine.retain_batch("b", [NewMemory(content=f"echo {number}") for number in range(MEMORIES)])
        before = (await engine.recall("echo 7", "b")).hits
    child = subprocess.Popen(
        [sys.executable, "-c", REEMBED, url], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert child.stdout is not None
    assert child.stdin is not None
    with child.stdout as output, child.stdin:
        told = [int(output.readline()) for _ in range(lines)]
        os.kill(child.pid, signal.SIGKILL)
    child.wait()
    after = Letters("abc")
    async with Astrocyte(settings, provider=Letters("ehx")) as old, Astrocyte(settings, provider=after) as new:
        assert [one.detail for one in await new.doctor() if not one.is_well and one.check != "bank models"] == []
        info = await new.bank_info("b")
        assert info is not None
        if info.model == "letters:ehx":
            assert (await old.recall("echo 7", "b")).hits == before
            assert (await new.reembed("b")).is_finished
            assert len([text for text in after.asked if text.startswith("echo")]) <= told[-1]
        assert (await new.recall("echo 7", "b")).hits[0].text == "echo 7"
        assert [one.detail for one in await new.doctor() if not one.is_well] == []


@pytest.mark.parametrize("lines", [3, 40, 171])
async def test_acknowledged_memories_survive_kill_9(url: str, lines: int) -> None:
    retained, forgotten = killed_after(url, lines)
    async with Astrocyte.from_config_dict(
        {"storage": {"url": url}, "embedding": {"provider": "none"}, "limits": {"max_results": 10_000}}
    ) as engine:
        hits = (await engine.recall("single batch part", "b", max_results=10_000)).hits
        found = {hit.memory_id for hit in hits}
        assert retained <= found
        assert not forgotten & found
        assert [finding.detail for finding in await engine.doctor() if not finding.is_well] == []
        await engine.retain("after the crash", "b")
        assert engine.audit.verify("memory").valid
        texts = [one.content for one in (await engine.list_memories("b", limit=10_000)).memories]
    batches = Counter(text.split(" part")[0] for text in texts if text.startswith("batch"))
    assert set(batches.values()) <= {6, 7}
