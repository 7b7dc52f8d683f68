"""Which memories hold which terms: a sorted part that is searched by bisection, and a short tail of what came since.

One bank's postings know nothing of other banks, so how rare a term is, and with it every score, depends on this bank
alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrocyte.stores.columns import MOST_COUNTED, NAME, Columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MERGE_ENTRIES = 65_536
"""A tail of this many entries, or of an eighth of the sorted part if that is more, is merged into it."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Parallel arrays, one entry for a term in a memory. ``documents`` are places in the bank's index."""

    terms: "NDArray[np.uint32]"
    documents: "NDArray[np.int32]"
    counts: "NDArray[np.uint8]"


@dataclass(frozen=True, slots=True)
class Postings:
    """The i-th of the ``terms`` has the documents and counts from ``starts[i]`` to ``starts[i + 1]``."""

    terms: "NDArray[np.uint32]"
    starts: "NDArray[np.int64]"
    documents: "NDArray[np.int32]"
    counts: "NDArray[np.uint8]"
    tail: Entries

    @classmethod
    def empty(cls) -> "Postings":
        return _sorted(_nothing())

    def extended(self, added: Sequence[Columns], first: int, *, is_last: bool = True) -> "Postings":
        """With the terms of new documents, numbered from ``first``; not sorted in yet unless they are the last."""
        import numpy as np

        terms, documents, counts = [self.tail.terms], [self.tail.documents], [self.tail.counts]
        for columns in added:
            terms.append(columns.terms)
            documents.append(columns.term_places + np.int32(first))
            counts.append(columns.counts & np.uint8(MOST_COUNTED))
            first += len(columns)
        tail = Entries(np.concatenate(terms), np.concatenate(documents), np.concatenate(counts))
        if not is_last or len(tail.terms) <= max(MERGE_ENTRIES, len(self.documents) // 8):
            return Postings(self.terms, self.starts, self.documents, self.counts, tail)
        every = np.repeat(self.terms, np.diff(self.starts))
        return _sorted(
            Entries(
                np.concatenate([every, tail.terms]),
                np.concatenate([self.documents, tail.documents]),
                np.concatenate([self.counts, tail.counts]),
            )
        )

    def find(self, term: int) -> "tuple[NDArray[np.int32], NDArray[np.uint8]]":
        """The documents that hold a term, each once, and how often."""
        import numpy as np

        wanted = np.uint32(term)  # of the array's own type: for another one a bisection converts the array first
        place = int(np.searchsorted(self.terms, wanted))
        is_known = place < len(self.terms) and self.terms[place] == wanted
        chosen = slice(self.starts[place], self.starts[place + 1]) if is_known else slice(0)
        recent = np.flatnonzero(self.tail.terms == wanted)
        if not len(recent):
            return self.documents[chosen], self.counts[chosen]
        documents = np.concatenate([self.documents[chosen], self.tail.documents[recent]])
        return documents, np.concatenate([self.counts[chosen], self.tail.counts[recent]])

    def find_each(self, terms: Sequence[int]) -> "dict[int, NDArray[np.int32]]":
        """The documents of several terms, with one look at the tail."""
        import numpy as np

        wanted = np.array(sorted(terms), dtype=np.uint32)
        low = np.searchsorted(self.terms, wanted)
        high = self.starts[np.searchsorted(self.terms, wanted, side="right")].tolist()
        recent = np.flatnonzero(np.isin(self.tail.terms, wanted))
        recent_terms = self.tail.terms[recent]
        found = {}
        for term, start, stop in zip(wanted.tolist(), self.starts[low].tolist(), high, strict=True):
            later = self.tail.documents[recent[recent_terms == term]]
            found[term] = np.concatenate([self.documents[start:stop], later])
        return found

    @property
    def nbytes(self) -> int:
        parts = (self.terms, self.starts, self.documents, self.counts)
        tail = (self.tail.terms, self.tail.documents, self.tail.counts)
        return sum(int(part.nbytes) for part in (*parts, *tail))


def _nothing() -> Entries:
    import numpy as np

    return Entries(np.empty(0, np.uint32), np.empty(0, np.int32), np.empty(0, np.uint8))


def _sorted(entries: Entries) -> Postings:
    import numpy as np

    # Stable, so that documents stay in order; and quick, since the entries are some sorted runs.
    order = np.argsort(entries.terms, kind="stable")
    terms = entries.terms[order]
    is_first = np.ones(len(terms), np.bool_)
    is_first[1:] = terms[1:] != terms[:-1]
    starts = np.append(np.flatnonzero(is_first), len(terms))
    return Postings(terms[is_first], starts, entries.documents[order], entries.counts[order], _nothing())


def pack_terms(terms: "list[tuple[int, int]]", names: "Collection[int]" = ()) -> bytes:
    """``(term, occurrences)`` pairs as little-endian 32-bit numbers: how a store keeps them. `NAME` marks ``names``."""
    import numpy as np

    marked = [(term, count | NAME if term in names else count) for term, count in terms]
    return np.array(marked, dtype="<u4").reshape(-1, 2).tobytes()
