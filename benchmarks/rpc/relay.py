"""A relay under load: its own process, pairs of clients that send datagrams as fast as they are let, and slow readers.

    python tools/private_network.py python benchmarks/rpc/relay.py [--pairs 1,8,32] [--size 1200] [--seconds 3]

For each number of pairs: datagrams a second that arrive, the relay's CPU a datagram, its memory, and what it dropped;
beside it the same datagrams through a plain TCP forwarder written with the same asyncio, in the same run, as the floor.
The last row adds one client that never reads: the others' rate and the relay's memory must not notice. Read the ratios.
"""

import argparse
import asyncio
import multiprocessing
import os
import resource
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.connection import Connection as Channel
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from aster.transport.relay.challenge import message_to_sign
from aster.transport.relay.frames import VERSION_2
from aster.transport.relay.limits import RelayLimits
from aster.transport.relay.server import RelayOptions, RelayServer

UNLIMITED = 1 << 40
BATCH = 16
CHUNK = 256 * 1024
LENGTH = struct.Struct(">I")

Ready = Callable[[str], Awaitable[None]]


async def serve_relay(ready: Ready) -> None:
    limits = RelayLimits(max_bytes_per_second=UNLIMITED, max_total_bytes_per_second=UNLIMITED)
    async with RelayServer(RelayOptions(limits=limits)) as relay:
        await ready(relay.url)


async def serve_tcp(ready: Ready) -> None:
    """Connections come in pairs; what one writes, the other reads."""
    waiting: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not waiting:
            waiting.append(writer)
            return
        target = waiting.pop()
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                target.write(data)
                await target.drain()
        target.close()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    await ready(f"{host}:{port}")
    server.close()


SERVERS = {"relay": serve_relay, "tcp": serve_tcp}


def run_server(kind: str, channel: Channel) -> None:
    async def ready(address: str) -> None:
        channel.send(address)
        while await asyncio.to_thread(channel.recv) == "usage":
            usage = resource.getrusage(resource.RUSAGE_SELF)
            channel.send((usage.ru_utime + usage.ru_stime, resident()))

    asyncio.run(SERVERS[kind](ready))


def resident() -> float:
    """Memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def join(url: str) -> tuple[ClientConnection, bytes]:
    secret = Ed25519PrivateKey.generate()
    key = secret.public_key().public_bytes_raw()
    socket = await connect(
        url.replace("http", "ws", 1) + "relay",
        subprotocols=[Subprotocol(VERSION_2)],
        compression=None,
        proxy=None,
        ping_interval=None,
    )
    challenge = await socket.recv()
    assert isinstance(challenge, bytes)
    await socket.send(b"\x01" + key + b"\x40" + secret.sign(message_to_sign(challenge[1:])))
    assert await socket.recv() == b"\x02"
    return socket, key


async def relay_pair(url: str, size: int, until: float, pairing: asyncio.Lock) -> int:
    """Datagrams that arrived. The receiver counts bytes on its transport: parsing them here would be the bottleneck."""
    async with pairing:
        sender, _ = await join(url)
        receiver, key = await join(url)
    message = b"\x04" + key + b"\x00" + bytes(size)
    wire = Frame(Opcode.BINARY, message).serialize(mask=True) * BATCH
    length = len(Frame(Opcode.BINARY, message).serialize(mask=False))
    arrived = 0

    def count(data: bytes) -> None:
        nonlocal arrived
        arrived += len(data)

    receiver.data_received = count  # type: ignore[method-assign]
    while time.monotonic() < until:
        sender.transport.write(wire)
        while sender.transport.get_write_buffer_size() > CHUNK:
            await asyncio.sleep(0.0005)
        await asyncio.sleep(0)
    for socket in (sender, receiver):
        socket.transport.abort()
    return arrived // length


async def tcp_pair(address: str, size: int, until: float, pairing: asyncio.Lock) -> int:
    host, _, port = address.rpartition(":")
    async with pairing:
        reader, idle = await asyncio.open_connection(host, int(port), limit=CHUNK)
        _, writer = await asyncio.open_connection(host, int(port))
    wire = (LENGTH.pack(size) + bytes(size)) * BATCH
    arrived = 0

    async def count() -> None:
        nonlocal arrived
        while data := await reader.read(CHUNK):
            arrived += len(data)

    counting = asyncio.create_task(count())
    while time.monotonic() < until:
        writer.write(wire)
        await writer.drain()
        await asyncio.sleep(0)
    counting.cancel()
    for stream in (writer, idle):
        stream.transport.abort()
    return arrived // (size + LENGTH.size)


async def deaf(url: str, size: int, until: float) -> None:
    """A client that never reads, and one that keeps sending to it."""
    sender, _ = await join(url)
    receiver, key = await join(url)
    receiver.transport.pause_reading()
    wire = Frame(Opcode.BINARY, b"\x04" + key + b"\x00" + bytes(size)).serialize(mask=True) * BATCH
    while time.monotonic() < until:
        sender.transport.write(wire)
        await asyncio.sleep(0.002)
    for socket in (sender, receiver):
        socket.transport.abort()


def measure(kind: str, pairs: int, size: int, seconds: float, *, with_deaf: bool = False) -> tuple[float, float, float]:
    """Datagrams a second, microseconds of the server's CPU a datagram, the server's memory in MiB."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run_server, args=(kind, theirs))
    process.start()
    address = ours.recv()
    pair = relay_pair if kind == "relay" else tcp_pair

    async def load() -> int:
        until = time.monotonic() + seconds
        pairing = asyncio.Lock()
        tasks = [pair(address, size, until, pairing) for _ in range(pairs)]
        if with_deaf:
            arrived = await asyncio.gather(*tasks, deaf(address, size, until))
            return sum(count for count in arrived if count is not None)
        return sum(await asyncio.gather(*tasks))

    def usage() -> tuple[float, float]:
        ours.send("usage")
        cpu, memory = ours.recv()
        return cpu, memory

    before, _ = usage()
    arrived = asyncio.run(load())
    after, memory = usage()
    ours.send("end")
    process.join()
    return arrived / seconds, (after - before) / max(1, arrived) * 1e6, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", default="1,8,32")
    parser.add_argument("--size", type=int, default=1200)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    print(f"{'pairs':>10} {'relay/s':>10} {'cpu us':>7} {'MiB':>6} {'tcp/s':>10} {'cpu us':>7} {'relay/tcp':>9}")
    for pairs in [int(word) for word in arguments.pairs.split(",")]:
        relayed = measure("relay", pairs, arguments.size, arguments.seconds)
        plain = measure("tcp", pairs, arguments.size, arguments.seconds)
        print(
            f"{pairs:>10} {relayed[0]:>10.0f} {relayed[1]:>7.1f} {relayed[2]:>6.0f} {plain[0]:>10.0f} "
            f"{plain[1]:>7.1f} {relayed[0] / plain[0]:>9.2f}"
        )
    rate, cpu, memory = measure("relay", 8, arguments.size, arguments.seconds, with_deaf=True)
    print(f"{'8 + deaf':>10} {rate:>10.0f} {cpu:>7.1f} {memory:>6.0f}")


if __name__ == "__main__":
    main()
