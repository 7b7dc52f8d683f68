"""A sparse file of 10 GiB, added, verified, and fetched by another process, each of which may use 256 MiB of memory.

The limit is the system's (RLIMIT_DATA): what asks for more fails. Holes stay holes, so it needs little disk.

python tools/private_network.py python benchmarks/storage/large_file.py [GIB]
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer
from aster.storage.blobs.store import BlobStore
from aster.storage.tickets import parse_blob_ticket

LIMIT = 256 << 20


def main(gib: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "sparse").open("wb") as file:
            file.truncate(gib << 30)
            for number in range(gib):
                file.seek((number << 30) + 12_345)
                file.write(b"not only holes")
        _run("add", name)
        with subprocess.Popen([sys.executable, __file__, "serve", name], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            _run("fetch", name, server.stdout.readline().strip())
            server.terminate()
            server.wait()
        blocks = sum(file.stat().st_blocks for file in (folder / "theirs").rglob("*") if file.is_file())
        print(f"on the fetcher's disk: {blocks * 512 >> 20} MiB")


def add(folder: Path) -> None:
    store = BlobStore.at(folder / "ours")
    started = time.perf_counter()
    ref = store.add_file(folder / "sparse", tag="large")
    _tell("added", ref.size, started)
    started = time.perf_counter()
    assert not list(store.verify())
    _tell("verified", ref.size, started)
    store.close()


async def serve(folder: Path) -> None:
    config = AsterConfig(bind_addr="127.0.0.1:0", storage_path=str(folder / "ours"), log_level="error")
    async with AsterServer([], config=config) as server:
        print(await server.blobs.share("large"), flush=True)
        await server.serve()


async def fetch(folder: Path, ticket: str) -> None:
    config = AsterConfig(storage_path=str(folder / "theirs"), log_level="error")
    async with AsterClient(address=parse_blob_ticket(ticket).addresses[0], config=config) as client:
        started = time.perf_counter()
        ref = await client.blobs.download(ticket, tag="large")
        _tell("fetched", ref.size, started)


def _tell(what: str, size: int, started: float) -> None:
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{what:<9} {size} bytes in {seconds:6.1f} s ({size / 1e6 / seconds:5.0f} MB/s), peak {peak} MiB", flush=True)


def _run(*words: str) -> None:
    subprocess.run([sys.executable, __file__, *words], check=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words and words[0] in ("add", "serve", "fetch"):
        os.environ.setdefault("ASTER_ALLOW_ALL_CONSUMERS", "true")
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
        place = Path(words[1])
        if words[0] == "add":
            add(place)
        else:
            asyncio.run(serve(place) if words[0] == "serve" else fetch(place, words[2]))
    else:
        main(int(words[0]) if words else 10)
