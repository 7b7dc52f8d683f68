"""Which memories a recall may see. Compiled once per bank into a mask that every kind of evidence takes; checked again
on the rows that are returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from astrocyte.memories import MemoryRecord
from astrocyte.moments import microseconds
from astrocyte.recall.bank_index import BankIndex
from astrocyte.stores.columns import UNKNOWN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TagMatch = Literal["any", "all", "none"]


@dataclass(frozen=True, slots=True)
class RecallFilter:
    """``tags`` are matched as ``tag_match`` says. A memory without ``occurred_at`` is outside every time range.

    ``occurred_from`` and ``occurred_to`` are both inclusive; ``as_of`` keeps what was known by then.
    """

    tags: Sequence[str] = ()
    tag_match: TagMatch = "any"
    occurred_from: datetime | None = None
    occurred_to: datetime | None = None
    as_of: datetime | None = None
    layers: frozenset[str] | None = None

    def mask(self, index: BankIndex) -> "NDArray[np.bool_]":
        """True at every place that may be seen."""
        mask = index.alive.copy()
        if self.tags:
            mask &= self._tag_mask(index)
        if self.occurred_from is not None:
            mask &= index.occurred_at >= microseconds(self.occurred_from)
        if self.occurred_to is not None:
            mask &= (index.occurred_at <= microseconds(self.occurred_to)) & (index.occurred_at != UNKNOWN)
        if self.as_of is not None:
            mask &= index.retained_at <= microseconds(self.as_of)
        if self.layers is not None:
            mask &= index.in_layers(self.layers)
        return mask

    def admits(self, memory: MemoryRecord) -> bool:
        """The same question, asked of a row."""
        moment = memory.occurred_at
        return (
            (self.layers is None or memory.layer in self.layers)
            and self._admits_tags(memory.tags)
            and (self.occurred_from is None or (moment is not None and moment >= self.occurred_from))
            and (self.occurred_to is None or (moment is not None and moment <= self.occurred_to))
            and (self.as_of is None or (memory.updated_at or memory.retained_at) <= self.as_of)
        )

    def _tag_mask(self, index: BankIndex) -> "NDArray[np.bool_]":
        masks = [index.tagged(tag) for tag in self.tags]
        combined = masks[0]
        for mask in masks[1:]:
            combined = combined & mask if self.tag_match == "all" else combined | mask
        return ~combined if self.tag_match == "none" else combined

    def _admits_tags(self, tags: Sequence[str]) -> bool:
        if not self.tags:
            return True
        shared = len(set(self.tags) & set(tags))
        if self.tag_match == "all":
            return shared == len(set(self.tags))
        return (shared > 0) is (self.tag_match == "any")
