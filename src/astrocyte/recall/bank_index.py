"""What one bank's memories look like to a search, held in arrays. Derived from rows, never the truth.

An index is a frozen value: following new changes makes the next one, which shares its arrays with it, so searches that
are under way keep what they began with. Passages lie in the order in which they were stored; ``place`` is a passage's
position in every array.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from astrocyte.recall.growing import Growing
from astrocyte.recall.held_words import HeldWords
from astrocyte.recall.postings import Postings
from astrocyte.recall.structure import Structure
from astrocyte.recall.vectors import GrowingVectors, Vectors
from astrocyte.stores.columns import LAYERS, NAME_BIT, NOBODY, Columns
from astrocyte.stores.store import UNFINISHED, Changes, Position, Space
from astrocyte.text.terms import term_of, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Label = TypeVar("Label", bound=Hashable)

COMPACT_SHARE = 0.5
"""An index in which more than this share of places is forgotten is built anew."""

NAME_BYTES = 150
"""What a name with its number takes in a dictionary, about."""


class _Growth:
    """The parts that grow in place, shared by an index and its successors; only the newest of them may extend it."""

    def __init__(self, room: int) -> None:
        import numpy as np

        self.room = room
        self.rows = Growing(np.int64, room=room)
        self.memories = Growing(np.int64, room=room)
        self.has_vector = Growing(np.bool_, room=room)
        self.lengths = Growing(np.float32, room=room)
        self.speakers = Growing(np.int32, room=room)
        self.sessions = Growing(np.int32, room=room)
        self.occurred_at = Growing(np.int64, room=room)
        self.retained_at = Growing(np.int64, room=room)
        self.layers = Growing(np.int8, room=room)
        self.name_terms = Growing(np.uint32)
        self.name_places = Growing(np.int32)
        self.tags = Growing(np.int32)
        self.tag_places = Growing(np.int32)
        self.session_ends = Growing(np.int32)
        self.vectors: GrowingVectors | None = None
        self.words = HeldWords()
        self.speaker_codes: dict[str, int] = {}
        self.speaker_terms: set[int] = set()
        self.session_codes: dict[str | int, int] = {}
        self.tag_codes: dict[str, int] = {}

    @property
    def nbytes(self) -> int:
        parts = [part for part in vars(self).values() if isinstance(part, Growing)]
        names = (self.speaker_codes, self.session_codes, self.tag_codes)
        return (
            sum(part.nbytes for part in parts)
            + (self.vectors.nbytes if self.vectors else 0)
            + self.words.nbytes
            + NAME_BYTES * sum(len(codes) for codes in names)
        )


@dataclass(frozen=True, slots=True)
class BankIndex:
    """``previous`` is the place of the turn before this one in its session. ``vectors`` is None in a bank without.

    ``speakers`` and ``sessions`` are numbers that stand for names; ``living`` counts places that are not forgotten,
    ``mean_length`` is theirs in words.
    """

    position: Position
    space: Space | None
    rows: "NDArray[np.int64]"
    vectors: Vectors | None
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
    structure: Structure
    _growth: _Growth

    @property
    def size(self) -> int:
        """Places, forgotten ones included."""
        return len(self.rows)

    @property
    def speaker_terms(self) -> Set[int]:
        """The terms of all speakers' names, to be looked up in; those of speakers to come join them."""
        return self._growth.speaker_terms

    @property
    def words(self) -> HeldWords:
        """The word vectors that were asked for lately."""
        return self._growth.words

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
        return self._growth.nbytes + self.postings.nbytes + self.structure.nbytes + 5 * self.size

    def tagged(self, tag: str) -> "NDArray[np.bool_]":
        """Which places carry a tag."""
        import numpy as np

        mask = np.zeros(self.size, dtype=np.bool_)
        # The newest index may be growing: of two arrays that grow together, the one that grows last is read first.
        places = self._growth.tag_places.view()
        places = places[self._growth.tags.view()[: len(places)] == self._growth.tag_codes.get(tag, NOBODY)]
        mask[places[places < self.size]] = True
        return mask

    def names_at(self, places: Sequence[int]) -> "list[list[int]]":
        """The terms that each of some places writes as names."""
        import numpy as np

        named, terms = self._growth.name_places.view(), self._growth.name_terms.view()
        chosen = np.array(places, np.int32)
        starts, stops = np.searchsorted(named, chosen).tolist(), np.searchsorted(named, chosen, side="right").tolist()
        return [terms[start:stop].tolist() for start, stop in zip(starts, stops, strict=True)]

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

    growth = _Growth(changes.total)
    nothing = BankIndex(
        position=Position(changes.position.bank, 0, epoch=changes.position.epoch),
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
        structure=Structure(np.empty(0, np.int32), np.empty(0, np.int32)),
        _growth=growth,
    )
    return _follow(nothing, changes)


def _follow(index: BankIndex, changes: Changes) -> BankIndex:
    import numpy as np

    growth, first = index._growth, index.size
    speaker_words = dict(index.speaker_words)
    for columns in changes.added:
        _add_vectors(growth, columns, None if changes.is_remote else changes.space)
        growth.rows.extend(columns.rows)
        growth.memories.extend(columns.memories)
        growth.occurred_at.extend(columns.occurred_at)
        growth.retained_at.extend(columns.retained_at)
        growth.layers.extend(columns.layers)
        growth.lengths.extend(columns.lengths)
        _add_speakers(growth, columns, speaker_words)
        growth.sessions.extend(_recoded(columns.session_names, columns.sessions, growth.session_codes))
        _add_tags_and_names(growth, columns, growth.rows.length - len(columns))
    added = growth.rows.length - first
    alive = np.concatenate([index.alive, np.ones(added, np.bool_)])
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
        mean_length=float(growth.lengths.view().mean(where=alive)) if alive.any() else 1.0,
        previous=previous,
        postings=index.postings.extended(changes.added, first, is_last=changes.position.version != UNFINISHED),
        speaker_words=speaker_words,
        structure=Structure(previous, growth.sessions.view()),
        _growth=growth,
    )


def _recoded(names: Sequence[Label], codes: "NDArray[np.int32]", known: dict[Label, int]) -> "NDArray[np.int32]":
    """The bank's numbers for names, in the place of a part's own; new names get the next ones."""
    import numpy as np

    numbers = np.array([*(known.setdefault(name, len(known)) for name in names), NOBODY], np.int32)
    return numbers[codes]  # NOBODY is -1, the last of them


def _add_speakers(growth: _Growth, columns: Columns, speaker_words: dict[str, frozenset[int]]) -> None:
    for speaker in columns.speaker_names:
        if speaker not in growth.speaker_codes:
            for word in words(speaker):
                speaker_words[word] = speaker_words.get(word, frozenset()) | {len(growth.speaker_codes)}
                growth.speaker_terms.add(term_of(word))
            growth.speaker_codes[speaker] = len(growth.speaker_codes)
    growth.speakers.extend(_recoded(columns.speaker_names, columns.speakers, growth.speaker_codes))


def _add_vectors(growth: _Growth, columns: Columns, space: Space | None) -> None:
    if space is not None:
        if growth.vectors is None:
            growth.vectors = GrowingVectors(space.dimension, room=growth.room)
            growth.vectors.skip(growth.rows.length)
        growth.vectors.extend(columns)
    growth.has_vector.extend(columns.has_vector)


def _add_tags_and_names(growth: _Growth, columns: Columns, first: int) -> None:
    import numpy as np

    growth.tags.extend(_recoded(columns.tag_names, columns.tags, growth.tag_codes))
    growth.tag_places.extend(columns.tag_places + np.int32(first))
    named = (columns.counts & np.uint8(NAME_BIT)) != 0
    places = columns.term_places[named]
    order = np.argsort(places, kind="stable")
    growth.name_terms.extend(columns.terms[named][order])
    growth.name_places.extend(places[order] + np.int32(first))


def _links(growth: _Growth, first: int) -> "NDArray[np.int32]":
    """For every place from ``first`` on: the place of the turn before it in its session."""
    import numpy as np

    unseen = len(growth.session_codes) - growth.session_ends.length
    growth.session_ends.extend(np.full(unseen, NOBODY, np.int32))
    sessions, ends = growth.sessions.view()[first:], growth.session_ends.view()
    links = np.full(len(sessions), NOBODY, np.int32)
    order = np.argsort(sessions, kind="stable")
    order = order[np.searchsorted(sessions[order], 0) :]  # without those of no session
    if not len(order):
        return links
    ordered = sessions[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    links[order[1:]] = order[:-1] + first
    links[order[begins]] = ends[ordered[begins]]
    finishes = np.append(begins[1:], True)
    ends[ordered[finishes]] = order[finishes] + first
    return links


def _drop(growth: _Growth, alive: "NDArray[np.bool_]", previous: "NDArray[np.int32]", dropped: Sequence[int]) -> None:
    """The places of forgotten memories stay where they are, marked; the turns around one become neighbours."""
    import numpy as np

    memories, ends = growth.memories.view(), growth.session_ends.view()
    first = np.searchsorted(memories, np.array(dropped, np.int64))
    last = np.searchsorted(memories, np.array(dropped, np.int64), side="right")
    places = (place for start, stop in zip(first.tolist(), last.tolist(), strict=True) for place in range(start, stop))
    for place in places:
        if not alive[place]:
            continue
        alive[place] = False
        growth.words.drop([place])
        before = int(previous[place])
        previous[previous == place] = before
        previous[place] = NOBODY
        session = int(growth.sessions.view()[place])
        if session != NOBODY and ends[session] == place:
            ends[session] = before
