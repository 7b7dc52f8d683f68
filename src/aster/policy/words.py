"""The words that a source is written in beside its locale's: a vocabulary, and aliases for keywords.

They are kept as one text, canonical JSON, so that they can be a key, a column and a part of a hash; most sources have
none, which is the empty text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aster.policy.language.aliases import AliasSet, read_aliases
from aster.policy.language.vocabulary import Vocabulary, load_vocabulary, read_vocabulary

NO_WORDS = ""
_canonical = msgspec.json.Encoder(order="sorted").encode


class Words(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """``vocabulary`` is a shipped one's name, or a whole one as its JSON; ``alias_set`` as `read_aliases` takes it."""

    vocabulary: str | dict[str, Any] | None = None
    alias_set: dict[str, list[str]] | None = None

    @property
    def vocabulary_id(self) -> str | None:
        """The vocabulary's name."""
        if isinstance(self.vocabulary, dict):
            return str(self.vocabulary.get("id", ""))
        return self.vocabulary


def words_text(vocabulary: str | Mapping[str, Any] | None, alias_set: Mapping[str, Sequence[str]] | None) -> str:
    """The canonical text; empty without either."""
    aliases = {kind: sorted(phrases) for kind, phrases in (alias_set or {}).items() if phrases}
    told = {"vocabulary": vocabulary or None, "aliasSet": aliases or None}
    present = {name: value for name, value in told.items() if value is not None}
    return _canonical(present).decode() if present else NO_WORDS


def parse_words(text: str) -> Words:
    return msgspec.json.decode(text, type=Words) if text else Words()


def read_words(text: str, locale: str) -> tuple[Vocabulary | None, AliasSet | None]:
    """What the compiler takes. Raises `VocabularyInvalid`, `AliasesInvalid`, `UnsupportedLocale`.

    Who may rename what shapes a program was asked before the text was made.
    """
    words = parse_words(text)
    vocabulary = None
    if isinstance(words.vocabulary, str):
        vocabulary = load_vocabulary(words.vocabulary, locale)
    elif words.vocabulary is not None:
        vocabulary = read_vocabulary({**words.vocabulary, "locale": locale})
    aliases = read_aliases(words.alias_set, administrator=True) if words.alias_set is not None else None
    return vocabulary, aliases
