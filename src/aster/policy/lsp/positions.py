"""Places in a text as editors count them: lines from 0, characters in UTF-16 code units."""

from bisect import bisect_right


class Lines:
    """The lines of a text, and the way between offsets (characters from 0) and (line, UTF-16 character)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and character of an offset."""
        line = bisect_right(self._starts, offset) - 1
        return line, units(self.text[self._starts[line] : offset])

    def offset(self, line: int, character: int) -> int:
        """The offset of a place; beyond the end of a line it is that end."""
        if line >= len(self._starts):
            return len(self.text)
        start = self._starts[line]
        end = self._starts[line + 1] - 1 if line + 1 < len(self._starts) else len(self.text)
        found = start
        left = character
        while found < end and left > 0:
            left -= 2 if ord(self.text[found]) > 0xFFFF else 1
            found += 1
        return found

    def of_column(self, line: int, column: int) -> tuple[int, int]:
        """The place of a line and column that both count from 1, in characters."""
        index = min(line - 1, len(self._starts) - 1)
        return self.place(min(self._starts[index] + column - 1, len(self.text)))


def units(text: str) -> int:
    """The UTF-16 code units of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
