import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from tests.cli.processes import Start


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, command: Sequence[str] = ("-m", "aster")) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
