"""Long streams between two processes: neither end holds more than its windows, however much passes through."""

from pathlib import Path

import pytest
from tests.rpc.processes import program

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")

MIB = 1 << 20

SERVER = """
import asyncio
from aster.rpc import AsterServer
from tests.rpc.test_faults import OPEN, Work

async def main():
    async with AsterServer([Work()], config=OPEN) as server:
        print(server.address, flush=True)
        await server.serve()

asyncio.run(main())
"""

CLIENT = """
import asyncio, sys
from aster.config import AsterConfig
from aster.rpc import AsterClient
from tests.rpc.test_bounded_memory import peak
from tests.rpc.test_faults import Load, Work

async def main():
    address, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    async with AsterClient(address=address, config=AsterConfig(bind_addr="127.0.0.1:0")) as client:
        stub = await client.client(Work)
        for times in (count // 16, count):
            received = 0
            async for load in stub.count(Load(times, bytes(size))):
                received += len(load.data)
            print(received, peak("self"), flush=True)

asyncio.run(main())
"""


def peak(pid: int | str) -> int:
    """The most memory in bytes that a process has had."""
    [line] = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(("count", "size"), [(192, MIB), (100_000, 1)], ids=["large messages", "tiny messages"])
async def test_a_long_stream_takes_no_more_memory_than_a_short_one(count: int, size: int) -> None:
    async with program(SERVER) as server, program(CLIENT, await server.line(), str(count), str(size)) as client:
        first, ours = map(int, (await client.line()).split())
        theirs = peak(server.pid)
        assert first == count // 16 * size
        received, ours_at_last = map(int, (await client.line()).split())
        assert received == count * size
        assert ours_at_last - ours < 32 * MIB
        assert peak(server.pid) - theirs < 32 * MIB
