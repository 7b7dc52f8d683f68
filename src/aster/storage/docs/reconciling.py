"""Set reconciliation between two replicas of a document, without I/O: a message comes, messages go.

One side compares the whole range of keys. Whoever finds a range different cuts it into smaller ones and compares those,
until a range is small enough to list; from a listing each side sees what it lacks and what it should send (range-based
set reconciliation, A. Meyer, "Range-Based Set Reconciliation", 2022). The exchange grows with the difference, times the
logarithm of the size.

What this file keeps:

- An answer follows from the message and the replica alone: no state between messages, so any of them may be lost,
  repeated or reordered, and the next exchange makes it good.
- A message is answered by a bounded one; what does not fit is compared again, later.
- Entries are only ever offered to the replica, which checks their signatures.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from aster.storage.docs.entries import Entry
from aster.storage.docs.summary import Fingerprint, Summary

PARTS = 16
LISTED = 32
"""Ranges of so many entries or fewer are listed."""

ENTRY_BYTES = 300
"""What an entry takes besides its key and value, about."""

MAX_PARTS = 8192
MAX_ITEMS = 65_536

Bound = Annotated[bytes, Meta(max_length=4096)]


class Compare(Struct, frozen=True, tag=1, array_like=True):
    """Is this what you have there?"""

    low: Bound
    high: Bound | None
    fingerprint: Fingerprint


class Item(Struct, frozen=True, array_like=True):
    """A key with its entry's clock and identity."""

    key: Bound
    clock: int
    identity: bytes


class Listing(Struct, frozen=True, tag=2, array_like=True):
    """All that I have there."""

    low: Bound
    high: Bound | None
    items: Annotated[tuple[Item, ...], Meta(max_length=MAX_ITEMS)]


class Wanted(Struct, frozen=True, tag=3, array_like=True):
    """Send me these."""

    keys: Annotated[tuple[Bound, ...], Meta(max_length=MAX_ITEMS)]


class Entries(Struct, frozen=True, tag=4, array_like=True):
    """Here they are."""

    entries: Annotated[tuple[Entry, ...], Meta(max_length=MAX_ITEMS)]


Part = Compare | Listing | Wanted | Entries
Message = Annotated[tuple[Part, ...], Meta(max_length=MAX_PARTS)]


class Replica(Protocol):
    """What a document's replica tells and takes."""

    summary: Summary

    def found(self, keys: Iterable[bytes]) -> Iterator[Entry]:
        """The entries of those keys that are here, in the order that was asked for, read as far as they are taken."""

    def identity(self, entry: Entry) -> bytes: ...
    def merge(self, entries: Sequence[Entry]) -> None:
        """Take what is rightly signed and newer; leave the rest."""


class Budget:
    """How many bytes of entries one message may hold."""

    def __init__(self, size: int) -> None:
        self.left = size

    def takes(self, entry: Entry) -> bool:
        if self.left <= 0:
            return False
        self.left -= ENTRY_BYTES + len(entry.key) + len(entry.value or b"")
        return True


def opening(replica: Replica) -> tuple[Part, ...]:
    """The first message of an exchange."""
    return (Compare(b"", None, replica.summary.fingerprint(b"", None)),)


def answer(replica: Replica, message: Iterable[Part], max_bytes: int) -> tuple[Part, ...]:
    """What to send back; nothing when there is nothing to say. Entries that came are merged first."""
    parts = list(message)
    came = [entry for part in parts if isinstance(part, Entries) for entry in part.entries]
    if came:
        replica.merge(came)
    budget = Budget(max_bytes)
    return tuple(said for part in parts for said in _ANSWERS[type(part)](replica, part, budget))[:MAX_PARTS]


def _compare(replica: Replica, part: Compare, budget: Budget) -> Iterator[Part]:
    mine = replica.summary.fingerprint(part.low, part.high)
    if mine == part.fingerprint:
        return
    if part.fingerprint.count == 0:
        yield from _send(replica, replica.summary.keys(part.low, part.high), part.high, budget)
    elif mine.count <= LISTED:
        yield Listing(part.low, part.high, tuple(_items(replica, part.low, part.high)))
    else:
        for low, high in replica.summary.parts(part.low, part.high, PARTS):
            yield Compare(low, high, replica.summary.fingerprint(low, high))


def _listing(replica: Replica, part: Listing, budget: Budget) -> Iterator[Part]:
    theirs = {item.key: item for item in part.items}
    ours = {entry.key: entry for entry in replica.found(theirs)}
    wanted, newer = [], set()
    for key, item in theirs.items():
        mine = ours.get(key)
        if mine is None or (mine.clock, replica.identity(mine)) != (item.clock, item.identity):
            if mine is None or mine.clock <= item.clock:
                wanted.append(key)
            if mine is not None and mine.clock >= item.clock:
                newer.add(key)
    if wanted:
        yield Wanted(tuple(wanted))
    to_send = (key for key in replica.summary.keys(part.low, part.high) if key not in theirs or key in newer)
    yield from _send(replica, to_send, part.high, budget)


def _wanted(replica: Replica, part: Wanted, budget: Budget) -> Iterator[Part]:
    sent = []
    for entry in replica.found(part.keys):
        if budget.takes(entry):
            sent.append(entry)
        else:
            end = entry.key + b"\x00"
            yield Compare(entry.key, end, replica.summary.fingerprint(entry.key, end))
    if sent:
        yield Entries(tuple(sent))


def _entries(replica: Replica, part: Entries, budget: Budget) -> Iterator[Part]:
    return iter(())


_ANSWERS: dict[type, Callable[..., Iterator[Part]]] = {
    Compare: _compare,
    Listing: _listing,
    Wanted: _wanted,
    Entries: _entries,
}


def _items(replica: Replica, low: bytes, high: bytes | None) -> Iterator[Item]:
    for entry in replica.found(replica.summary.keys(low, high)):
        yield Item(entry.key, entry.clock, replica.identity(entry))


def _send(replica: Replica, keys: Iterable[bytes], high: bytes | None, budget: Budget) -> Iterator[Part]:
    """Entries of these keys as far as they fit; the range from the first that does not is compared again."""
    sent: list[Entry] = []
    for entry in replica.found(keys):
        if len(sent) == MAX_ITEMS or not budget.takes(entry):
            yield Compare(entry.key, high, replica.summary.fingerprint(entry.key, high))
            break
        sent.append(entry)
    if sent:
        yield Entries(tuple(sent))
