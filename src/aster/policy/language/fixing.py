"""Applying the fixes of findings to a text (`aster policy check --fix`, the code actions of the language server)."""

import re
from collections.abc import Iterable, Sequence

from aster.policy.language.diagnostics import Diagnostic, Edit, Fix

_LINE_END = re.compile(r"\r\n|\r|\n")


def fixes_of(findings: Iterable[Diagnostic], *, unsafe: bool = False) -> list[Fix]:
    """The fixes of a source's own findings, the first of each; only those that keep the meaning unless ``unsafe``."""
    firsts = [found.fixes[0] for found in findings if found.fixes and found.module is None]
    return [fix for fix in firsts if fix.is_safe or unsafe]


def apply_fixes(text: str, fixes: Sequence[Fix]) -> tuple[str, int]:
    """A text with fixes applied, and how many were: of those that touch one another only the first."""
    starts = [0, *(found.end() for found in _LINE_END.finditer(text)), len(text)]
    ordered = sorted(fixes, key=lambda fix: (fix.edits[0].start_line, fix.edits[0].start_column))
    parts: list[str] = []
    position = count = 0
    for fix in ordered:
        places = [_place(edit, starts) for edit in fix.edits]
        if places[0][0] < position or (count and places[0][0] == position):
            continue
        for edit, (start, end) in zip(fix.edits, places, strict=True):
            parts += [text[position:start], edit.text]
            position = end
        count += 1
    return "".join([*parts, text[position:]]), count


def _place(edit: Edit, starts: list[int]) -> tuple[int, int]:
    return starts[edit.start_line - 1] + edit.start_column - 1, starts[edit.end_line - 1] + edit.end_column - 1
