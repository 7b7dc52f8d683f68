"""A real server in a process of its own, and the `aster` command against it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.in_process import run_here

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import asyncio, sys
sys.path.insert(0, {root!r})
from aster.config import AsterConfig
from aster.rpc import AsterServer
from tests.cli.shop import SERVICES

async def main():
    async with AsterServer(SERVICES, config=AsterConfig(bind_addr="127.0.0.1:0", log_level="error")) as server:
        print(server.address, flush=True)
        await server.serve()

asyncio.run(main())
"""


@contextmanager
def served() -> Iterator[str]:
    """The address of a server with the services of `tests.cli.shop`."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT))], stdout=subprocess.PIPE, text=True, cwd="/"
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def aster(*arguments: str, cwd: Path, stdin: str = "", home: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command, and wait for its end."""
    return run_here(*arguments, cwd=cwd, stdin=stdin, environment={"HOME": str(home or cwd)})
