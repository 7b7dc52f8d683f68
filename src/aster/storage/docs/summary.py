"""Sums over ranges of keys: how two replicas find where they differ without naming what they share.

A range's fingerprint is the number of its entries and the sum, modulo 2^256, of their identities (hashes): adding one
entry changes one sum. Keys lie in blocks that know their sums, so a fingerprint or a change costs O(√n), not O(n).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec import Struct

BLOCK = 256
MODULUS = 1 << 256


class Fingerprint(Struct, frozen=True, array_like=True):
    """Two replicas with the same fingerprint of a range hold the same entries there."""

    count: int
    total: bytes


class Summary:
    """Keys in order, each with a number of 256 bits. A range is ``low <= key < high``; None has no end."""

    def __init__(self, items: Iterable[tuple[bytes, int]] = ()) -> None:
        self._numbers = dict(items)
        keys = sorted(self._numbers)
        self._blocks = [keys[at : at + BLOCK] for at in range(0, len(keys), BLOCK)] or [[]]
        self._sums = [sum(self._numbers[key] for key in block) for block in self._blocks]

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, key: bytes) -> int | None:
        """The number of a key."""
        return self._numbers.get(key)

    def put(self, key: bytes, number: int) -> None:
        """Add a key, or change its number."""
        at = self._block_of(key)
        old = self._numbers.get(key)
        if old is None:
            block = self._blocks[at]
            block.insert(bisect_left(block, key), key)
        self._numbers[key] = number
        self._sums[at] += number - (old or 0)
        if len(self._blocks[at]) > 2 * BLOCK:
            self._split(at)

    def fingerprint(self, low: bytes, high: bytes | None) -> Fingerprint:
        """What is in a range."""
        count = total = 0
        for at, first, last in self._spans(low, high):
            block = self._blocks[at]
            count += last - first
            whole = first == 0 and last == len(block)
            total += self._sums[at] if whole else sum(self._numbers[key] for key in block[first:last])
        return Fingerprint(count, (total % MODULUS).to_bytes(32, "big"))

    def keys(self, low: bytes, high: bytes | None) -> Iterator[bytes]:
        """The keys of a range, in order."""
        for at, first, last in self._spans(low, high):
            yield from self._blocks[at][first:last]

    def parts(self, low: bytes, high: bytes | None, count: int) -> list[tuple[bytes, bytes | None]]:
        """The range cut into up to ``count`` ranges of about as many keys each."""
        total = self.fingerprint(low, high).count
        cuts = sorted({number * total // count for number in range(1, count)} - {0})
        bounds: list[bytes | None] = [low, *self._keys_at(low, high, cuts), high]
        return [(start or b"", end) for start, end in pairwise(bounds)]

    def _keys_at(self, low: bytes, high: bytes | None, places: list[int]) -> list[bytes]:
        found: list[bytes] = []
        passed = 0
        for at, first, last in self._spans(low, high):
            while len(found) < len(places) and places[len(found)] < passed + last - first:
                found.append(self._blocks[at][first + places[len(found)] - passed])
            passed += last - first
        return found

    def _spans(self, low: bytes, high: bytes | None) -> Iterator[tuple[int, int, int]]:
        """Blocks that a range touches, and from where to where."""
        for at in range(self._block_of(low), len(self._blocks)):
            block = self._blocks[at]
            if high is not None and block and block[0] >= high:
                return
            first = bisect_left(block, low)
            last = len(block) if high is None else bisect_left(block, high)
            if first < last:
                yield at, first, last

    def _block_of(self, key: bytes) -> int:
        return max(0, bisect_right(self._blocks, key, key=lambda block: block[0] if block else b"") - 1)

    def _split(self, at: int) -> None:
        block = self._blocks[at]
        halves = [block[:BLOCK], block[BLOCK:]]
        self._blocks[at : at + 1] = halves
        self._sums[at : at + 1] = [sum(self._numbers[key] for key in half) for half in halves]
