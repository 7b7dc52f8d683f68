"""What the demo works on: a transcript and the questions to ask of it."""

import importlib.resources
import importlib.resources.abc
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from aster.stack.transcript import TranscriptError, Turn, read_transcript

MOST_QUESTIONS = 5


class Question(msgspec.Struct, frozen=True):
    """``conversation`` says which of a file's conversations is asked; None asks the only one, or the first.

    ``evidence`` are the texts of the turns that answer it, where the file knows them: the demo then counts how often
    one is among the first ten.
    """

    question: str
    conversation: str | None = None
    evidence: list[str] = []


@dataclass(frozen=True, slots=True)
class DemoInput:
    """Turns grouped by conversation, in the order of the file, and the questions."""

    name: str
    conversations: dict[str, list[Turn]]
    questions: list[Question]

    @classmethod
    def read(cls, *, transcript: Path | None, questions: Path | None, asked: Sequence[str]) -> "DemoInput":
        """The given files, or the sample; without questions, those that the transcript's speakers asked themselves."""
        name = "a sample conversation" if transcript is None else transcript.name
        turns = _sample_turns() if transcript is None else read_transcript(transcript)
        conversations: dict[str, list[Turn]] = {}
        for turn in turns:
            conversations.setdefault(turn.conversation or "demo", []).append(turn)
        wanted = [Question(text) for text in asked]
        if questions is not None:
            wanted += _read_questions(questions)
        elif transcript is None and not wanted:
            wanted = _sample_questions()
        return cls(name, conversations, wanted or _own_questions(turns))

    @property
    def size(self) -> int:
        return sum(map(len, self.conversations.values()))

    def banks(self) -> Iterator[tuple[str, list[Turn]]]:
        """Each conversation with the bank that keeps it."""
        for conversation, turns in self.conversations.items():
            yield bank_name(conversation), turns

    def bank_of(self, question: Question) -> str:
        return bank_name(question.conversation or next(iter(self.conversations)))


def bank_name(conversation: str) -> str:
    """A conversation's name with what a bank's name may not hold replaced by dashes."""
    name = re.sub(r"[^A-Za-z0-9._:@-]", "-", conversation)
    return name[:255] if name[:1].isalnum() else f"c{name}"[:255]


def _sample_turns() -> list[Turn]:
    with importlib.resources.as_file(_samples() / "conversation.jsonl") as path:
        return read_transcript(path)


def _sample_questions() -> list[Question]:
    text = (_samples() / "questions.jsonl").read_text(encoding="utf-8")
    return [msgspec.json.decode(line, type=Question) for line in text.splitlines()]


def sample_policy() -> str:
    return (_samples() / "access.aster").read_text(encoding="utf-8")


def _samples() -> importlib.resources.abc.Traversable:
    return importlib.resources.files("aster.stack.samples")


def _read_questions(path: Path) -> list[Question]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TranscriptError(f"{path} can't be read: {error}") from error
    decoder = msgspec.json.Decoder(Question)
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found += [decoder.decode(line)] if line.strip() else []
        except msgspec.DecodeError as error:
            raise TranscriptError(
                f"{path}, line {number}: {error}", hint='a line is {"question": "…", "conversation": "…"}'
            ) from None
    return found


def _own_questions(turns: Sequence[Turn]) -> list[Question]:
    asked = [turn for turn in turns if turn.text.rstrip().endswith("?")] or list(turns)
    step = max(1, len(asked) // MOST_QUESTIONS)
    return [Question(turn.text, turn.conversation) for turn in asked[::step][:MOST_QUESTIONS]]
