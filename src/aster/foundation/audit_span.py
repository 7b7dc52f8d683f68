"""Which records of an audit chain are of a time: found by halving, in O(log records) look-ups by key.

The times of a chain are taken to rise with its sequence numbers. A record whose time was forged can mislead the search
only to its own side of the span, so whoever verifies a span verifies the records next to it as well.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any, overload

import msgspec

from aster.foundation.sql import Connection

LATEST = "\x7f"
"""After every time."""

_NEXT = (
    "SELECT CAST(r.body AS BLOB) FROM audit_records r JOIN audit_chains c ON c.id = r.chain"
    " WHERE c.name = ? AND r.sequence >= ? ORDER BY r.sequence LIMIT 1"
)


class _When(msgspec.Struct):
    occurred_at: str = msgspec.field(name="occurredAt")


class _Times(Sequence[str]):
    """The time of each sequence number from 0 to the end; that of the next record where one is missing."""

    def __init__(self, read: Callable[[int], str], end: int) -> None:
        self._read = read
        self._end = end

    def __len__(self) -> int:
        return self._end + 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._read(index)


def span(connection: Connection, chain: str, end: int, since: str | None, until: str | None) -> tuple[int, int]:
    """First and last sequence number of the records between two times, both included, of a chain of ``end`` records.

    The first is above the last when there are none. Times as records write them. Raises `msgspec.MsgspecError` for a
    record without a readable time.
    """

    def time_of(sequence: int) -> str:
        row = connection.execute(_NEXT, (chain, sequence)).fetchone()
        return msgspec.json.decode(bytes(row[0]), type=_When).occurred_at if row is not None else LATEST

    times = _Times(time_of, end)
    first = 1 if since is None else bisect_left(times, since, lo=1)
    last = end if until is None else bisect_right(times, until, lo=1) - 1
    return first, last
