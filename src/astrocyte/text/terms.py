"""Index terms: what the keyword search compares.

A text becomes lower-case words without accents, English endings are stripped (`astrocyte.text.porter`), and runs of
Chinese, Japanese or Korean characters become overlapping pairs, since nothing separates their words. A term is kept as
a 32-bit hash: two of a bank's terms meet by accident about once in 4 billion pairs, and then a row gains a little
noise, so no dictionary has to be stored, locked or cleaned up after a memory is forgotten.
"""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator

from astrocyte.text.porter import stem

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿가-힯]+|[^぀-ヿ㐀-䶿一-鿿豈-﫿가-힯]+")

STOP_WORDS = frozenset(
    """
    a about above after again against all am an and any are as at be because been before being below between both
    but by can could did do does doing don down during each few for from further had has have having he her here
    hers herself him himself his how i if in into is it its itself just me more most my myself no nor not now of off
    on once only or other our ours ourselves out over own same she should so some such t than that the their theirs
    them themselves then there these they this those through to too under until up very was we were what when where
    which while who whom why will with would you your yours yourself yourselves s d ll m re ve
    """.split()  # noqa: SIM905 - words read better as words
)
"""English words that say how a question is put, not what it is about. Left out of queries only."""


def words(text: str) -> Iterator[str]:
    """The words of a text in order, lower-case and without accents; unspaced scripts in pairs of characters."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)) if not plain.isascii() else plain
    plain = plain if plain.isascii() else unicodedata.normalize("NFC", plain)
    for word in _WORD.findall(plain):
        if word.isascii():
            yield word
            continue
        for run in _UNSPACED.findall(word):
            yield from _pairs(run) if _is_unspaced(run) else (run,)


def index_terms(text: str) -> list[tuple[int, int]]:
    """``(term, occurrences)`` of a text to be stored, ordered by term."""
    return sorted(Counter(term_of(word) for word in words(text)).items())


def query_terms(text: str) -> list[int]:
    """The distinct terms of a question without its stop words; all of them when it has no others."""
    found = list(dict.fromkeys(words(text)))
    telling = [word for word in found if word not in STOP_WORDS]
    return list(dict.fromkeys(term_of(word) for word in telling or found))


def mark_term(mark: str) -> int:
    """The term of a mark that no word of a text can be."""
    return zlib.crc32(f"\0{mark}".encode())


def term_of(word: str) -> int:
    """A word's term: the CRC-32 of its stem."""
    return zlib.crc32(stem(word).encode())


def _is_unspaced(run: str) -> bool:
    return ord(run[0]) >= 0x3040


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for index in range(len(run) - 1):
        yield run[index : index + 2]
