"""What the benchmark's files lie on: durability that is measured in memory would say nothing."""

import os
import statistics
import tempfile
import time
from pathlib import Path

IN_MEMORY = frozenset({"tmpfs", "ramfs"})
TRIES = 50


def filesystem(folder: Path) -> str:
    """The type of the file system that holds a folder, as the kernel names it."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, found = line.split(" ")[:3]
        if folder.resolve().is_relative_to(place) and len(place) >= len(best):
            best, kind = place, found
    return kind


def require_disk(folder: Path) -> str:
    """The file system's type; ends the program when it is memory."""
    kind = filesystem(folder)
    if kind in IN_MEMORY:
        raise SystemExit(f"{folder} is in memory ({kind}); choose a folder on a disk with --data")
    return kind


def sync_ms(folder: Path) -> float:
    """Milliseconds until 4 KiB more of a file are durable, the median of a few tries."""
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(TRIES):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3
