"""BERT's uncased WordPiece (Devlin et al., 2019; Wu et al., 2016): from a text to the numbers its model was trained on.

Controls go, Chinese characters stand alone, accents and case go, punctuation stands alone; each word that is left is
cut into the longest pieces that the vocabulary has, from its beginning. Time grows with the text's length.

It agrees, number by number, with the ``tokenizers`` library that the model was published for (the tests compare them),
but for combining marks, punctuation and controls that Unicode has only had since version 9: what that library takes
for letters is here what Python says it is. No vocabulary of the time knows either.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

UNKNOWN, START, END = "[UNK]", "[CLS]", "[SEP]"
MARKS = ("[PAD]", UNKNOWN, START, END, "[MASK]")
"""What a vocabulary has beside words. In a text they mean themselves, as they did in training."""

LONGEST_WORD = 100
"""A word of more letters is unknown as a whole."""

KEPT_WORDS = 20_000
"""Words whose pieces are remembered, before all are dropped."""

KEPT_LETTERS = 10_000
"""Letters that are remembered; whoever writes in all of Unicode waits for the rest."""

_MARK = re.compile("|".join(map(re.escape, MARKS)))
_SIGNS = frozenset("$+<=>^`|~")
"""What ASCII has of punctuation that Unicode calls symbols."""

_STANDALONE = (
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2B740),
    range(0x2B740, 0x2B820),
    range(0x2B920, 0x2CEB0),  # the block begins at 2B820; the published tokenizer has this number
    range(0x2F800, 0x2FA20),
)
"""Chinese characters, each a word."""


class _Cleaned(dict[int, str]):
    """For `str.translate`: controls to nothing, spaces of all kinds to a space, spaces around Chinese characters."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if letter in "\t\n\r":
            found = " "
        elif code == 0xFFFD or unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cs"):
            found = ""
        elif letter.isspace():
            found = " "
        else:
            found = f" {letter} " if any(code in one for one in _STANDALONE) else letter
        if len(self) < KEPT_LETTERS:
            self[code] = found
        return found


class _Folded(dict[int, str]):
    """For `str.translate` of decomposed letters: accents to nothing, lower case, spaces around punctuation."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        category = unicodedata.category(letter)
        found = "" if category == "Mn" else letter.lower()
        if category[0] == "P" or letter in _SIGNS:
            found = f" {letter} "
        if len(self) < KEPT_LETTERS:
            self[code] = found
        return found


class WordPiece:
    """The tokenizer of one vocabulary; safe to be used by several threads at once."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """``vocabulary[number]`` is a piece; those that go on a word begin with ``##``."""
        self.vocabulary = vocabulary
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._longest = max(map(len, vocabulary))
        self._unknown = self._numbers[UNKNOWN]
        self._cleaned, self._folded = _Cleaned(), _Folded()
        self._known: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str, most: int) -> list[int]:
        """At most ``most`` numbers, with those of the start and the end; the text is cut where they are reached."""
        found = [self._numbers[START]]
        for word in self._words(text):
            found += self._known.get(word) or self._remembered(word)
            if len(found) >= most:
                break
        return [*found[: most - 1], self._numbers[END]]

    def _words(self, text: str) -> Iterator[str]:
        place = 0
        for mark in _MARK.finditer(text) if "[" in text else ():
            yield from self._plain_words(text[place : mark.start()])
            yield mark.group()
            place = mark.end()
        yield from self._plain_words(text[place:])

    def _plain_words(self, text: str) -> list[str]:
        text = text.translate(self._cleaned)
        if not text.isascii():
            text = unicodedata.normalize("NFD", text)
        return text.translate(self._folded).split()

    def _remembered(self, word: str) -> tuple[int, ...]:
        if len(self._known) >= KEPT_WORDS:
            self._known.clear()
        self._known[word] = pieces = self._pieces(word)
        return pieces

    def _pieces(self, word: str) -> tuple[int, ...]:
        if word in MARKS:
            return (self._numbers[word],)
        if len(word) > LONGEST_WORD:
            return (self._unknown,)
        pieces = []
        place = 0
        while place < len(word):
            prefix = "##" if place else ""
            for stop in range(min(len(word), place + self._longest), place, -1):
                number = self._numbers.get(prefix + word[place:stop])
                if number is not None:
                    pieces.append(number)
                    place = stop
                    break
            else:
                return (self._unknown,)
        return tuple(pieces)
