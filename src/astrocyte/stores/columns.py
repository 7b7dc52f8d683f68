"""What a search index takes from a bank's passages, as columns: an array a property instead of an object a row.

A store packs rows into columns, keeps packed ones of its older passages (`astrocyte.stores.segments`), and an index
grows by them. Passages lie in the order in which they were stored; a place is a passage's position among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNKNOWN = -(2**63)
"""Stands for "no time" in ``occurred_at``."""

NOBODY = -1
"""Stands for "no speaker", "no session" and "nothing before it in its session"."""

LAYERS = ("fact", "observation", "model", "page")
"""What was retained, and what was derived from it; ``layers`` holds places in this table."""

NAME = 0x8000_0000
"""Set in a packed term's count when the text writes it as a name (see `astrocyte.recall.entities`)."""

NAME_BIT = 0x80
MOST_COUNTED = 0x7F
"""Occurrences of a term in a passage beyond these count no more; a score has long stopped growing there."""


@dataclass(frozen=True, slots=True)
class SearchRow:
    """One passage as a store reads it; ``memory`` is its memory's row, times are microseconds since 1970."""

    row: int
    memory: int
    session_id: str | None
    speaker: str | None
    tags: list[str]
    occurred_at: int | None
    retained_at: int
    terms: bytes
    vector: bytes | None
    layer: str = "fact"


@dataclass(frozen=True, slots=True)
class Columns:
    """Passages in order. ``speakers`` and ``sessions`` are places in their names, `NOBODY` for none.

    A session is its id, or a memory's row: the passages of a memory without one are a session of their own. The i-th
    tag is ``tag_names[tags[i]]`` at place ``tag_places[i]``. Terms are ordered by term, then by place; a count's high
    bit marks a name. ``vectors`` are those of the places that have one, in 8 bits, with what to multiply them by
    (``scales``) and their ``signs``, a bit a dimension.
    """

    rows: "NDArray[np.int64]"
    memories: "NDArray[np.int64]"
    occurred_at: "NDArray[np.int64]"
    retained_at: "NDArray[np.int64]"
    layers: "NDArray[np.int8]"
    lengths: "NDArray[np.float32]"
    speaker_names: Sequence[str]
    speakers: "NDArray[np.int32]"
    session_names: Sequence[str | int]
    sessions: "NDArray[np.int32]"
    tag_names: Sequence[str]
    tags: "NDArray[np.int32]"
    tag_places: "NDArray[np.int32]"
    terms: "NDArray[np.uint32]"
    term_places: "NDArray[np.int32]"
    counts: "NDArray[np.uint8]"
    has_vector: "NDArray[np.bool_]"
    vectors: "NDArray[np.int8]"
    scales: "NDArray[np.float32]"
    signs: "NDArray[np.uint64]"

    def __len__(self) -> int:
        return len(self.rows)


def columns_of(added: Sequence[SearchRow], dimension: int | None) -> Columns:
    """The columns of rows that hold whole memories. Without ``dimension`` the vectors are left out."""
    import numpy as np

    terms, places, counts, lengths = _terms_of(added)
    speaker_names, speakers = _coded([row.speaker for row in added])
    session_names, sessions = _coded(_sessions_of(added))
    tag_names, tags = _coded([tag for row in added for tag in row.tags])
    vectors, scales, signs = _vectors_of(added, dimension)
    return Columns(
        rows=np.array([row.row for row in added], np.int64),
        memories=np.array([row.memory for row in added], np.int64),
        occurred_at=np.array([UNKNOWN if row.occurred_at is None else row.occurred_at for row in added], np.int64),
        retained_at=np.array([row.retained_at for row in added], np.int64),
        layers=np.array([LAYERS.index(row.layer) for row in added], np.int8),
        lengths=lengths,
        speaker_names=speaker_names,
        speakers=speakers,
        session_names=session_names,
        sessions=sessions,
        tag_names=tag_names,
        tags=tags,
        tag_places=np.repeat(np.arange(len(added), dtype=np.int32), [len(row.tags) for row in added]),
        terms=terms,
        term_places=places,
        counts=counts,
        has_vector=np.array([row.vector is not None for row in added], np.bool_),
        vectors=vectors,
        scales=scales,
        signs=signs,
    )


def quantised(vectors: "NDArray[np.float32]") -> "tuple[NDArray[np.int8], NDArray[np.float32]]":
    """Rows in 8 bits and a scale for each: row times scale is the vector to about 0.4 % of its largest number."""
    import numpy as np

    scales = np.abs(vectors).max(axis=1, initial=0.0) / np.float32(127)
    scales = np.maximum(scales, np.float32(1e-12))
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales.astype(np.float32)


WORD = 64


def signs_of(vectors: "NDArray[np.float32]") -> "NDArray[np.uint64]":
    """Which numbers are above 0, `WORD` dimensions a word: ``(rows, words)``."""
    import numpy as np

    bits = np.zeros((len(vectors), -(-vectors.shape[1] // WORD) * WORD // 8), np.uint8)
    packed = np.packbits(vectors > 0, axis=1)
    bits[:, : packed.shape[1]] = packed
    return bits.view(np.uint64)


def _vectors_of(
    added: Sequence[SearchRow], dimension: int | None
) -> "tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.uint64]]":
    import numpy as np

    if dimension is None:
        return np.empty((0, 0), np.int8), np.empty(0, np.float32), np.empty((0, 0), np.uint64)
    packed = b"".join(row.vector for row in added if row.vector is not None)
    vectors = np.frombuffer(packed, "<f2").reshape(-1, dimension).astype(np.float32)
    return *quantised(vectors), signs_of(vectors)


def _terms_of(
    added: Sequence[SearchRow],
) -> "tuple[NDArray[np.uint32], NDArray[np.int32], NDArray[np.uint8], NDArray[np.float32]]":
    import numpy as np

    pairs = np.frombuffer(b"".join(row.terms for row in added), "<u4").reshape(-1, 2)
    places = np.repeat(np.arange(len(added), dtype=np.int32), [len(row.terms) // 8 for row in added])
    counted = pairs[:, 1] & ~np.uint32(NAME)
    lengths = np.bincount(places, weights=counted, minlength=len(added)).astype(np.float32)
    counts = np.minimum(counted, MOST_COUNTED).astype(np.uint8)
    counts[(pairs[:, 1] & np.uint32(NAME)) != 0] |= np.uint8(NAME_BIT)
    order = np.argsort(pairs[:, 0], kind="stable")
    return pairs[order, 0].astype(np.uint32), places[order], counts[order], lengths


def _coded(labels: Sequence[Any]) -> "tuple[list[Any], NDArray[np.int32]]":
    """The distinct labels, and for each its place among them."""
    import numpy as np

    codes: dict[Any, int] = {}
    found = [NOBODY if label is None else codes.setdefault(label, len(codes)) for label in labels]
    return list(codes), np.array(found, np.int32)


def _sessions_of(added: Sequence[SearchRow]) -> Sequence[str | int | None]:
    found: list[str | int | None] = []
    for place, row in enumerate(added):
        # A memory's passages lie side by side.
        is_one_of_several = any(
            0 <= beside < len(added) and added[beside].memory == row.memory for beside in (place - 1, place + 1)
        )
        found.append(row.memory if row.session_id is None and is_one_of_several else row.session_id)
    return found
