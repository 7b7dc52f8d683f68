"""Programs in processes of their own, which are killed when the test is done with them or wants them gone."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Program:
    """One process and the lines that it prints."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid

    async def line(self) -> str:
        """The next line of its output, without its end; empty when it has ended."""
        assert self._process.stdout is not None
        return (await asyncio.to_thread(self._process.stdout.readline)).strip()

    def kill(self) -> None:
        """End it as a power cut does: SIGKILL, no handler runs, no packet is sent."""
        self._process.kill()
        self._process.wait()


@asynccontextmanager
async def program(text: str, *arguments: str) -> AsyncIterator[Program]:
    """Run Python source; its ``sys.argv[1:]`` are ``arguments``."""
    with subprocess.Popen([sys.executable, "-c", text, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Program(process)
        finally:
            process.kill()
