"""Repairs: what could be written instead of what was found wrong, as edits of the text (specification §9.2).

Stages propose repairs by offsets; `SourceText.report` turns them into the fixes of a finding.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import NamedTuple

ALIKE = 0.7
MAX_NAME = 64
MAX_CANDIDATES = 500


class Repair(NamedTuple):
    """Write ``text`` instead of what stands between two offsets. ``is_safe``: the meaning can't be another."""

    start: int
    end: int
    text: str
    is_safe: bool = False


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant, None if none is alike. Looks at a bounded number of candidates."""
    best, found = ALIKE, None
    matcher = SequenceMatcher(None, "", name.lower(), autojunk=False)
    looked = 0
    for candidate in candidates:
        if abs(len(candidate) - len(name)) > 3 or len(name) > MAX_NAME or candidate == name:
            continue
        looked += 1
        if looked > MAX_CANDIDATES:
            break
        matcher.set_seq1(candidate.lower())
        if matcher.real_quick_ratio() >= best and matcher.quick_ratio() >= best and matcher.ratio() >= best:
            best, found = matcher.ratio(), candidate
    return found
