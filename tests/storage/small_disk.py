"""A disk of a few MiB, all of it real: a tmpfs in a mount namespace of one process."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_MOUNT = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'


def run_on_a_small_disk(place: Path, size: str, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command for which ``place`` is an empty disk of that size; skips where no such thing may be made."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare(1) here")
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh", size, str(place)]
    probe = subprocess.run([*inside, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no namespace with a disk of its own may be made here: {probe.stderr.strip()}")
    return subprocess.run([*inside, *command], capture_output=True, text=True, check=False, timeout=120)


def python(program: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a program of Python."""
    return (sys.executable, "-c", program, *arguments)
