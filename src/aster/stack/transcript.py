"""Reading a transcript: JSON Lines with speaker, text and time; Markdown; or plain text.

One `Turn` is one thing somebody said, or one passage of a text. Every format is read to its end before anything is
kept, so a bad line stops the whole file with its number.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from aster.foundation.errors import AsterError

MAX_BYTES = 64 * 1024 * 1024


class TranscriptError(AsterError):
    """The file can't be read as the transcript its name says it is."""

    code = "TRANSCRIPT_INVALID"


class Turn(msgspec.Struct, frozen=True):
    """``conversation`` keeps several conversations of one file apart; ``session`` groups the turns of one sitting."""

    text: str
    speaker: str | None = None
    time: datetime | None = None
    session: str | None = None
    conversation: str | None = None


class _Line(msgspec.Struct):
    text: str
    speaker: str | None = None
    time: datetime | None = None
    session: str | int | None = None
    conversation: str | int | None = None


_SPEAKER = re.compile(r"(?P<speaker>[^\s:][^:\n]{0,39}):\s+(?P<text>\S.*)", re.DOTALL)
_HEADING = re.compile(r"#{1,6}\s+(?P<title>.+)")


def read_transcript(path: Path) -> list[Turn]:
    """Every turn of ``path``, in order. Raises `TranscriptError` naming the file, the line and what was expected."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TranscriptError(f"{path} is larger than {MAX_BYTES // 1024 // 1024} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TranscriptError(f"{path} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TranscriptError(f"{path} is not UTF-8 text") from error
    read = _FORMATS.get(path.suffix.lower(), _plain_text)
    turns = [turn for turn in read(path, text) if turn.text.strip()]
    if not turns:
        raise TranscriptError(f"{path} holds no text")
    return turns


def _json_lines(path: Path, text: str) -> Iterator[Turn]:
    decoder = msgspec.json.Decoder(_Line)
    for number, raw in enumerate(text.split("\n"), start=1):  # not splitlines: JSON may hold U+2028
        if not raw.strip():
            continue
        try:
            line = decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise TranscriptError(
                f"{path}, line {number}: {error}",
                hint='a line is {"speaker": "…", "text": "…", "time": "2026-01-31T09:30:00Z"}',
            ) from None
        yield Turn(line.text, line.speaker, line.time, _label(line.session), _label(line.conversation))


def _markdown(path: Path, text: str) -> Iterator[Turn]:
    heading: str | None = None
    for block in _blocks(text):
        if found := _HEADING.fullmatch(block):
            heading = found["title"].strip()
        else:
            yield _passage(block, session=heading)


def _plain_text(path: Path, text: str) -> Iterator[Turn]:
    for block in _blocks(text):
        lines = block.splitlines()
        if all(_SPEAKER.fullmatch(line) for line in lines):
            yield from map(_passage, lines)
        else:
            yield _passage(block)


def _blocks(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n|\n(?=#{1,6}\s)", text):
        lines = block.strip().splitlines()
        if lines and _HEADING.fullmatch(lines[0]) and len(lines) > 1:
            yield lines[0].strip()
            lines = lines[1:]
        if lines:
            yield "\n".join(lines).strip()


def _passage(block: str, session: str | None = None) -> Turn:
    found = _SPEAKER.fullmatch(block)
    if found is None:
        return Turn(block, session=session)
    return Turn(found["text"].strip(), found["speaker"].strip("*_ "), session=session)


def _label(value: str | int | None) -> str | None:
    return None if value is None else str(value)


_FORMATS: Mapping[str, Callable[[Path, str], Iterator[Turn]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_lines,
    ".md": _markdown,
    ".markdown": _markdown,
}
