"""Two machines on one cable: network namespaces with the ends of a veth pair, each a process of its own."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HOST = """
import subprocess, sys
sys.path.insert(0, {root!r})
from tools.private_network import enter

enter()
print("alone", flush=True)
sys.stdin.readline()
for command in {commands!r}:
    subprocess.run(command.split(), check=True)
"""


class Host:
    """A process in a network of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    def tell(self, words: str = "") -> None:
        """One line for it to read."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{words}\n".encode())


@asynccontextmanager
async def cable(ours: str, theirs: str, *addresses: str) -> AsyncIterator[tuple[Host, Host]]:
    """Hosts that run ``ours`` and ``theirs`` (Python source) once the cable between them is plugged in.

    The first of ``addresses`` is the first host's. Skips the test, and says why, where the kernel allows none of this.
    """
    if sys.platform != "linux" or shutil.which("ip") is None:
        pytest.skip("needs Linux, and the command ip")
    async with contextlib.AsyncExitStack() as running:
        hosts = [
            await running.enter_async_context(_host(text, address))
            for text, address in zip((ours, theirs), addresses, strict=True)
        ]
        for host in hosts:
            if await host.line() != "alone":
                pytest.skip("this kernel gives a process no network of its own here")
        pair = f"ip link add eth0 netns {hosts[0].pid} type veth peer name eth0 netns {hosts[1].pid}"
        made = subprocess.run(pair.split(), capture_output=True, text=True, check=False)
        if made.returncode != 0:
            pytest.skip(f"no veth pairs here: {made.stderr.strip()}")
        for host in hosts:
            host.tell()
        yield hosts[0], hosts[1]


@asynccontextmanager
async def _host(text: str, address: str) -> AsyncIterator[Host]:
    no_wait = " nodad" if ":" in address else ""
    commands = [f"ip address add {address} dev eth0{no_wait}", "ip link set eth0 up"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOST.format(root=str(ROOT), commands=commands) + text,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("ASTER_")},
        cwd="/",
    )
    try:
        yield Host(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
