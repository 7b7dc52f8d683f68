"""A source as it is written: its tokens, which of them the parser took for keywords, and its comments.

Keywords are words like all others until the parser asks for them; tools that print a source anew need to know which.
"""

from typing import Any, NamedTuple

from aster.policy.language.aliases import AliasSet, lexicon_with
from aster.policy.language.errors import PolicySyntaxError
from aster.policy.language.parser import ModuleParser
from aster.policy.language.scanner import tokenize
from aster.policy.language.source import MAX_SOURCE, MAX_TOKENS, SourceText, read_source
from aster.policy.language.tokens import Token
from aster.policy.language.tree import Module, Node
from aster.policy.language.vocabulary import Vocabulary

_PLACES = frozenset({"start", "end", "name_end"})


class Concrete(NamedTuple):
    """``keywords`` maps the index of a first token to the keyword's kind and how many tokens it takes; ``stops`` are
    the indices of tokens before which a full stop was left out."""

    source: SourceText
    tree: Module
    tokens: list[Token]
    keywords: dict[int, tuple[str, int]]
    stops: frozenset[int]


class _NotingParser(ModuleParser):
    def __init__(self, source: SourceText, tokens: list[Token]) -> None:
        super().__init__(source, tokens)
        self.keywords: dict[int, tuple[str, int]] = {}
        self.stops: set[int] = set()

    def take(self, kind: str, length: int) -> None:
        self.keywords[self.index] = (kind, length)
        super().take(kind, length)

    def leave_out_stop(self) -> None:
        self.stops.add(self.index)


def read_concrete(
    text: str,
    locale: str,
    vocabulary: Vocabulary | None = None,
    aliases: AliasSet | None = None,
    limits: tuple[int, int] = (MAX_SOURCE, MAX_TOKENS),
) -> Concrete:
    """Parse a source and note how it is written; ``limits`` are the most characters and tokens.

    Raises `PolicySyntaxError`, `UnsupportedLocale`, `AliasesInvalid`.
    """
    source = read_source(text, lexicon_with(locale, aliases, vocabulary), vocabulary, *limits)
    parser = _NotingParser(source, tokenize(source))
    try:
        tree = parser.module()
    except RecursionError:
        parser.failure("P015", limit="the parser's")
    if source.has_errors:
        raise PolicySyntaxError(source.findings)
    return Concrete(source, tree, parser.tokens, parser.keywords, frozenset(parser.stops))


def reread(text: str, locale: str, vocabulary: Vocabulary | None = None, aliases: AliasSet | None = None) -> Concrete:
    """What a tool made of a source within its limits, which may have grown a little."""
    return read_concrete(text, locale, vocabulary, aliases, (2 * len(text), 2 * len(text)))


def meaning(value: Any) -> Any:
    """A tree without its places: two sources with equal meanings are the same program."""
    if isinstance(value, Node | Module):
        names = [name for name in value.__struct_fields__ if name not in _PLACES]
        return (type(value).__name__, *[meaning(getattr(value, name)) for name in names])
    if isinstance(value, tuple):
        return tuple(map(meaning, value))
    return (type(value).__name__, str(value))
