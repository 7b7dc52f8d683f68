"""How a long job tells its reader what happens; the command line has one for terminals, one for pipes, one for JSON."""

from contextlib import AbstractContextManager
from typing import Any, Protocol


class Advance(Protocol):
    """Called with the number of items that were just done."""

    def __call__(self, items: int, /) -> None: ...


class Narrator(Protocol):
    """What a long job tells its reader."""

    def heading(self, text: str) -> None:
        """A new part of the job begins."""

    def say(self, event: str, text: str, **fields: Any) -> None:
        """One fact: ``text`` for people, ``event`` and ``fields`` for programs."""

    def note(self, event: str, **fields: Any) -> None:
        """A fact for programs alone."""

    def progress(self, label: str, total: int) -> AbstractContextManager[Advance]:
        """Work on ``total`` items is under way."""
