"""Reading files that should be small, whatever they are: a device or a log by mistake costs a bounded read."""

from pathlib import Path


def read_bounded(file: Path, limit: int) -> bytes:
    """At most ``limit + 1`` bytes of a file: more than ``limit`` tells that it is too long. Raises OSError."""
    with file.open("rb") as stream:
        return stream.read(limit + 1)
