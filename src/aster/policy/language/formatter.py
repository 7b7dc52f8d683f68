"""The canonical form of a source: one way to indent, space and punctuate; words, line breaks and comments are kept.

What comes out is parsed again and compared with what went in, so that a format never changes a program.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from aster.foundation.errors import AsterError
from aster.policy.language.aliases import AliasSet
from aster.policy.language.concrete import Concrete, meaning, read_concrete, reread
from aster.policy.language.cursor import APOSTROPHES, POSSESSIVE, STOPS
from aster.policy.language.lexicon import ENGLISH, ENGLISH_POSSESSIVE, Lexicon, load_lexicon
from aster.policy.language.source import MAX_SOURCE, MAX_TOKENS
from aster.policy.language.tokens import DEDENT, END, INDENT, NEWLINE, NUMBER, SIGN, TEXT, WORD, Token

CONTINUED = 2
"""Levels of indentation of a line that goes on with the one before."""

_CLOSE = frozenset({",", ".", ":", ")", "]", "?", "'s"})
_LITERALS = frozenset({"TRUE", "FALSE", "NULL", "NONE"})
_CALLED = frozenset({"NONE", "AWAIT"})
_DECLARATIONS = frozenset({"FUNC_TO", "TYPE_DEF", "TYPE_ALIAS", "MODULE_DECL", "IMPORT", "@"})
_LAYOUT = frozenset({NEWLINE, INDENT, DEDENT, END})


class FormatDefect(AsterError):
    """The formatted source would not mean the same; nothing was written."""

    code = "FORMAT_FAILED"


class Piece(NamedTuple):
    """A word, sign or literal to print. ``kind`` is a keyword's kind, else the token's; ``breaks``: on a new line."""

    kind: str
    text: str
    token: Token
    end: int
    is_keyword: bool
    breaks: bool
    touches: bool


class Line(NamedTuple):
    """A logical line; ``depth`` counts blocks."""

    depth: int
    pieces: list[Piece]
    start: int
    end: int


Spell = Callable[[Concrete, str, str, bool], str]
"""How to write a keyword: the source, its kind, the words as written, whether it begins a line."""

Write = Callable[[Concrete, Token], str]
"""How to write a name, number or text."""


def format_source(
    text: str,
    locale: str = ENGLISH,
    *,
    aliases: AliasSet | None = None,
    max_source: int = MAX_SOURCE,
    max_tokens: int = MAX_TOKENS,
) -> str:
    """The canonical form of a source. Raises `PolicySyntaxError` for what can't be parsed or is beyond the limits."""
    concrete = read_concrete(text, locale, None, aliases, (max_source, max_tokens))
    formatted = render(concrete, concrete.source.lexicon, as_written)
    if meaning(reread(formatted, locale, None, aliases).tree) != meaning(concrete.tree):
        raise FormatDefect("the formatted source would not mean the same", hint="please report the source")
    return formatted


def as_written(concrete: Concrete, kind: str, written: str, first: bool) -> str:
    """The user's own choice of words, in the case the lexicon gives them."""
    lexicon = concrete.source.lexicon
    if kind == POSSESSIVE:
        return ENGLISH_POSSESSIVE if written[0] in APOSTROPHES else written
    if kind not in lexicon.spellings:
        return written
    found = next((known for known in lexicon.spellings[kind] if known.lower() == written.lower()), written)
    own = {lexicon.keywords[kind], *lexicon.spellings[kind]} - set(load_lexicon(ENGLISH).spellings[kind])
    return found if found in own else in_case(load_lexicon(ENGLISH), kind, found, first)


def in_case(lexicon: Lexicon, kind: str, phrase: str, first: bool) -> str:
    """A phrase with a capital where the locale wants one."""
    if kind in lexicon.sentence_case or kind in lexicon.inline:
        return phrase[0].upper() + phrase[1:] if first else phrase[0].lower() + phrase[1:]
    return phrase


def render(concrete: Concrete, lexicon: Lexicon, spell: Spell, write: Write | None = None) -> str:
    """The source in a locale's punctuation, with keywords spelled by ``spell``, other words by ``write``."""
    return _Renderer(concrete, lexicon, spell, write or _slice).text()


def _slice(concrete: Concrete, token: Token) -> str:
    """A name, number or text as it is written."""
    written = concrete.source.text[token.start : token.end]
    if token.kind is TEXT:
        return written
    folded = written if written.isascii() else written.translate(concrete.source.lexicon.folding)
    if token.kind is NUMBER:
        return folded.replace("l", "L").replace("M", "m")
    return folded


class Row(NamedTuple):
    """A logical line or a comment of its own, ready to print."""

    depth: int
    text: str
    start: int
    end: int
    kind: str
    """The kind of a line's first piece, "@" for an annotation, "#" for a comment."""


class _Renderer:
    def __init__(self, concrete: Concrete, lexicon: Lexicon, spell: Spell, write: Write) -> None:
        self.concrete = concrete
        self.source = concrete.source
        self.marks = lexicon.punctuation
        self.spell = spell
        self.write = write
        self.comments = list(reversed(concrete.source.comments))

    def text(self) -> str:
        written: list[str] = []
        before: Row | None = None
        for row in self.rows():
            if before is not None and self._apart(before, row):
                written.append("")
            written.append("  " * row.depth + row.text)
            before = row
        return "\n".join(written) + "\n"

    # rows

    def rows(self) -> Iterator[Row]:
        widths = [0]
        above = 0
        for line in self.lines():
            yield from self._comments_before(line.start, line.end, line.depth, above, widths)
            del widths[line.depth :]
            widths.extend([self._column(line.start)] * (line.depth + 1 - len(widths)))
            trailing = self._trailing(line.end)
            text = self._line(line)
            first = line.pieces[0]
            kind = first.kind if first.kind is not SIGN else first.text
            yield Row(line.depth, f"{text}  {trailing}" if trailing else text, line.start, line.end, kind)
            above = line.depth
        end = len(self.source.text)
        yield from self._comments_before(end, end, 0, above, widths)

    def _comments_before(self, start: int, end: int, depth: int, above: int, widths: list[int]) -> Iterator[Row]:
        """The comments above a line, and those inside of it. ``above`` is the depth of the line before."""
        while self.comments and self.comments[-1][0] < end:
            begin, stop = self.comments.pop()
            level = depth
            for known in range(depth + 1, above + 1):
                if known < len(widths) and widths[known] <= self._column(begin):
                    level = known
            place = min(begin, start)
            yield Row(level, self.source.text[begin:stop].rstrip(), place, min(stop, max(place, start)), "#")

    def _trailing(self, end: int) -> str:
        """The comment that ends a line."""
        if not self.comments or "\n" in self.source.text[end : self.comments[-1][0]]:
            return ""
        begin, stop = self.comments.pop()
        return self.source.text[begin:stop].rstrip()

    def _column(self, offset: int) -> int:
        text = self.source.text
        start = text.rfind("\n", 0, offset) + 1
        return offset - start + text.count("\t", start, offset)

    def _apart(self, before: Row, row: Row) -> bool:
        """Whether a blank line goes between two rows."""
        gap = self.source.text.count("\n", before.end, row.start) > 1
        if row.depth:
            return gap and row.depth <= before.depth
        if row.kind == "#":
            return gap or before.kind != "#"
        if row.kind not in _DECLARATIONS or before.kind == "#":
            return gap
        return before.kind != "@" and not before.kind == row.kind == "IMPORT"

    # lines and pieces

    def lines(self) -> Iterator[Line]:
        depth = 0
        pieces: list[Piece] = []
        for piece in self.pieces():
            is_layout = piece.kind in _LAYOUT
            if pieces and (is_layout or (piece.kind == "FUNC_TO" and pieces[0].text == "@")):
                yield Line(depth, pieces, pieces[0].token.start, pieces[-1].end)
                pieces = []
            if is_layout:
                depth += (piece.kind is INDENT) - (piece.kind is DEDENT)
            else:
                pieces.append(piece)

    def pieces(self) -> Iterator[Piece]:
        tokens, keywords, text = self.concrete.tokens, self.concrete.keywords, self.source.text
        index = 0
        end = 0
        first = True
        while index < len(tokens):
            token = tokens[index]
            if index in self.concrete.stops:
                yield Piece(SIGN, ".", Token(SIGN, ".", end, end), end, False, False, False)
            if token.kind in _LAYOUT:
                first = True
                yield Piece(token.kind, "", token, end, False, False, False)
                index += 1
                continue
            kind, length = keywords.get(index, ("", 1))
            last = tokens[index + length - 1]
            breaks = not first and "\n" in text[end : token.start]
            touches = token.start == end and text[max(0, end - 1)] not in STOPS
            word = self._word(token, last, kind, first)
            if kind == POSSESSIVE and word[0] == "'":
                yield Piece(SIGN, word, token, last.end, False, breaks, touches)
            elif word:
                yield Piece(kind or token.kind, word, token, last.end, bool(kind), breaks, touches)
            first = first and (not word or kind == "OTHERWISE")
            end = last.end
            index += length

    def _word(self, token: Token, last: Token, kind: str, first: bool) -> str:
        if kind:
            return self.spell(self.concrete, kind, self.source.excerpt(token.start, last.end), first)
        if token.kind is SIGN:
            return ENGLISH_POSSESSIVE if self.source.text[token.start] in APOSTROPHES else str(token.value)
        return self.write(self.concrete, token)

    # spacing

    def _line(self, line: Line) -> str:
        parts: list[str] = []
        nested = 0
        earlier: Piece | None = None
        before: Piece | None = None
        is_head = line.pieces[0].kind == "FUNC_TO"
        separator = "list_separator"
        for index, piece in enumerate(line.pieces):
            if piece.kind is SIGN and piece.text in {")", "]"}:
                nested = max(0, nested - 1)
            if piece.breaks:
                parts.append("\n" + "  " * (line.depth + (nested or CONTINUED)))
            elif before is not None and not (is_head and _in_effects(index, line.pieces)):
                parts.append(" " if self._spaced(earlier, before, piece, parts[-1], nested) else "")
            following = line.pieces[index + 1] if index + 1 < len(line.pieces) else None
            separator = "enum_separator" if piece.kind == "TYPE_ONE_OF" else separator
            is_mark = piece.kind is SIGN and not nested
            parts.append(self._mark(piece, following, separator) if is_mark else piece.text)
            nested += piece.kind is SIGN and piece.text in {"(", "["}
            earlier, before = before, piece
        return "".join(parts)

    def _mark(self, piece: Piece, following: Piece | None, separator: str) -> str:
        """A sign outside of brackets in the locale's punctuation."""
        if piece.text == ".":
            is_field = following is not None and following.touches and not following.is_keyword
            return "." if is_field else self.marks["statement_end"]
        if piece.text == ",":
            return self.marks[separator]
        return self.marks["block_start"] if piece.text == ":" else piece.text

    def _spaced(self, earlier: Piece | None, before: Piece, piece: Piece, printed: str, nested: int) -> bool:
        """Whether a blank goes between two pieces of a line."""
        if before.kind is SIGN:
            if before.text in {"(", "[", "@"} or (before.text == "-" and _is_unary(earlier)):
                return False
            if before.text == ".":
                return piece.kind is not SIGN and (piece.is_keyword or not piece.touches)
            if before.text in {",", ":"} and not nested and not printed.isascii():
                return False
        if piece.kind is not SIGN:
            return True
        if piece.text == "(":
            return not _takes_arguments(before)
        return piece.text not in _CLOSE


def _is_unary(earlier: Piece | None) -> bool:
    """Whether a minus after this piece is a sign and not an operator."""
    if earlier is None:
        return True
    if earlier.is_keyword:
        return earlier.kind not in _LITERALS
    return earlier.kind is SIGN and earlier.text not in {")", "]"}


def _in_effects(index: int, pieces: list[Piece]) -> bool:
    """Whether no blank goes before a piece because of `Rule name<E>`."""
    if index < 2 or len(pieces) < 3 or pieces[2].text != "<":
        return False
    closed = next((place for place, piece in enumerate(pieces[: index + 1]) if piece.text == ">"), index)
    return index in {2, 3, closed} or pieces[index].text == ","


def _takes_arguments(before: Piece) -> bool:
    if before.is_keyword:
        return before.kind in _CALLED
    return before.kind is WORD or (before.kind is SIGN and before.text in {")", "]"})
