"""What can be derived, one row a kind: from which facts, with which words to the model, into which layer.

A subject is whom or what a piece is about: a speaker for observations, a tag for pages, the question itself for models.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from astrocyte.memories import NewMemory


class DeriveSettings(msgspec.Struct, frozen=True):
    """``[derive]``; see the table of settings."""

    observations: bool = False
    pages: bool = False
    models: tuple[str, ...] = ()
    delay_seconds: int = 30
    in_background: bool = True

    @property
    def is_active(self) -> bool:
        return self.observations or self.pages or bool(self.models)


class Kind(msgspec.Struct, frozen=True):
    """``facts`` is how many of the newest it is made from, ``needed`` how few are too few, ``pieces`` the most made."""

    layer: str
    facts: int
    needed: int
    pieces: int
    instructions: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "observation": Kind(
            "observation",
            facts=60,
            needed=3,
            pieces=5,
            instructions=(
                "State what holds over several of these memories about {subject}: habits, preferences, changes,"
                " contradictions. One sentence each, at most five, nothing that a single memory says already."
            ),
        ),
        "page": Kind(
            "page",
            facts=100,
            needed=3,
            pieces=1,
            instructions=(
                "Write one page in Markdown about '{subject}' from these memories: a title, a short summary, then the"
                " facts in order, with dates where they are known."
            ),
        ),
        "model": Kind(
            "model",
            facts=40,
            needed=1,
            pieces=1,
            instructions="Answer this standing question from these memories, in a few sentences: {subject}",
        ),
    }
)


def subjects(memories: Sequence[NewMemory], settings: DeriveSettings) -> list[tuple[str, str]]:
    """``(kind, subject)`` of everything that new facts are about, each once."""
    found: list[tuple[str, str]] = []
    for memory in memories:
        if settings.observations:
            found.append(("observation", memory.speaker or ""))
        if settings.pages:
            found += [("page", tag) for tag in memory.tags]
    found += [("model", question) for question in settings.models if memories]
    return list(dict.fromkeys(found))
