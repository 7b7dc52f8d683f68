"""A user's own words for keywords, laid over a locale (specification §4.6).

An alias set is data: `{KIND: [phrase, …]}`. Operators are anybody's to rename; what shapes a program only an
administrator's; everything else nobody's. Aliases are read, never printed: translating gives a locale's own words.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from aster.policy.language.errors import AliasesInvalid
from aster.policy.language.lexicon import Lexicon, Phrase, load_lexicon, locale_id, openings_of
from aster.policy.language.vocabulary import Vocabulary

OPERATOR_KINDS = frozenset(
    [
        *("PLUS", "MINUS_WORD", "TIMES", "DIVIDED_BY", "INTEGER_DIVIDED_BY", "MODULO"),
        *("LESS_THAN", "GREATER_THAN", "EQUALS_TO", "AT_LEAST", "AT_MOST"),
    ]
)
STRUCTURE_KINDS = frozenset(["MODULE_DECL", "FUNC_TO", "IF", "OTHERWISE", "MATCH", "WHEN", "RETURN"])
MAX_KINDS = 32
MAX_PHRASES = 8
MAX_CHARACTERS = 64
_WORD = re.compile(r"[^\W\d_]\w*")


class AliasSet(msgspec.Struct, frozen=True):
    """Phrases by keyword kind, both sorted, so that equal sets are equal values."""

    phrases: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def document(self) -> dict[str, list[str]]:
        """The canonical JSON form, to be stored with what it was used for."""
        return {kind: list(phrases) for kind, phrases in self.phrases}


def read_aliases(document: Mapping[str, Any], *, administrator: bool = False) -> AliasSet:
    """An alias set from its JSON form. ``administrator`` allows words that shape a program.

    Raises `AliasesInvalid` for kinds that have no aliases, and for phrases that are not two plain words or more.
    """
    if len(document) > MAX_KINDS:
        raise AliasesInvalid(f"aliases for more than {MAX_KINDS} keywords")
    seen: set[str] = set()
    for kind, phrases in document.items():
        if kind in STRUCTURE_KINDS and not administrator:
            raise AliasesInvalid(f"{kind}: only an administrator may rename what shapes a program")
        if kind not in OPERATOR_KINDS | STRUCTURE_KINDS:
            allowed = ", ".join(sorted(OPERATOR_KINDS))
            raise AliasesInvalid(f"{str(kind)[:40]!r} is not a keyword that can have aliases", hint=f"use {allowed}")
        if not isinstance(phrases, list | tuple) or len(phrases) > MAX_PHRASES:
            raise AliasesInvalid(f"{kind}: expected a list of at most {MAX_PHRASES} phrases")
        for phrase in phrases:
            _check_phrase(kind, phrase)
            if phrase in seen:
                raise AliasesInvalid(f"{kind}: {phrase!r} is an alias twice")
            seen.add(phrase)
    return AliasSet(tuple((kind, tuple(sorted(document[kind]))) for kind in sorted(document) if document[kind]))


def _check_phrase(kind: str, phrase: Any) -> None:
    if not isinstance(phrase, str) or len(phrase) > MAX_CHARACTERS:
        raise AliasesInvalid(f"{kind}: an alias is a text of at most {MAX_CHARACTERS} characters")
    words = phrase.split(" ")
    plain = all(_WORD.fullmatch(word) for word in words) and phrase == phrase.lower()
    if len(words) < 2 or not plain:
        raise AliasesInvalid(f"{kind}: {phrase!r} is not two lower-case words or more with one blank between them")


def lexicon_with(locale: str, aliases: AliasSet | None, vocabulary: Vocabulary | None = None) -> Lexicon:
    """A locale with a user's words beside its own.

    Raises `UnsupportedLocale`, and `AliasesInvalid` where an alias would take the place of other words.
    """
    if aliases is None or not aliases.phrases:
        return load_lexicon(locale)
    if vocabulary is not None:
        for kind, phrases in aliases.phrases:
            for word in (word for phrase in phrases for word in phrase.split()):
                if word in vocabulary.names or word in vocabulary.literals:
                    raise AliasesInvalid(f"{kind}: {word!r} is a word of the vocabulary {vocabulary.id}")
    return _overlaid(locale_id(locale), aliases)


@lru_cache(maxsize=64)
def _overlaid(locale: str, aliases: AliasSet) -> Lexicon:
    lexicon = load_lexicon(locale)
    phrases = dict(lexicon.phrases)
    spellings = dict(lexicon.spellings)
    for kind, added in aliases.phrases:
        for text in added:
            words = tuple(text.split(" "))
            known = phrases.get(words[0], ())
            if any(phrase.words == words for phrase in known):
                raise AliasesInvalid(f"{kind}: {text!r} is a keyword of {locale}")
            phrases[words[0]] = tuple(sorted((*known, Phrase(words, kind)), key=lambda phrase: -len(phrase.words)))
        spellings[kind] = (*spellings[kind], *added)
    return msgspec.structs.replace(
        lexicon,
        phrases=MappingProxyType(phrases),
        openings=MappingProxyType(openings_of(phrases)),
        spellings=MappingProxyType(spellings),
    )
