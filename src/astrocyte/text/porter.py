"""Porter's stemmer for English (M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980).

The paper's own notation: a word is ``[C](VC)^m[V]`` with C and V runs of consonants and vowels; *m* is the measure. The
rules are the tables below, one a step; in each table the longest suffix that fits decides, whether or not its
condition then holds. ``bli`` and ``logi`` in step 2 are the author's own later corrections.
"""

from functools import lru_cache
from itertools import pairwise

_Table = tuple[tuple[str, str], ...]
"""Rows of suffix and replacement; the condition is the step's."""


def _longest_first(*rows: tuple[str, str]) -> _Table:
    return tuple(sorted(rows, key=lambda row: -len(row[0])))


_STEP_2: _Table = _longest_first(
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("logi", "log"),
)
_STEP_3: _Table = _longest_first(
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_STEP_4: _Table = _longest_first(
    *((suffix, "") for suffix in ("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent")),
    *((suffix, "") for suffix in ("ion", "ou", "ism", "ate", "iti", "ous", "ive", "ize")),
)


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem of a lower-case word; a word of one or two letters, or with other letters than a-z, is its own."""
    if len(word) <= 2 or not (word.isascii() and word.isalpha()):
        return word
    word = _past_and_progressive(_plural(word))
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _replace(word, _STEP_2, 0)
    word = _replace(word, _STEP_3, 0)
    word = _strip(word)
    return _tidy(word)


def _plural(word: str) -> str:
    for suffix, replacement in (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")):
        if word.endswith(suffix):
            return word[: -len(suffix)] + replacement
    return word


def _past_and_progressive(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            return _restore(base) if _has_vowel(base) else word
    return word


def _restore(base: str) -> str:
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if _ends_double(base) and base[-1] not in "lsz":
        return base[:-1]
    return base + "e" if _measure(base) == 1 and _ends_short(base) else base


def _replace(word: str, table: _Table, more_than: int) -> str:
    for suffix, replacement in table:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            return base + replacement if _measure(base) > more_than else word
    return word


def _strip(word: str) -> str:
    for suffix, _ in _STEP_4:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            if suffix == "ion" and not base.endswith(("s", "t")):
                return word
            return base if _measure(base) > 1 else word
    return word


def _tidy(word: str) -> str:
    if word.endswith("e"):
        base = word[:-1]
        measure = _measure(base)
        if measure > 1 or (measure == 1 and not _ends_short(base)):
            word = base
    if word.endswith("ll") and _measure(word[:-1]) > 1:
        word = word[:-1]
    return word


def _is_consonant(word: str, index: int) -> bool:
    letter = word[index]
    if letter in "aeiou":
        return False
    return letter != "y" or index == 0 or not _is_consonant(word, index - 1)


def _measure(base: str) -> int:
    """How many times a vowel is followed by a consonant."""
    kinds = [_is_consonant(base, index) for index in range(len(base))]
    return sum(1 for before, after in pairwise(kinds) if after and not before)


def _has_vowel(base: str) -> bool:
    return any(not _is_consonant(base, index) for index in range(len(base)))


def _ends_double(base: str) -> bool:
    return len(base) >= 2 and base[-1] == base[-2] and _is_consonant(base, len(base) - 1)


def _ends_short(base: str) -> bool:
    """Consonant, vowel, consonant at the end, the last not w, x or y."""
    end = len(base) - 1
    if end < 2 or base[-1] in "wxy":
        return False
    return _is_consonant(base, end) and not _is_consonant(base, end - 1) and _is_consonant(base, end - 2)
