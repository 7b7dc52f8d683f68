"""One-way streams beside a lane, each carrying one large body: what both transports offer.

A stream's number is the same at both ends: streams of one direction count up from 0 in the order they were opened.
Reading and writing are coroutines here, for a body is worth them; cancelling one of them gives the whole stream up.
"""

from abc import ABC, abstractmethod

CHUNK_BYTES = 256 * 1024
"""What is read or written at once."""

MAX_OPEN = 100
"""So many streams of one direction may be open at once: what QUIC grants by default."""


class OutgoingStream(ABC):
    """The writing end; every method raises `TransportError` once the peer has given the stream up."""

    number: int

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Return when the transport took all of ``data``; the peer's reading is what makes room."""

    @abstractmethod
    async def finish(self) -> None:
        """All is written."""

    @abstractmethod
    async def abandon(self) -> None:
        """Drop what is under way; the peer reads an error, not an end."""


class IncomingStream(ABC):
    """The reading end."""

    number: int

    @abstractmethod
    async def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end. Raises `TransportError` when the peer abandoned the stream."""

    @abstractmethod
    async def stop(self) -> None:
        """Tell the peer to write no more."""


class SideStreams(ABC):
    """The one-way streams of one connection."""

    @abstractmethod
    async def open(self) -> OutgoingStream:
        """A new stream; waits while `MAX_OPEN` are open. Never cancel it: the stream would be lost unseen."""

    @abstractmethod
    async def accept(self) -> IncomingStream:
        """The peer's next stream, in the order of their numbers."""

    @abstractmethod
    def close(self) -> None:
        """End every stream; safe to call twice."""
