"""What one bank's memories look like to a search, held in arrays. Derived from rows, never the truth.

An index is a frozen value: following new changes makes the next one, which shares its arrays with it, so searches that
are under way keep what they began with. Passages lie in the order in which they were stored; ``place`` is a passage's
position in every array.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrocyte.recall.growing import Growing
from astrocyte.recall.postings import NAME, Postings
from astrocyte.stores.store import Changes, Position, SearchRow, Space
from astrocyte.text.terms import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNKNOWN = -(2**63)
"""Stands for "no time" in ``occurred_at``."""

NOBODY = -1
"""Stands for "no speaker", "no session" and "nothing before it in its session"."""

LAYERS = ("fact", "observation", "model", "page")
"""What was retained, and what was derived from it; ``layers`` holds places in this table."""

COMPACT_SHARE = 0.5
"""An index in which more than this share of places is forgotten is built anew."""


@dataclass(slots=True)
class _Growth:
    """The parts that grow in place, shared by an index and its successors; only the newest of them may extend it."""

    room: int
    rows: Growing
    memories: Growing
    vectors: Growing | None
    has_vector: Growing
    lengths: Growing
    speakers: Growing
    occurred_at: Growing
    retained_at: Growing
    layers: Growing
    speaker_codes: dict[str, int]
    name_terms: Growing
    name_places: Growing
    sessions: Growing
    session_codes: dict[str | int, int]
    session_ends: dict[int, int]
    tag_places: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class BankIndex:
    """``previous`` is the place of the turn before this one in its session. ``vectors`` is None in a bank without.

    ``speakers`` and ``sessions`` are numbers that stand for names; ``living`` counts places that are not forgotten,
    ``mean_length`` is theirs in words.
    """

    position: Position
    space: Space | None
    rows: "NDArray[np.int64]"
    vectors: "NDArray[np.float32] | None"
    has_vector: "NDArray[np.bool_]"
    lengths: "NDArray[np.float32]"
    speakers: "NDArray[np.int32]"
    sessions: "NDArray[np.int32]"
    occurred_at: "NDArray[np.int64]"
    retained_at: "NDArray[np.int64]"
    layers: "NDArray[np.int8]"
    alive: "NDArray[np.bool_]"
    living: int
    mean_length: float
    previous: "NDArray[np.int32]"
    postings: Postings
    speaker_words: Mapping[str, frozenset[int]]
    _growth: _Growth

    @property
    def size(self) -> int:
        """Places, forgotten ones included."""
        return len(self.rows)

    @property
    def is_remote(self) -> bool:
        """Whether there are vectors, and the store keeps them to itself."""
        return self.vectors is None and self.space is not None

    @property
    def is_sparse(self) -> bool:
        """Whether so much is forgotten that building anew is due."""
        return self.living < self.size * COMPACT_SHARE

    @property
    def nbytes(self) -> int:
        growth = self._growth
        grown = (growth.rows, growth.has_vector, growth.lengths, growth.speakers, growth.sessions, growth.occurred_at)
        vectors = growth.vectors.nbytes if growth.vectors else 0
        return sum(part.nbytes for part in grown) + vectors + self.postings.nbytes + 5 * self.size

    def tagged(self, tag: str) -> "NDArray[np.bool_]":
        """Which places carry a tag."""
        import numpy as np

        mask = np.zeros(self.size, dtype=np.bool_)
        places = np.array(self._growth.tag_places.get(tag, ()), dtype=np.int64)
        mask[places[places < self.size]] = True
        return mask

    def names_at(self, place: int) -> "list[int]":
        """The terms that a place writes as names."""
        import numpy as np

        places = self._growth.name_places.view()
        start, stop = np.searchsorted(places, [place, place + 1]).tolist()
        found: list[int] = self._growth.name_terms.view()[start:stop].tolist()
        return found

    def in_layers(self, layers: Collection[str]) -> "NDArray[np.bool_]":
        """Which places belong to one of some layers."""
        import numpy as np

        return np.isin(self.layers, [LAYERS.index(layer) for layer in layers])

    def followed(self, changes: Changes) -> "BankIndex":
        """The index after ``changes``. Call it only on the newest index of a bank, one call at a time."""
        return _follow(self, changes)


def build_index(changes: Changes) -> BankIndex:
    """The index of a bank from all its rows."""
    import numpy as np

    room = changes.total
    growth = _Growth(
        room=room,
        rows=Growing(np.int64, room=room),
        memories=Growing(np.int64, room=room),
        vectors=None,
        has_vector=Growing(np.bool_, room=room),
        lengths=Growing(np.float32, room=room),
        speakers=Growing(np.int32, room=room),
        occurred_at=Growing(np.int64, room=room),
        retained_at=Growing(np.int64, room=room),
        layers=Growing(np.int8, room=room),
        name_terms=Growing(np.int64),
        name_places=Growing(np.int32),
        speaker_codes={},
        sessions=Growing(np.int32, room=room),
        session_codes={},
        session_ends={},
        tag_places={},
    )
    nothing = BankIndex(
        position=Position(changes.position.bank, 0),
        space=None,
        rows=growth.rows.view(),
        vectors=None,
        has_vector=growth.has_vector.view(),
        lengths=growth.lengths.view(),
        speakers=growth.speakers.view(),
        sessions=growth.sessions.view(),
        occurred_at=growth.occurred_at.view(),
        retained_at=growth.retained_at.view(),
        layers=growth.layers.view(),
        alive=np.empty(0, np.bool_),
        living=0,
        mean_length=1.0,
        previous=np.empty(0, np.int32),
        postings=Postings.empty(),
        speaker_words={},
        _growth=growth,
    )
    return _follow(nothing, changes)


def _follow(index: BankIndex, changes: Changes) -> BankIndex:
    import numpy as np

    growth, added, first = index._growth, changes.added, index.size
    growth.rows.extend(np.fromiter((row.row for row in added), np.int64, len(added)))
    growth.memories.extend(np.fromiter((row.memory for row in added), np.int64, len(added)))
    growth.occurred_at.extend(
        np.fromiter((UNKNOWN if row.occurred_at is None else row.occurred_at for row in added), np.int64, len(added))
    )
    growth.retained_at.extend(np.fromiter((row.retained_at for row in added), np.int64, len(added)))
    growth.layers.extend(np.fromiter((LAYERS.index(row.layer) for row in added), np.int8, len(added)))
    speaker_words = _add_speakers(growth, added, index.speaker_words)
    _add_vectors(growth, added, None if changes.is_remote else changes.space, first)
    for place, row in enumerate(added, start=first):
        for tag in row.tags:
            growth.tag_places.setdefault(tag, []).append(place)
    _add_names(growth, added, first)
    postings, lengths = index.postings.extended([row.terms for row in added], first)
    growth.lengths.extend(lengths)
    alive = np.concatenate([index.alive, np.ones(len(added), np.bool_)])
    _add_sessions(growth, added)
    previous = np.concatenate([index.previous, _links(growth, first)])
    _drop(growth, alive, previous, changes.dropped)
    return BankIndex(
        position=changes.position,
        space=changes.space,
        rows=growth.rows.view(),
        vectors=growth.vectors.view() if growth.vectors else None,
        has_vector=growth.has_vector.view(),
        lengths=growth.lengths.view(),
        speakers=growth.speakers.view(),
        sessions=growth.sessions.view(),
        occurred_at=growth.occurred_at.view(),
        retained_at=growth.retained_at.view(),
        layers=growth.layers.view(),
        alive=alive,
        living=int(alive.sum()),
        mean_length=float(growth.lengths.view()[alive].mean()) if alive.any() else 1.0,
        previous=previous,
        postings=postings,
        speaker_words=speaker_words,
        _growth=growth,
    )


def _add_speakers(
    growth: _Growth, added: Sequence[SearchRow], known: Mapping[str, frozenset[int]]
) -> Mapping[str, frozenset[int]]:
    import numpy as np

    codes = growth.speaker_codes
    found = dict(known)
    for speaker in dict.fromkeys(row.speaker for row in added):
        if speaker is None or speaker in codes:
            continue
        codes[speaker] = len(codes)
        for word in words(speaker):
            found[word] = found.get(word, frozenset()) | {codes[speaker]}
    growth.speakers.extend(
        np.fromiter((NOBODY if row.speaker is None else codes[row.speaker] for row in added), np.int32, len(added))
    )
    return found


def _add_vectors(growth: _Growth, added: Sequence[SearchRow], space: Space | None, first: int) -> None:
    import numpy as np

    has_vector = np.fromiter((row.vector is not None for row in added), np.bool_, len(added))
    growth.has_vector.extend(has_vector)
    if space is None:
        return
    if growth.vectors is None:
        growth.vectors = Growing(np.float32, (space.dimension,), room=growth.room)
        growth.vectors.extend(np.zeros((first, space.dimension), np.float32))
    packed = b"".join(row.vector for row in added if row.vector is not None)
    vectors = np.frombuffer(packed, "<f2").reshape(-1, space.dimension)
    if not has_vector.all():
        block = np.zeros((len(added), space.dimension), np.float32)
        block[has_vector] = vectors
        vectors = block
    growth.vectors.extend(vectors)


def _add_names(growth: _Growth, added: Sequence[SearchRow], first: int) -> None:
    import numpy as np

    pairs = np.frombuffer(b"".join(row.terms for row in added), "<u4").reshape(-1, 2)
    sizes = np.fromiter((len(row.terms) // 8 for row in added), np.int64, len(added))
    places = np.repeat(np.arange(first, first + len(added), dtype=np.int32), sizes)
    named = (pairs[:, 1] & np.uint32(NAME)) != 0
    growth.name_terms.extend(pairs[named, 0].astype(np.int64))
    growth.name_places.extend(places[named])


def _add_sessions(growth: _Growth, added: Sequence[SearchRow]) -> None:
    import numpy as np

    codes = growth.session_codes
    passages = Counter(row.memory for row in added)
    found = []
    for row in added:
        # The passages of a memory without a session are a session of their own.
        session = row.memory if row.session_id is None and passages[row.memory] > 1 else row.session_id
        found.append(NOBODY if session is None else codes.setdefault(session, len(codes)))
    growth.sessions.extend(np.array(found, np.int32))


def _links(growth: _Growth, first: int) -> "NDArray[np.int32]":
    """For every place from ``first`` on: the place of the turn before it in its session."""
    import numpy as np

    sessions = growth.sessions.view()[first:].tolist()
    links = np.full(len(sessions), NOBODY, np.int32)
    for place, session in enumerate(sessions, start=first):
        if session != NOBODY:
            links[place - first] = growth.session_ends.get(session, NOBODY)
            growth.session_ends[session] = place
    return links


def _drop(growth: _Growth, alive: "NDArray[np.bool_]", previous: "NDArray[np.int32]", dropped: Sequence[int]) -> None:
    """The places of forgotten memories stay where they are, marked; the turns around one become neighbours."""
    import numpy as np

    memories = growth.memories.view()
    first = np.searchsorted(memories, np.array(dropped, np.int64))
    last = np.searchsorted(memories, np.array(dropped, np.int64), side="right")
    places = (place for start, stop in zip(first.tolist(), last.tolist(), strict=True) for place in range(start, stop))
    for place in places:
        if not alive[place]:
            continue
        alive[place] = False
        before = int(previous[place])
        previous[previous == place] = before
        previous[place] = NOBODY
        session = int(growth.sessions.view()[place])
        if growth.session_ends.get(session) == place:
            if before == NOBODY:
                del growth.session_ends[session]
            else:
                growth.session_ends[session] = before
