"""The word vectors of the passages that questions came near lately, so that the next one need not read them again."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astrocyte.recall.bank_index import BankIndex

HELD_BYTES = 8 * 1024 * 1024
"""Of one bank: some nine thousand short memories."""

ENTRY_BYTES = 130
"""What a passage takes besides its words, about."""

KeptWords = Callable[[int, Sequence[int]], Mapping[int, bytes]]
"""From a bank's number and rows, the packed words of those that have some."""


class HeldWords:
    """Packed words by place, shared by a bank's indexes one after the other and let go with them. Thread-safe."""

    def __init__(self) -> None:
        self._packed: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.nbytes = 0

    def of(self, index: "BankIndex", places: Sequence[int], kept: KeptWords) -> list[bytes]:
        """The packed words at each of the places, in order; empty where there are none."""
        found = [self._packed.get(place) for place in places]
        missing = sorted(place for place, words in zip(places, found, strict=True) if words is None)
        if not missing:
            return [words or b"" for words in found]
        rows = index.rows[missing].tolist()  # in the order in which they are stored, so side by side
        read = kept(index.position.bank, rows)
        fresh = {place: read.get(row, b"") for place, row in zip(missing, rows, strict=True)}
        self._hold(fresh)
        return [fresh[place] if words is None else words for place, words in zip(places, found, strict=True)]

    def drop(self, places: Iterable[int]) -> None:
        """Let go of what was forgotten."""
        with self._lock:
            for place in places:
                self.nbytes -= _size(self._packed.pop(place, None))

    def _hold(self, fresh: Mapping[int, bytes]) -> None:
        """Keep what was read; what came first goes first when it is too much."""
        with self._lock:
            for place, words in fresh.items():
                self.nbytes += _size(words) - _size(self._packed.get(place))  # another thread may have read it too
                self._packed[place] = words
            while self.nbytes > HELD_BYTES:
                self.nbytes -= _size(self._packed.popitem(last=False)[1])


def _size(words: bytes | None) -> int:
    return 0 if words is None else len(words) + ENTRY_BYTES
