"""A pipe inside one process: what one end writes, the other reads in the next turn of the loop."""

from typing import Self

from aster.transport.errors import ConnectionLost
from aster.transport.pipe import OnData, Pipe


class MemoryPipe(Pipe):
    """One end of an in-process pair."""

    def __init__(self) -> None:
        super().__init__()
        self._other: MemoryPipe | None = None
        self._on_data: OnData | None = None
        self._early: list[bytes] = []

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Two connected ends."""
        left, right = cls(), cls()
        left._other, right._other = right, left
        return left, right

    def close(self) -> None:
        super().close()
        other, self._other = self._other, None
        if other is not None:
            other._other = None
            self._loop.call_soon(other._break, ConnectionLost("closed by the other side"))

    def _read_into(self, on_data: OnData) -> None:
        self._on_data = on_data
        early, self._early = self._early, []
        for data in early:
            self._loop.call_soon(on_data, data)

    def _send(self, data: bytes) -> None:
        if self._other is not None:
            self._other._deliver(data)
        self._sent(len(data))

    def _deliver(self, data: bytes) -> None:
        if self._lost is not None:
            return
        if self._on_data is None:
            self._early.append(data)
        else:
            self._loop.call_soon(self._on_data, data)
