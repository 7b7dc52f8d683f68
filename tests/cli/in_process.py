"""The `aster` command in this process: what it prints and how it exits, without the second that a start costs.

For tests whose point is what a command does; starting, signals, terminals and crashes are tested with processes.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from aster.cli import main


def run_here(
    *arguments: str, cwd: Path | None = None, stdin: str = "", environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end in ``cwd``, with ``environment`` added to this process's."""
    output, errors = _stream(), _stream()
    code: int | str | None = 0
    with pytest.MonkeyPatch.context() as patch, _left_as_it_was(cwd or Path.cwd()):
        patch.chdir(cwd or Path.cwd())
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["aster", *arguments])
        patch.setattr(sys, "stdin", _stream(stdin))
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", errors)
        try:
            main.run()
        except SystemExit as end:
            code = end.code
    status = code if isinstance(code, int) else int(code is not None)
    return subprocess.CompletedProcess(arguments, status, _written(output), _written(errors))


@contextmanager
def _left_as_it_was(folder: Path) -> Iterator[None]:
    """What a command may change of its process: the umask, where modules are looked for, and those of ``folder``."""
    umask = os.umask(0o022)
    os.umask(umask)
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        os.umask(umask)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(folder):
                del sys.modules[name]


def _stream(text: str = "") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", newline="", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    kept = stream.buffer
    assert isinstance(kept, io.BytesIO)
    return kept.getvalue().decode()
