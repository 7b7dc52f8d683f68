"""Frames without I/O: ``length u32 | kind u8 | call u64 | body``, little-endian; length counts what follows it.

Invariants: every byte is looked at a bounded number of times, however the stream is cut; a frame above the limit is
skipped without being kept, and reported once with ``None`` for its body.
"""

import struct

from aster.transport.errors import FramingError

HEADER = struct.Struct("<IBQ")
HEADER_BYTES = HEADER.size
LENGTH_BYTES = 4
MIN_LENGTH = HEADER_BYTES - LENGTH_BYTES

Frame = tuple[int, int, bytes | None]
"""Kind, call id, body; a body of None was above the limit."""


def frame(kind: int, call: int, body: bytes = b"") -> bytes:
    """One frame as bytes."""
    return HEADER.pack(MIN_LENGTH + len(body), kind, call) + body


class FrameSplitter:
    """Cuts a stream of bytes into frames of at most ``max_body`` bytes of body."""

    def __init__(self, max_body: int) -> None:
        self._max_length = MIN_LENGTH + max_body
        self._partial = bytearray()
        self._needed = 0
        self._skipping = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes; raises `FramingError` when the stream can't be frames."""
        if self._skipping:
            skipped = min(self._skipping, len(data))
            self._skipping -= skipped
            data = data[skipped:]
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed:
                return []
            data = bytes(self._partial)
            self._partial.clear()
        frames: list[Frame] = []
        position, end = 0, len(data)
        unpack = HEADER.unpack_from
        while end - position >= HEADER_BYTES:
            length, kind, call = unpack(data, position)
            stop = position + LENGTH_BYTES + length
            if length > self._max_length:
                frames.append((kind, call, None))
                self._skipping = max(0, stop - end)
                position = min(stop, end)
                continue
            if length < MIN_LENGTH:
                raise FramingError(f"a frame says it has {length} bytes, the least is {MIN_LENGTH}")
            if stop > end:
                self._needed = stop - position
                break
            frames.append((kind, call, data[position + HEADER_BYTES : stop]))
            position = stop
        else:
            self._needed = HEADER_BYTES
        if position < end:
            self._partial += data[position:]
        return frames
