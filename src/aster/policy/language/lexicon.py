"""A locale as data: its keyword phrases, punctuation and articles, read from `locales/<id>.json`.

A phrase is one word or several; a word that may begin one maps to every phrase it begins, longest first. English
phrases stay legal in every locale. A word is a keyword only where the parser asks for that keyword, so no
identifier ever collides with one.
"""

import json
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from aster.policy.language.errors import UnsupportedLocale

ENGLISH = "en-US"
ENGLISH_POSSESSIVE = "'s"
LOCALES = ("en-US", "zh-CN", "de-DE", "hi-IN")

_FOLDED_PUNCTUATION = {"。": ".", "：": ":", "，": ",", "、": ",", "；": ";", "।": ".", "\u3000": " ", "\u00a0": " "}
_FULL_WIDTH = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}


class Phrase(msgspec.Struct, frozen=True):
    """One spelling of a keyword: the words it is made of, lower case, and the keyword's kind."""

    words: tuple[str, ...]
    kind: str


class Opening(NamedTuple):
    """What a word may begin: the kinds of the phrases it is alone, and by second word all phrases, longest first."""

    alone: tuple[tuple[str, int], ...]
    longer: dict[str, tuple[Phrase, ...]]


class Lexicon(msgspec.Struct, frozen=True):
    """Everything the front end knows about a locale; ``openings`` are the first words of keyword phrases.

    ``sentence_case`` are keywords with a capital where they begin a line; ``inline`` spells some inside of one;
    ``possessives`` stand between a value and its field, the first is the one to print. ``personal`` maps words of names
    to the kind of personal data they suggest, ``consent`` are words that speak of a person's consent.
    """

    id: str
    name: str
    direction: str
    keywords: MappingProxyType[str, str]
    phrases: MappingProxyType[str, tuple[Phrase, ...]]
    openings: MappingProxyType[str, Opening]
    articles: frozenset[str]
    folding: MappingProxyType[int, str]
    open_quote: str
    close_quote: str
    sentence_case: frozenset[str]
    inline: MappingProxyType[str, str]
    possessives: tuple[str, ...]
    punctuation: MappingProxyType[str, str]
    messages: MappingProxyType[str, str]
    terms: MappingProxyType[str, str]
    telling: MappingProxyType[str, str]
    type_words: MappingProxyType[str, str]
    spellings: MappingProxyType[str, tuple[str, ...]]
    personal: MappingProxyType[str, str]
    consent: tuple[str, ...]


def _read(locale: str) -> dict[str, Any]:
    text = files("aster.policy.language").joinpath("locales", f"{locale}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _spellings(data: dict[str, Any]) -> list[tuple[str, str]]:
    spellings = [(phrase, kind) for kind, phrase in data["keywords"].items()]
    spellings += [(phrase, kind) for kind, phrases in data["aliases"].items() for phrase in phrases]
    return spellings


def _personal(data: dict[str, Any]) -> dict[str, str]:
    return {word: kind for kind, words in data["personal"].items() for word in words}


def _phrase_index(spellings: list[tuple[str, str]]) -> dict[str, tuple[Phrase, ...]]:
    index: dict[str, dict[Phrase, None]] = {}
    for text, kind in spellings:
        words = tuple(text.lower().split())
        index.setdefault(words[0], {})[Phrase(words, kind)] = None
    return {first: tuple(sorted(found, key=lambda phrase: -len(phrase.words))) for first, found in index.items()}


_TYPE_KEYWORDS = {
    "Text": "TEXT", "Int": "INT_TYPE", "Float": "FLOAT_TYPE", "Bool": "BOOL_TYPE", "Long": "LONG_TYPE",
    "Decimal": "DECIMAL_TYPE", "DateTime": "DATETIME_TYPE", "Number": "NUMBER_TYPE", "Null": "NULL",
}  # fmt: skip


def _type_words(keywords: dict[str, str]) -> dict[str, str]:
    """How types are told, as they are written in the locale."""
    words = {kind: keywords[keyword] for kind, keyword in _TYPE_KEYWORDS.items()}
    words["List"] = keywords["LIST_OF"] + " {0}"
    words["Option"] = keywords["OPTION_OF"] + " {0}"
    words["Result"] = f"{keywords['RESULT_OF']} {{0}} {keywords['OR']} {{1}}"
    words["Map"] = f"{keywords['MAP_OF']} {{0}} {keywords['TO_WORD']} {{1}}"
    return words


def _by_kind(spellings: list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Every spelling of a keyword, the locale's own first."""
    found: dict[str, list[str]] = {}
    for phrase, kind in spellings:
        found.setdefault(kind, []).append(phrase)
    return {kind: tuple(phrases) for kind, phrases in found.items()}


def openings_of(phrases: dict[str, tuple[Phrase, ...]]) -> dict[str, Opening]:
    found = {}
    for word, begun in phrases.items():
        seconds = {phrase.words[1] for phrase in begun if len(phrase.words) > 1}
        longer = {
            second: tuple(phrase for phrase in begun if len(phrase.words) == 1 or phrase.words[1] == second)
            for second in seconds
        }
        found[word] = Opening(tuple((phrase.kind, 1) for phrase in begun if len(phrase.words) == 1), longer)
    return found


def locale_id(locale: str) -> str:
    """The shipped locale a tag names: case and `_`/`-` do not matter. Raises `UnsupportedLocale`."""
    wanted = locale.replace("_", "-").lower()
    for shipped in LOCALES:
        if wanted == shipped.lower():
            return shipped
    raise UnsupportedLocale(f"unsupported locale {locale!r}", hint=f"use one of {', '.join(LOCALES)}")


@lru_cache(maxsize=len(LOCALES))
def _load(shipped: str) -> Lexicon:
    data = _read(shipped)
    spellings = _spellings(data)
    personal, consent = _personal(data), list(data["consent"])
    if shipped != ENGLISH:
        english = _read(ENGLISH)
        spellings += _spellings(english)
        personal |= _personal(english)
        consent += english["consent"]
    folding = dict(_FOLDED_PUNCTUATION)
    if data["fold_width"]:
        folding = {**_FULL_WIDTH, **folding}
    punctuation = data["punctuation"]
    phrases = _phrase_index(spellings)
    type_words = _type_words(data["keywords"])
    return Lexicon(
        id=data["id"],
        name=data["name"],
        direction=data["direction"],
        keywords=MappingProxyType(data["keywords"]),
        phrases=MappingProxyType(phrases),
        openings=MappingProxyType(openings_of(phrases)),
        articles=frozenset(data["articles"]),
        folding=MappingProxyType({ord(wide): narrow for wide, narrow in folding.items()}),
        open_quote=punctuation["open_quote"],
        close_quote=punctuation["close_quote"],
        sentence_case=frozenset(data["sentence_case"]),
        inline=MappingProxyType(data["inline"]),
        possessives=tuple(data.get("possessives", (ENGLISH_POSSESSIVE,))),
        punctuation=MappingProxyType(punctuation),
        messages=MappingProxyType(data["messages"]),
        terms=MappingProxyType({**type_words, "null": type_words["Null"], **data["terms"]}),
        telling=MappingProxyType(data["telling"]),
        type_words=MappingProxyType(type_words),
        spellings=MappingProxyType(_by_kind(spellings)),
        personal=MappingProxyType(personal),
        consent=tuple(consent),
    )


def load_lexicon(locale: str) -> Lexicon:
    """The lexicon of a locale tag. Raises `UnsupportedLocale`."""
    return _load(locale_id(locale))
