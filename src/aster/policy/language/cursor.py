"""A cursor over tokens: the small questions every production of the parser asks.

Keywords are asked for by kind; a word is a name wherever a name is asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from aster.policy.language.lexicon import ENGLISH_POSSESSIVE
from aster.policy.language.repairs import Repair
from aster.policy.language.source import SourceText
from aster.policy.language.terms import Term
from aster.policy.language.tokens import DEDENT, END, INDENT, NEWLINE, SIGN, WORD, Token

MAX_NESTING = 64
_LAYOUT_WORDS = {
    NEWLINE: Term("the end of the line"),
    INDENT: Term("an indented line"),
    DEDENT: Term("the end of the block"),
    END: Term("the end"),
}

# What may follow an article that is a name of its own rather than an article (specification §2, step 12).
_AFTER_A_NAME = frozenset(
    [
        "IMPORT_ALIAS",
        "BE",
        "IN",
        "OF",
        "AND",
        "OR",
        "PLUS",
        "MINUS_WORD",
        "TIMES",
        "DIVIDED_BY",
        "INTEGER_DIVIDED_BY",
        "MODULO",
        "EQUALS_TO",
        "NOT_EQUAL_TO",
        "IS",
        "IS_NOT",
        "LESS_THAN",
        "GREATER_THAN",
        "MORE_THAN",
        "UNDER",
        "OVER",
        "AT_LEAST",
        "AT_MOST",
        "TO_WORD",
        "SET",
        "THEN",
        "OTHERWISE",
        "FUNC_PRODUCE",
        "FUNC_GIVEN",
        "DEPENDS_ON",
        "TYPE_HAS",
        "TYPE_WITH",
        "TYPE_ONE_OF",
        "REQUIRED",
        "BETWEEN",
        "MATCHING",
    ]
)


ARTICLE = "ARTICLE"
"""What `Cursor.take` calls a word that only introduces the one after it."""

POSSESSIVE = "POSSESSIVE"
"""What `Cursor.take` calls the `'s` of `driver's age` and the like."""

APOSTROPHES = "'’"
STOPS = "。।"
"""Full stops that are never the dot of a field."""


class ParseFailure(Exception):
    """A production failed; the finding is already reported. Caught where the parser can go on."""


class Cursor:
    """The tokens, where we are in them, and how deep the productions are nested."""

    def __init__(self, source: SourceText, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.index = 0
        self.token = tokens[0]
        self.last = len(tokens) - 1
        self.depth = 0
        self.possessives = frozenset(source.lexicon.possessives) - {ENGLISH_POSSESSIVE}
        self.articles = source.lexicon.articles

    # moving

    def advance(self, count: int = 1) -> Token:
        """Step over some tokens; returns the last one stepped over."""
        tokens, index = self.tokens, self.index + count
        if index > self.last:
            index = self.last
        self.index = index
        self.token = tokens[index]
        return tokens[index - 1]

    def peek(self, ahead: int = 1) -> Token:
        index = self.index + ahead
        return self.tokens[min(self.last, index)]

    @property
    def last_end(self) -> int:
        return self.tokens[self.index - 1].end if self.index else 0

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Count one level of nesting; every recursive production runs inside one."""
        self.deeper()
        try:
            yield
        finally:
            self.depth -= 1

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            self.depth -= 1
            raise self.failure("P015", limit=MAX_NESTING)

    # failing

    def found(self) -> str:
        token = self.token
        if token.kind in _LAYOUT_WORDS:
            return _LAYOUT_WORDS[token.kind]
        written = self.source.excerpt(token.start, token.end)
        return f"'{written[:40]}'"

    def failure(
        self, code: str, *, help_text: str | None = None, repair: Repair | None = None, **values: object
    ) -> ParseFailure:
        """Report at the current token and give the exception to raise."""
        token = self.token
        values.setdefault("found", self.found())
        self.source.report(code, token.start, max(token.end, token.start), help_text, repair, **values)
        return ParseFailure(code)

    # signs

    def at_sign(self, *signs: str) -> bool:
        return self.token.kind is SIGN and self.token.value in signs

    def accept_sign(self, sign: str) -> bool:
        if self.token.kind is SIGN and self.token.value == sign:
            self.advance()
            return True
        return False

    def expect_sign(self, sign: str) -> Token:
        if self.token.kind is SIGN and self.token.value == sign:
            return self.advance()
        raise self.missing(sign)

    def missing(self, sign: str) -> ParseFailure:
        """A sign should be here. At the end of a line it was probably forgotten."""
        is_end = self.token.kind in _LAYOUT_WORDS
        return self.failure(
            "P006", expected=sign, repair=Repair(self.last_end, self.last_end, sign) if is_end else None
        )

    # layout

    def at(self, kind: str) -> bool:
        return self.token.kind is kind

    def accept(self, kind: str) -> bool:
        if self.token.kind is kind:
            self.advance()
            return True
        return False

    def skip_newlines(self) -> None:
        while self.token.kind is NEWLINE:
            self.advance()

    # keywords and names

    def at_keyword(self, kind: str, ahead: int = 0) -> int:
        """How many words the keyword takes here, 0 if it is not here."""
        if not ahead:
            phrases = self.token.phrases
            if not phrases:
                return 0
        else:
            index = self.index + ahead
            phrases = self.tokens[min(self.last, index)].phrases
        for found, length in phrases:
            if found == kind:
                return length
        return 0

    def take(self, kind: str, length: int) -> None:
        """Step over a keyword. Every keyword goes this way, so that tools may note where they are."""
        self.advance(length)

    def leave_out_stop(self) -> None:
        """A line ends here without its full stop, which is allowed; tools may note it."""

    def take_separator(self, length: int) -> None:
        """Step over a comma, `and`, or both, that take some tokens."""
        if self.accept_sign(","):
            length -= 1
        if length:
            self.take("AND", length)

    def accept_keyword(self, kind: str) -> bool:
        for found, length in self.token.phrases:
            if found == kind:
                self.take(kind, length)
                return True
        return False

    def accept_keywords(self, *kinds: str) -> bool:
        """Several keywords one after another, all or none."""
        ahead = 0
        lengths = []
        for kind in kinds:
            length = self.at_keyword(kind, ahead)
            if not length:
                return False
            lengths.append(length)
            ahead += length
        for kind, length in zip(kinds, lengths, strict=True):
            self.take(kind, length)
        return True

    def expect_keyword(self, kind: str) -> None:
        if not self.accept_keyword(kind):
            word = self.source.lexicon.keywords.get(kind, kind.lower())
            raise self.failure("P004", expected=word)

    def at_article(self) -> bool:
        """Whether an article is here that only introduces the word after it."""
        token = self.token
        if token.kind is not WORD or token.value.lower() not in self.articles:
            return False
        after = self.peek()
        return after.kind is WORD and not any(kind in _AFTER_A_NAME for kind, _ in after.phrases)

    def skip_article(self) -> None:
        if self.at_article():
            self.take(ARTICLE, 1)

    def expect_name(self) -> str:
        if self.at_article():
            self.take(ARTICLE, 1)
        if self.token.kind is WORD and self.token.value != "_":
            return str(self.advance().value)
        raise self.failure("P001")

    def type_name(self) -> str:
        """The name of a type that is declared here."""
        self.skip_article()
        if self.token.kind is WORD and self.token.value != "_":
            return str(self.advance().value)
        raise self.failure("P002")

    def name_adjacent(self) -> bool:
        """Whether `.name` follows without blanks: a field, not the end of a statement."""
        token = self.token
        if token.kind is not SIGN or token.value != ".":
            return False
        after = self.tokens[self.index + 1]  # there is one: the last token is not a sign
        return after.kind is WORD and after.start == token.end and self.source.text[token.start] not in STOPS

    def at_field(self) -> bool:
        """Whether a field of the value before is named here: `.age`, `'s age`, or with a word between, `的 年龄`."""
        token = self.token
        if token.kind is SIGN:
            return bool(token.value == ".") and self.name_adjacent()
        if token.kind is not WORD or token.value not in self.possessives:
            return False
        return all(length == 1 for _, length in token.phrases) and self.peek().kind is WORD

    def take_field(self) -> str:
        """The name of the field that `at_field` saw."""
        if self.token.kind is WORD or self.source.text[self.token.start] in APOSTROPHES:
            self.take(POSSESSIVE, 1)
        else:
            self.advance()
        return str(self.advance().value)

    def dotted(self) -> str:
        names = [self.expect_name()]
        while self.name_adjacent():
            self.advance()
            names.append(str(self.advance().value))
        return ".".join(names)
