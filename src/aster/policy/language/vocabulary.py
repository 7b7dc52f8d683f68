"""Domain vocabularies: the words of a trade in another language, mapped to the canonical names (specification §16).

A vocabulary is data: `{id, locale, structs, fields, functions, enumValues, literals}`, each entry
`{canonical, localized, aliases?}`. Look-up ignores case; a word means one name only, whatever its kind. A type's word
that begins with a capital also names its values without one: with `Antragsteller` for `Applicant`, `antragsteller` is
`applicant`.

Vocabularies of some trades are shipped under `vocabularies/`, one file each for all locales.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import msgspec

from aster.policy.language.errors import VocabularyInvalid
from aster.policy.language.lexicon import ENGLISH, load_lexicon, locale_id

VOCABULARIES = ("finance.loan", "insurance.auto")
MAX_TERMS = 5_000
_KINDS = ("structs", "fields", "functions", "enumValues")
_CANONICAL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class Vocabulary(msgspec.Struct, frozen=True):
    """Names and literals by localized word in lower case; ``words`` has the first word, as written, by name.

    ``capitalised`` are the words, in lower case, that begin with a capital, as do their names.
    """

    id: str
    names: Mapping[str, str]
    literals: Mapping[str, str] = MappingProxyType({})
    words: Mapping[str, str] = MappingProxyType({})
    capitalised: frozenset[str] = frozenset()

    def name_of(self, word: str) -> str | None:
        """The canonical name a word of a source stands for."""
        lower = word.lower()
        name = self.names.get(lower)
        if name is not None and lower in self.capitalised and word[0].islower():
            return name[0].lower() + name[1:]
        return name

    def word_for(self, name: str) -> str:
        """How a canonical name is written in the vocabulary's language; the name itself if there is no word."""
        word = self.words.get(name)
        if word is None and name[:1].islower():
            word = self.words.get(name[0].upper() + name[1:], "")
            word = word[0].lower() + word[1:] if word.lower() in self.capitalised else None
        return word or name

    def __or__(self, other: "Vocabulary") -> "Vocabulary":
        """Both vocabularies; words of the second win."""
        return Vocabulary(
            f"{self.id}+{other.id}",
            MappingProxyType({**self.names, **other.names}),
            MappingProxyType({**self.literals, **other.literals}),
            MappingProxyType({**self.words, **other.words}),
            (self.capitalised - other.names.keys()) | other.capitalised,
        )


def read_vocabulary(document: Mapping[str, Any]) -> Vocabulary:
    """A vocabulary from its JSON form. Raises `VocabularyInvalid`."""
    names: dict[str, str] = {}
    literals: dict[str, str] = {}
    words: dict[str, str] = {}
    capitalised: set[str] = set()
    for kind in _KINDS:
        for term in _terms(document, kind):
            canonical = term.get("canonical")
            if not isinstance(canonical, str) or not _CANONICAL.fullmatch(canonical):
                raise VocabularyInvalid(f"{kind}: {canonical!r} is not a name of ASCII letters, digits and _")
            _add(names, literals, _words(term, kind), canonical, kind)
            words.setdefault(canonical, str(term["localized"]))
            if canonical[0].isupper():
                spelled = (term["localized"], *(term.get("aliases") or ()))
                capitalised.update(word.lower() for word in spelled if word[0].isupper())
    for term in _terms(document, "literals"):
        canonical = term.get("canonical")
        if not isinstance(canonical, str) or re.search(r"[\"“”「」\r\n]", canonical):
            raise VocabularyInvalid("literals: a literal is a text without quotes and line ends")
        _add(literals, names, _words(term, "literals"), canonical, "literals")
    if len(names) + len(literals) > MAX_TERMS:
        raise VocabularyInvalid(f"a vocabulary has at most {MAX_TERMS} terms")
    _spare_keywords(document.get("locale"), {*names, *literals})
    return Vocabulary(
        str(document.get("id", "")),
        MappingProxyType(names),
        MappingProxyType(literals),
        MappingProxyType(words),
        frozenset(capitalised),
    )


def load_vocabulary(name: str, locale: str) -> Vocabulary:
    """The shipped vocabulary of a trade in a locale; `finance.loan+insurance.auto` is both.

    Raises `VocabularyInvalid` for a name there is not, `UnsupportedLocale`.
    """
    shipped = locale_id(locale)
    found = [_load(part.strip(), shipped) for part in name.split("+")]
    whole = found[0]
    for other in found[1:]:
        whole = whole | other
    return whole


@lru_cache(maxsize=32)
def _load(name: str, locale: str) -> Vocabulary:
    if name not in VOCABULARIES:
        raise VocabularyInvalid(f"there is no vocabulary {name!r}", hint=f"shipped are {', '.join(VOCABULARIES)}")
    text = files("aster.policy.language").joinpath("vocabularies", f"{name}.json").read_text(encoding="utf-8")
    document = json.loads(text)
    told = {kind: list(_in_locale(document[kind], locale)) for kind in _KINDS}
    if not any(told.values()):
        raise VocabularyInvalid(f"the vocabulary {name!r} has no words in {locale}")
    return read_vocabulary({**document, **told, "locale": locale})


def _in_locale(terms: Iterable[Mapping[str, Any]], locale: str) -> Iterable[dict[str, Any]]:
    """The terms a locale has words for; in English every name is its own word."""
    for term in terms:
        words = [term["canonical"]] if locale == ENGLISH else term.get(locale)
        if words:
            yield {"canonical": term["canonical"], "localized": words[0], "aliases": words[1:]}


def _spare_keywords(locale: Any, words: set[str]) -> None:
    """A word that begins a keyword would take it out of the language."""
    if isinstance(locale, str):
        taken = sorted(words & load_lexicon(locale).phrases.keys())
        if taken:
            raise VocabularyInvalid(f"{taken[0]!r} begins a keyword of {locale}")


def _terms(document: Mapping[str, Any], kind: str) -> Iterable[Mapping[str, Any]]:
    found = document.get(kind) or ()
    if not isinstance(found, list | tuple) or not all(isinstance(term, Mapping) for term in found):
        raise VocabularyInvalid(f"{kind}: expected a list of terms")
    return found


def _words(term: Mapping[str, Any], kind: str) -> list[str]:
    words = [term.get("localized"), *(term.get("aliases") or ())]
    for word in words:
        if not isinstance(word, str) or not word.isidentifier() or word.startswith("_"):
            raise VocabularyInvalid(f"{kind}: {word!r} is not one word")
    return [str(word).lower() for word in words]


def _add(mine: dict[str, str], others: dict[str, str], words: list[str], canonical: str, kind: str) -> None:
    for word in words:
        if word in others or mine.setdefault(word, canonical) != canonical:
            raise VocabularyInvalid(f"{kind}: {word!r} has two meanings")
