"""Domain vocabularies: the words of a trade in another language, mapped to the canonical names (specification §16).

A vocabulary is data: `{id, locale, structs, fields, functions, enumValues, literals}`, each entry
`{canonical, localized, aliases?}`. Look-up ignores case; a word means one name only, whatever its kind.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from aster.policy.language.errors import VocabularyInvalid

MAX_TERMS = 5_000
_KINDS = ("structs", "fields", "functions", "enumValues")
_CANONICAL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class Vocabulary(msgspec.Struct, frozen=True):
    """Names and literals by localized word in lower case; ``words`` has the first word, as written, by name."""

    id: str
    names: Mapping[str, str]
    literals: Mapping[str, str] = MappingProxyType({})
    words: Mapping[str, str] = MappingProxyType({})

    def __or__(self, other: "Vocabulary") -> "Vocabulary":
        """Both vocabularies; words of the second win."""
        return Vocabulary(
            f"{self.id}+{other.id}",
            MappingProxyType({**self.names, **other.names}),
            MappingProxyType({**self.literals, **other.literals}),
            MappingProxyType({**self.words, **other.words}),
        )


def read_vocabulary(document: Mapping[str, Any]) -> Vocabulary:
    """A vocabulary from its JSON form. Raises `VocabularyInvalid`."""
    names: dict[str, str] = {}
    literals: dict[str, str] = {}
    words: dict[str, str] = {}
    for kind in _KINDS:
        for term in _terms(document, kind):
            canonical = term.get("canonical")
            if not isinstance(canonical, str) or not _CANONICAL.fullmatch(canonical):
                raise VocabularyInvalid(f"{kind}: {canonical!r} is not a name of ASCII letters, digits and _")
            _add(names, literals, _words(term, kind), canonical, kind)
            words.setdefault(canonical, str(term["localized"]))
    for term in _terms(document, "literals"):
        canonical = term.get("canonical")
        if not isinstance(canonical, str) or re.search(r"[\"“”「」\r\n]", canonical):
            raise VocabularyInvalid("literals: a literal is a text without quotes and line ends")
        _add(literals, names, _words(term, "literals"), canonical, "literals")
    if len(names) + len(literals) > MAX_TERMS:
        raise VocabularyInvalid(f"a vocabulary has at most {MAX_TERMS} terms")
    return Vocabulary(
        str(document.get("id", "")), MappingProxyType(names), MappingProxyType(literals), MappingProxyType(words)
    )


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
