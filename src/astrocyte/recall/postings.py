"""Which memories hold which terms: a sorted part that is searched by bisection, and a short tail of what came since.

One bank's postings know nothing of other banks, so how rare a term is, and with it every score, depends on this bank
alone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = 0x8000_0000
"""Set in a packed term's count when the text writes it as a name (see `astrocyte.recall.entities`)."""

MERGE_ENTRIES = 65_536
"""A tail of this many entries, or of a quarter of the sorted part if that is more, is merged into it."""


@dataclass(frozen=True, slots=True)
class Postings:
    """Parallel arrays, one entry for a term in a memory. ``documents`` are places in the bank's index."""

    terms: "NDArray[np.uint32]"
    documents: "NDArray[np.int32]"
    counts: "NDArray[np.float32]"
    tail_terms: "NDArray[np.uint32]"
    tail_documents: "NDArray[np.int32]"
    tail_counts: "NDArray[np.float32]"

    @classmethod
    def empty(cls) -> "Postings":
        import numpy as np

        terms, documents, counts = np.empty(0, np.uint32), np.empty(0, np.int32), np.empty(0, np.float32)
        return cls(terms, documents, counts, terms, documents, counts)

    def extended(self, packed: "list[bytes]", first: int) -> "tuple[Postings, NDArray[np.float32]]":
        """With the packed terms of new documents numbered from ``first``; also returns each one's length in words."""
        import numpy as np

        pairs = np.frombuffer(b"".join(packed), dtype="<u4").reshape(-1, 2)
        sizes = np.fromiter((len(one) // 8 for one in packed), dtype=np.int64, count=len(packed))
        documents = np.repeat(np.arange(first, first + len(packed), dtype=np.int32), sizes)
        counts = (pairs[:, 1] & ~np.uint32(NAME)).astype(np.float32)
        lengths = np.bincount(documents - first, weights=counts, minlength=len(packed)).astype(np.float32)
        tail = (
            np.concatenate([self.tail_terms, pairs[:, 0].astype(np.uint32)]),
            np.concatenate([self.tail_documents, documents]),
            np.concatenate([self.tail_counts, counts]),
        )
        grown = Postings(self.terms, self.documents, self.counts, *tail)
        return (grown._merged() if len(tail[0]) > max(MERGE_ENTRIES, len(self.terms) // 4) else grown), lengths

    def find(self, term: int) -> "tuple[NDArray[np.int32], NDArray[np.float32]]":
        """The documents that hold a term, each once, and how often."""
        import numpy as np

        low, high = np.searchsorted(self.terms, np.array([term, term + 1], dtype=np.uint64).astype(np.int64)).tolist()
        recent = np.flatnonzero(self.tail_terms == term)
        if not len(recent):
            return self.documents[low:high], self.counts[low:high]
        documents = np.concatenate([self.documents[low:high], self.tail_documents[recent]])
        return documents, np.concatenate([self.counts[low:high], self.tail_counts[recent]])

    def find_each(self, terms: "list[int]") -> "dict[int, NDArray[np.int32]]":
        """The documents of several terms, with one look at the tail."""
        import numpy as np

        wanted = np.array(sorted(terms), dtype=np.int64)
        low = np.searchsorted(self.terms, wanted).tolist()
        high = np.searchsorted(self.terms, wanted + 1).tolist()
        recent = np.flatnonzero(np.isin(self.tail_terms, wanted))
        found = {}
        for term, start, stop in zip(wanted.tolist(), low, high, strict=True):
            later = self.tail_documents[recent[self.tail_terms[recent] == term]]
            found[term] = np.concatenate([self.documents[start:stop], later])
        return found

    @property
    def nbytes(self) -> int:
        return sum(int(part.nbytes) for part in self._arrays())

    def _arrays(self) -> "tuple[NDArray[Any], ...]":
        return (
            *(self.terms, self.documents, self.counts),
            *(self.tail_terms, self.tail_documents, self.tail_counts),
        )

    def _merged(self) -> "Postings":
        import numpy as np

        terms = np.concatenate([self.terms, self.tail_terms])
        order = np.argsort(terms, kind="stable")
        nothing = Postings.empty()
        return Postings(
            terms[order],
            np.concatenate([self.documents, self.tail_documents])[order],
            np.concatenate([self.counts, self.tail_counts])[order],
            nothing.terms,
            nothing.documents,
            nothing.counts,
        )


def pack_terms(terms: "list[tuple[int, int]]", names: "Collection[int]" = ()) -> bytes:
    """``(term, occurrences)`` pairs as little-endian 32-bit numbers: how a store keeps them. `NAME` marks ``names``."""
    import numpy as np

    marked = [(term, count | NAME if term in names else count) for term, count in terms]
    return np.array(marked, dtype="<u4").reshape(-1, 2).tobytes()
