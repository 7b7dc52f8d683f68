"""The text of a policy: positions as the user sees them, and the findings collected about it."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from aster.policy.language.diagnostics import FIXES, Diagnostic, Edit, Fix, describe
from aster.policy.language.errors import PolicySyntaxError
from aster.policy.language.lexicon import Lexicon
from aster.policy.language.repairs import Repair, closest
from aster.policy.language.vocabulary import Vocabulary

MAX_SOURCE = 262_144
MAX_TOKENS = 32_768
"""Some 5,000 lines: what half a second compiles, with room to spare. A source is read whole before it is refused."""

MAX_FINDINGS = 100
MAX_SUGGESTIONS = 10


class SourceText:
    """A source with its line table. Offsets count characters from 0; positions are 1-based (line, column)."""

    def __init__(
        self, text: str, lexicon: Lexicon, vocabulary: Vocabulary | None = None, max_tokens: int | None = None
    ) -> None:
        self.vocabulary = vocabulary
        self.max_tokens = max_tokens
        self.text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
        self.lexicon = lexicon
        starts = [0]
        find = self.text.find
        position = find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = find("\n", position + 1)
        self._starts = starts
        self._parts: list[tuple[int, int, str]] = []
        self.comments: list[tuple[int, int]] = []
        self.is_fatal = False
        self._suggestions = 0
        self._findings: dict[tuple[int, str, str], Diagnostic] = {}

    def append(self, other: "SourceText", module: str) -> int:
        """Append the text of a used module, whose positions stay its own; gives what its offsets begin at."""
        base = len(self.text) + 1
        self._parts.append((base, len(self._starts), module))
        self.text = f"{self.text}\n{other.text}"
        self._starts += [start + base for start in other._starts]
        return base

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, in the module it belongs to."""
        line = bisect_right(self._starts, offset)
        column = offset - self._starts[line - 1] + 1
        if self._parts and offset >= self._parts[0][0]:
            line -= self._part(offset)[1]
        return line, column

    def line_at(self, offset: int) -> tuple[int, int, int]:
        """The number of the line of an offset, in the module it belongs to; where the line begins, and the next."""
        line = bisect_right(self._starts, offset)
        end = self._starts[line] if line < len(self._starts) else len(self.text) + 1
        return self.position(offset)[0], self._starts[line - 1], end

    def module_at(self, offset: int) -> str | None:
        """The used module an offset lies in, None in the user's own text."""
        return self._part(offset)[2] if self._parts and offset >= self._parts[0][0] else None

    def _part(self, offset: int) -> tuple[int, int, str]:
        return self._parts[bisect_right(self._parts, offset, key=lambda part: part[0]) - 1]

    def excerpt(self, start: int, end: int) -> str:
        """The user's own words between two offsets, on one line."""
        return " ".join(self.text[start:end].split())

    def refuse(self, code: str, start: int, end: int, **values: Any) -> None:
        """Note an error that leaves it open what the program is, so that there is none."""
        self.is_fatal = True
        self.report(code, start, end, **values)

    def report(
        self,
        code: str,
        start: int,
        end: int,
        help_text: str | None = None,
        repair: Repair | None = None,
        **values: Any,
    ) -> None:
        """Note a finding, perhaps with a way out; the same finding at the same place counts once."""
        severity, message = describe(code, self.lexicon, values)
        if help_text is not None:
            help_text = self.lexicon.terms.get(help_text, str(help_text))
        if len(self._findings) >= MAX_FINDINGS and severity != "error":
            return
        line, column = self.position(start)
        end_line, end_column = self.position(max(end, start))
        module = self.module_at(start)
        fixes = () if repair is None else (self._fix(repair),)
        finding = Diagnostic(severity, code, message, line, column, end_line, end_column, help_text, module, fixes)
        self._findings.setdefault((start, code, message), finding)

    def _fix(self, repair: Repair) -> Fix:
        code = "F001" if repair.text.strip() else "F003"
        if repair.start == repair.end:
            code = "F002"
        title = self.lexicon.messages.get(code, FIXES[code]).format(text=f"'{repair.text.strip()}'")
        edit = Edit(*self.position(repair.start), *self.position(repair.end), repair.text)
        return Fix(title, (edit,), repair.is_safe)

    def suggest(self, name: str, candidates: Iterable[str], start: int) -> Repair | None:
        """The name that was probably meant instead of one at an offset. Bounded, so that no source costs much."""
        self._suggestions += 1
        if self._suggestions > MAX_SUGGESTIONS:
            return None
        meant = closest(name, candidates)
        return None if meant is None else Repair(start, start + len(name), meant)

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """Everything reported so far, in the order of the text."""
        return tuple(sorted(self._findings.values(), key=_place))

    @property
    def has_errors(self) -> bool:
        return any(found.severity == "error" for found in self._findings.values())


def read_source(
    text: str,
    lexicon: Lexicon,
    vocabulary: Vocabulary | None = None,
    max_source: int = MAX_SOURCE,
    max_tokens: int = MAX_TOKENS,
) -> SourceText:
    """A source within its limits: the first is held here, the second where tokens are counted.

    Raises `PolicySyntaxError` (`L010`) for one that is too long.
    """
    if len(text) <= max_source:
        return SourceText(text, lexicon, vocabulary, max_tokens)
    empty = SourceText("", lexicon)
    empty.report("L010", 0, 0, limit=max_source)
    raise PolicySyntaxError(empty.findings)


def _place(found: Diagnostic) -> tuple[str, int, int, str]:
    return found.module or "", found.start_line, found.start_column, found.code
