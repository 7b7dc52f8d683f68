"""Which methods become tools: globs over ``Service.method``; what is denied is denied whatever else allows it."""

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase


class Verdict(StrEnum):
    """What may be done with a method."""

    HIDDEN = "hidden"
    CONFIRMED = "confirmed"
    OPEN = "open"


class ToolFilter:
    """Globs of methods: ``deny`` wins, then ``allow`` (all when there is none), then ``confirm`` asks a person."""

    def __init__(self, allow: Iterable[str] = (), deny: Iterable[str] = (), confirm: Iterable[str] = ()) -> None:
        self._allow = tuple(allow)
        self._deny = tuple(deny)
        self._confirm = tuple(confirm)

    def verdict(self, method: str) -> Verdict:
        """What may be done with ``Service.method``."""
        if _fits(method, self._deny) or (self._allow and not _fits(method, self._allow)):
            return Verdict.HIDDEN
        return Verdict.CONFIRMED if _fits(method, self._confirm) else Verdict.OPEN


def _fits(method: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(method, glob) for glob in globs)
