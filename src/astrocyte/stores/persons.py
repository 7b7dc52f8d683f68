"""Whose a memory is: what an erasure goes by."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Whose memories are looked for: a principal, the names it goes by, the bank that is its own.

    ``names`` match a speaker as a whole and, for ``mentions``, words of content and metadata; case does not count.
    """

    principal: str
    own_bank: str | None
    names: frozenset[str]

    def reason(self, bank_id: str, speaker: str | None, tags: Sequence[str], text: str, by: str | None) -> str | None:
        """Why a memory is this person's: own_bank, retained_by, speaker, tag; ``mentions`` when it only names them."""
        if bank_id == self.own_bank:
            return "own_bank"
        if by == self.principal:
            return "retained_by"
        if speaker is not None and speaker.casefold() in self.names:
            return "speaker"
        if f"principal:{self.principal}" in tags:
            return "tag"
        return "mentions" if self._is_named(text) else None

    def _is_named(self, text: str) -> bool:
        folded = text.casefold()
        return any(
            re.search(rf"(?<!\w){re.escape(name)}(?!\w)", folded) is not None for name in self.names if name in folded
        )


@dataclass(frozen=True, slots=True)
class Belonging:
    """A memory that is a person's; ``reason`` as `Person.reason` gives it."""

    memory_id: str
    reason: str
