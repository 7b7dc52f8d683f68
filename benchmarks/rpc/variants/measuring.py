"""The measuring side of every variant: commands in on stdin, one JSON line each out. Standard library only.

A variant is a program with two roles: ``serve`` prints its address and serves; ``call ADDRESS`` obeys the commands
below. So every variant runs as two processes of its own, and may run on a Python of its own.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

MIB = 1 << 20
TEXT = "x" * 51
"""With its number and its framing a ``Ping`` takes about 64 bytes."""

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def unary(client: Any, in_flight: int, seconds: float) -> dict[str, float]:
    """Calls a second, p50 and p99 in microseconds, CPU of this process a call."""
    latencies: list[float] = []
    clock = time.perf_counter
    call: Callable[[], Awaitable[Any]] = client.unary
    end = clock() + seconds

    async def caller() -> None:
        started = clock()
        while True:
            await call()
            now = clock()
            latencies.append(now - started)
            if now >= end:
                return
            started = now

    begun, cpu = clock(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else latencies * 99
    return {
        "rate": len(latencies) / (clock() - begun),
        "calls": len(latencies),
        "p50": cuts[49] * 1e6,
        "p99": cuts[98] * 1e6,
        "cpu": (time.process_time() - cpu) / len(latencies) * 1e6,
    }


async def timed(work: Awaitable[Any], amount: float) -> dict[str, float]:
    """How much of ``amount`` was done a second."""
    begun = time.perf_counter()
    await work
    return {"rate": amount / (time.perf_counter() - begun)}


async def large(client: Any, count: int) -> dict[str, float]:
    """1 MiB there and back, one after the other: MiB a second, both ways counted once."""

    async def calls() -> None:
        for _ in range(count):
            await client.large()

    return await timed(calls(), count)


async def connect(client: Any, count: int) -> dict[str, float]:
    """A new connection and its first call, p50 in microseconds."""
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        other = await client.another()
        await other.unary()
        took.append(time.perf_counter() - begun)
        await other.close()
    return {"p50": statistics.median(took) * 1e6}


async def idle(client: Any, count: int) -> dict[str, float]:
    """Memory of this process an idle connection; the server's is read by whoever asked, while these are open."""
    first = await client.another()
    await first.unary()
    before = resident_bytes()
    others = [await client.another() for _ in range(count)]
    for other in others:
        await other.unary()
    grown = (resident_bytes() - before) / count
    print(json.dumps({"open": count}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for other in (first, *others):
        await other.close()
    return {"bytes": grown}


COMMANDS: dict[str, Callable[..., Awaitable[dict[str, float]]]] = {
    "unary": unary,
    "down": lambda client, messages: timed(client.down(messages), messages),
    "up": lambda client, messages: timed(client.up(messages), messages),
    "large": large,
    "bulk": lambda client, mib: timed(client.bulk(mib), mib),
    "connect": connect,
    "idle": idle,
}


async def obey(client: Any) -> None:
    """Answer commands until stdin ends; a variant without the method for one answers null."""
    print(json.dumps("ready"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, arguments = json.loads(line)
        needed = {"connect": "another", "idle": "another"}.get(name, name)
        answer = await COMMANDS[name](client, **arguments) if hasattr(client, needed) else None
        print(json.dumps(answer), flush=True)
    await client.close()


def announce(address: str) -> None:
    print(json.dumps(address), flush=True)


def run(serve: Callable[[], Awaitable[None]], client: Callable[[str], Awaitable[Any]]) -> None:
    """The main program of a variant; ``ASTER_BENCHMARK_UVLOOP=1`` puts it on uvloop."""

    async def call(address: str) -> None:
        await obey(await client(address))

    async def role() -> None:
        await (serve() if sys.argv[1] == "serve" else call(sys.argv[2]))

    if os.environ.get("ASTER_BENCHMARK_UVLOOP") == "1":
        import uvloop

        uvloop.run(role())
    else:
        asyncio.run(role())
