"""An answer without a language model: the memories' own sentences that answer best, in order of time, each cited.

Nothing is rephrased, so nothing is made up; when the evidence is thin the answer says that there is none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from astrocyte.memories import MemoryHit
from astrocyte.text.terms import query_terms, term_of, words

NO_ANSWER = "Nothing in memory answers this."
EVIDENCE = 12
"""Memories that are looked at."""

QUOTED = 5
THIN = 0.25
"""A memory below this score is no evidence, unless more or less is asked for."""

NEAR_BEST = 0.5
"""Nor is one below this share of the best score."""

SHORT = 240
"""A memory of at most this many characters is quoted whole; of a longer one, its best sentences."""

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]*[\"'”’)]*")


@dataclass(frozen=True, slots=True)
class Extract:
    """``answer`` cites ``sources`` by their place, from 1."""

    answer: str
    sources: list[MemoryHit]
    confidence: float


def extract(
    query: str, hits: Sequence[MemoryHit], *, least: float = THIN, max_characters: int | None = None
) -> Extract:
    """Choose and quote. ``hits`` are ranked, best first; those below ``least`` are no evidence.

    ``max_characters`` drops quotes, the weakest first.
    """
    best = hits[0].score if hits else 0.0
    chosen = [hit for hit in hits if hit.score >= max(least, NEAR_BEST * best)][:QUOTED]
    quotes = [(hit, _quoted(query, hit)) for hit in chosen]
    if max_characters is not None:
        quotes = _within(quotes, max_characters)
    if not quotes:
        return Extract(NO_ANSWER, [], 0.0)
    quotes.sort(key=lambda quote: (quote[0].occurred_at is None, quote[0].occurred_at or quote[0].retained_at))
    lines = [f"{text} [{number}]" for number, (_, text) in enumerate(quotes, start=1)]
    return Extract("\n".join(lines), [hit for hit, _ in quotes], best)


def _quoted(query: str, hit: MemoryHit) -> str:
    text = hit.text.strip()
    if len(text) > SHORT:
        text = _best_sentences(query, text)
    who = "" if hit.speaker is None or text.startswith(f"{hit.speaker}:") else f"{hit.speaker}: "
    when = "" if hit.occurred_at is None else f" ({hit.occurred_at.date().isoformat()})"
    return f"{who}{text}{when}"


def _best_sentences(query: str, text: str) -> str:
    """The sentence that shares most words with the question, and its neighbours as far as they are short enough."""
    sentences = [found.strip() for found in _SENTENCE.findall(text) if found.strip()]
    wanted = set(query_terms(query))
    shared = [len(wanted & {term_of(word) for word in words(sentence)}) for sentence in sentences]
    if not sentences:
        return text[:SHORT]
    first = last = shared.index(max(shared))
    while last + 1 < len(sentences) and sum(map(len, sentences[first : last + 2])) < SHORT:
        last += 1
    while first > 0 and sum(map(len, sentences[first - 1 : last + 1])) < SHORT:
        first -= 1
    return " ".join(sentences[first : last + 1])


def _within(quotes: Sequence[tuple[MemoryHit, str]], characters: int) -> list[tuple[MemoryHit, str]]:
    kept = []
    for hit, text in quotes:
        characters -= len(text)
        if characters < 0:
            break
        kept.append((hit, text))
    return kept
