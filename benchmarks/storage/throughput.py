"""Adding and fetching one large blob, beside `cp`, a bare QUIC stream and rsync, in the same run.

python tools/private_network.py python benchmarks/storage/throughput.py [MIB]
"""

import asyncio
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aster.config import AsterConfig
from aster.rpc import AsterClient, AsterServer
from aster.storage.blobs.store import BlobStore
from aster.transport.endpoint import Endpoint, EndpointSettings
from aster.transport.errors import TransportError

MIB = 1 << 20
ROUNDS = 3
ALPN = b"benchmark/raw"


async def main(mib: int) -> None:
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        with source.open("wb") as file:
            for _ in range(mib):
                file.write(os.urandom(MIB))
        for number in range(ROUNDS):
            place = folder / f"round{number}"
            place.mkdir()
            for label, work in measurements(source, place, mib):
                started = time.perf_counter()
                taken = await work()
                seconds = taken if taken is not None else time.perf_counter() - started
                figures.setdefault(label, []).append(mib * MIB / 1e6 / seconds)
            shutil.rmtree(place)
    print(f"{mib} MiB, medians of {ROUNDS} rounds, interleaved\n")
    for label, found in figures.items():
        print(f"{label:<44} {statistics.median(found):8.0f} MB/s")


def measurements(source: Path, place: Path, mib: int) -> list[tuple[str, Callable[[], Awaitable[float | None]]]]:
    rows: list[tuple[str, Callable[[], Awaitable[float | None]]]] = [
        ("cp and fsync", lambda: copied(source, place)),
        ("blobs.add_file (hashed, fsynced)", lambda: added(source, place)),
        ("a bare QUIC stream, one way, to memory", lambda: raw_stream(mib)),
        ("download from one peer (verified, fsynced)", lambda: fetched(source, place / "one", 1)),
        ("download from two peers (verified, fsynced)", lambda: fetched(source, place / "two", 2)),
    ]
    if shutil.which("rsync"):
        rows.append(("rsync over a local pipe", lambda: rsynced(source, place)))
    return rows


async def copied(source: Path, place: Path) -> None:
    subprocess.run(["cp", source, place / "copy"], check=True)
    with (place / "copy").open("rb") as file:
        os.fsync(file.fileno())


async def added(source: Path, place: Path) -> None:
    store = BlobStore.at(place / "store")
    store.add_file(source)
    store.close()


async def rsynced(source: Path, place: Path) -> None:
    subprocess.run(["rsync", "--whole-file", "--fsync", source, place / "rsynced"], check=True)


async def raw_stream(mib: int) -> float:
    server = await Endpoint.bind(EndpointSettings((ALPN,), None, "127.0.0.1:0", "disabled"))
    client = await Endpoint.bind(EndpointSettings((), None, "127.0.0.1:0", "disabled"))

    async def receive() -> None:
        incoming = await server.accept()
        assert incoming is not None
        connection = await incoming.handshake(10)
        stream = await connection.side_streams().accept()
        left = mib * MIB
        while left:
            left -= len(await stream.read(256 * 1024))

    receiving = asyncio.ensure_future(receive())
    connection = await client.connect(server.address(), ALPN, 10)
    stream = await connection.side_streams().open()
    piece = os.urandom(256 * 1024)
    started = time.perf_counter()
    for _ in range(4 * mib):
        await stream.write(piece)
    await stream.finish()
    await receiving
    seconds = time.perf_counter() - started
    with contextlib.suppress(TransportError):
        await client.close()
        await server.close()
    return seconds


async def fetched(source: Path, place: Path, peers: int) -> float:
    async with contextlib.AsyncExitStack() as stack:
        servers = []
        for number in range(peers):
            config = AsterConfig(bind_addr="127.0.0.1:0", storage_path=str(place / f"peer{number}"), log_level="error")
            servers.append(await stack.enter_async_context(AsterServer([], config=config)))
            ref = await servers[-1].blobs.add_file(source)
            await servers[-1].blobs.share(ref, public=True)
        config = AsterConfig(storage_path=str(place / "client"))
        client = await stack.enter_async_context(AsterClient(address=servers[0].address, config=config))
        started = time.perf_counter()
        await client.blobs.download(ref.hash, peers=[server.address for server in servers])
        return time.perf_counter() - started


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 256))
