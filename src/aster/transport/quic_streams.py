"""One-way QUIC streams: bytes through the lean driver where it runs, the rest through the bindings' awaitables."""

import re
from typing import Any

from aster.transport.binding import lost, settled
from aster.transport.errors import ConnectionLost, TransportError
from aster.transport.lean_stream import LeanStream
from aster.transport.pipes import proven_driver
from aster.transport.side_streams import IncomingStream, OutgoingStream, SideStreams

GIVEN_UP = 1
"""The error code of streams that are reset or stopped; the lane says why."""

_NUMBER = re.compile(r"(\d+)\Z")


class QuicStreams(SideStreams):
    """The one-way streams of a QUIC connection, which closes them itself."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    async def open(self) -> OutgoingStream:
        stream = await settled(self._connection().open_uni(), lost)
        return QuicOutgoing(stream, await _number(stream))

    async def accept(self) -> IncomingStream:
        stream = await settled(self._connection().accept_uni(), lost)
        return QuicIncoming(stream, await _number(stream))

    def close(self) -> None:
        self._raw = None

    def _connection(self) -> Any:
        if self._raw is None:
            raise ConnectionLost("the connection is over")
        return self._raw


class QuicOutgoing(OutgoingStream):
    def __init__(self, raw: Any, number: int) -> None:
        self._raw = raw
        self._lean = _lean(raw)
        self.number = number

    async def write(self, data: bytes) -> None:
        if self._lean is not None:
            await self._lean.write(data)
        else:
            await settled(self._raw.write_all(data), lost)

    async def finish(self) -> None:
        _release(self._lean)
        await settled(self._raw.finish(), lost)

    async def abandon(self) -> None:
        _release(self._lean)
        await settled(self._raw.reset(GIVEN_UP), lost)


class QuicIncoming(IncomingStream):
    def __init__(self, raw: Any, number: int) -> None:
        self._raw = raw
        self._lean = _lean(raw)
        self.number = number

    async def read(self, size: int) -> bytes:
        if self._lean is None:
            return bytes(await settled(self._raw.read(size), lost))
        data = await self._lean.read(size)
        if not data:
            self._lean.release()
        return data

    async def stop(self) -> None:
        _release(self._lean)
        await settled(self._raw.stop(GIVEN_UP), lost)


def _lean(raw: Any) -> LeanStream | None:
    driver = proven_driver()
    return None if driver is None else LeanStream(driver, raw)


def _release(lean: LeanStream | None) -> None:
    if lean is not None:
        lean.release()


async def _number(stream: Any) -> int:
    """The number in QUIC's own name of a stream: "client unidirectional stream 7"."""
    name = await settled(stream.id(), lost)
    found = _NUMBER.search(name)
    if found is None:
        raise TransportError(f"the bindings call a stream '{name:.60}', which has no number")
    return int(found[1])
