"""When two memories are the same one: exactly, or so nearly that keeping both would only push others out of a recall.

What belongs to a session is a turn of a conversation and never a duplicate: people do say "Thanks!" twice.
"""

import hashlib
from typing import Literal

import msgspec

from astrocyte.memories import MemoryRecord, NewMemory
from astrocyte.text.terms import words

DuplicateRule = Literal["keep", "exact", "near"]
RULES: tuple[DuplicateRule, ...] = ("keep", "exact", "near")

NEAR = 0.95
"""From this cosine on two texts may say the same."""

NEGATORS = frozenset(
    """
    no not never none nobody nothing nowhere neither nor without cannot cant dont doesnt didnt isnt arent wasnt werent
    wont wouldnt shouldnt couldnt hasnt havent hadnt t stopped quit former formerly longer un non kein keine nicht nie
    """.split()  # noqa: SIM905 - words read better as words
)
"""Words that turn a sentence round. A text with one more or one fewer of them never duplicates the other."""

_encode = msgspec.json.Encoder(order="sorted").encode


def fingerprint(memory: NewMemory) -> bytes | None:
    """The same for two memories that are equal in everything but white space and the order of tags; None for a turn."""
    if memory.session_id is not None:
        return None
    parts = (
        " ".join(memory.content.split()),
        memory.speaker,
        memory.source,
        sorted(memory.tags),
        memory.metadata,
        memory.occurred_at,
        memory.content_type,
    )
    return hashlib.sha256(_encode(parts)).digest()


def says_the_same(new: NewMemory, kept: MemoryRecord) -> bool:
    """Whether a new memory whose vector is `NEAR` a kept one adds nothing to it.

    Not when they differ in who, when or how they are tagged, in a number, or in a negation.
    """
    if new.session_id is not None or kept.session_id is not None:
        return False
    if (new.speaker, new.occurred_at, set(new.tags)) != (kept.speaker, kept.occurred_at, set(kept.tags)):
        return False
    if new.metadata != kept.metadata:
        return False
    changed = set(words(new.content)) ^ set(words(kept.content))
    return not any(word in NEGATORS or not word.isalpha() for word in changed)
