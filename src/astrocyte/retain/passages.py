"""A long memory as passages that are found one by one: cut where its kind of text has its joints.

A passage is a span of the content, never a changed copy of it. Passages come in order, do not overlap, and leave out
nothing but white space; each is at most `TARGET` characters, about what the embedding model reads at once. Its
``context`` (headings, a speaker) is searched along with it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

TARGET = 900
MAX_CONTEXT = 200


@dataclass(frozen=True, slots=True)
class Passage:
    """``content[start:stop]``, and words that say what it belongs to."""

    start: int
    stop: int
    context: str = ""


_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]*|[.!?。！？\n]+")
_PARAGRAPH = re.compile(r"(?:[^\n]*\S[^\n]*(?:\n|\Z))+")
_LINE = re.compile(r"[^\n]+")
_LABEL = re.compile(r"\s*([^\s:][^:\n]{0,39}):\s")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+([^\n]*?)[ \t#]*\Z")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def split_passages(content: str, kind: str) -> list[Passage]:
    """At least one passage; a short content is one as it is. ``kind`` is a key of `KINDS`."""
    if len(content) <= TARGET:
        return [Passage(0, len(content))]
    units = (small for unit in KINDS[kind](content) for small in _cut(content, unit))
    return list(_packed(content, units))


def _sentences(content: str) -> Iterator[Passage]:
    for found in _SENTENCE.finditer(content):
        yield Passage(found.start(), found.end())


def _paragraphs(content: str) -> Iterator[Passage]:
    for found in _PARAGRAPH.finditer(content):
        yield Passage(found.start(), found.end())


def _turns(content: str) -> Iterator[Passage]:
    """Lines; one that begins with ``Name:`` starts a turn, and what follows is still that speaker's."""
    speaker = ""
    for found in _LINE.finditer(content):
        label = _LABEL.match(found[0])
        speaker = label[1].strip() if label else speaker
        yield Passage(found.start(), found.end(), speaker)


def _markdown(content: str) -> Iterator[Passage]:
    """Paragraphs under their headings; a fenced block is one unit."""
    path: list[str] = []
    start: int | None = None
    fence: str | None = None
    end = 0
    for found in _LINE.finditer(content):
        line = found[0]
        heading = None if fence else _HEADING.match(line)
        apart = fence is None and (heading is not None or content[end : found.start()].count("\n") > 1)
        if start is not None and apart:
            yield Passage(start, end, _path(path))
            start = None
        if heading:
            path = [*path[: len(heading[1]) - 1], heading[2]]
        if mark := _FENCE.match(line):
            fence = None if fence == mark[1] else fence or mark[1]
        start = found.start() if start is None else start
        end = found.end()
    if start is not None:
        yield Passage(start, end, _path(path))


def _path(headings: Iterable[str]) -> str:
    return " > ".join(heading for heading in headings if heading)[:MAX_CONTEXT]


KINDS: Mapping[str, Callable[[str], Iterator[Passage]]] = MappingProxyType(
    {"text": _sentences, "document": _paragraphs, "dialogue": _turns, "markdown": _markdown}
)
"""What a content can be, and where it may be cut."""


def _cut(content: str, unit: Passage) -> Iterator[Passage]:
    """A unit that is too long at its sentences, a sentence at its spaces, a word anywhere."""
    if unit.stop - unit.start <= TARGET:
        yield unit
        return
    start = unit.start
    while unit.stop - start > TARGET:
        window = content[start : start + TARGET]
        ends = [found.end() for found in _SENTENCE.finditer(window)][:-1]
        cut = ends[-1] if ends else window.rfind(" ") + 1
        cut = cut if cut > TARGET // 4 else TARGET
        yield Passage(start, start + cut, unit.context)
        start += cut
    yield Passage(start, unit.stop, unit.context)


def _packed(content: str, units: Iterable[Passage]) -> Iterator[Passage]:
    """Neighbouring units of one context, joined as long as they fit; white space at the ends dropped."""
    open_: Passage | None = None
    for unit in units:
        if open_ and open_.context == unit.context and unit.stop - open_.start <= TARGET:
            open_ = Passage(open_.start, unit.stop, unit.context)
            continue
        if open_:
            yield from _trimmed(content, open_)
        open_ = unit
    if open_:
        yield from _trimmed(content, open_)


def _trimmed(content: str, passage: Passage) -> Iterator[Passage]:
    text = content[passage.start : passage.stop]
    if text.strip():
        start = passage.start + len(text) - len(text.lstrip())
        yield Passage(start, start + len(text.strip()), passage.context)
