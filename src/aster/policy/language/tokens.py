"""What a source is made of: words, literals, signs and the layout of lines."""

from typing import Any, Final

import msgspec

WORD: Final = "word"
TEXT: Final = "text"
NUMBER: Final = "number"
SIGN: Final = "sign"
NEWLINE: Final = "newline"
INDENT: Final = "indent"
DEDENT: Final = "dedent"
END: Final = "end"


Phrases = tuple[tuple[str, int], ...]
NO_PHRASES: Phrases = ()


class Token(msgspec.Struct, gc=False):
    """One token. ``value`` is the name of a word (as written, NFC) or the value of a literal.

    ``phrases`` lists the keyword kinds that begin at a word and how many words each takes, longest first.
    """

    kind: str
    value: Any
    start: int
    end: int
    phrases: Phrases = NO_PHRASES


class LongLiteral(int):
    """An integer written with the suffix of a Long."""
